from daf import environment_checks

result = environment_checks.daf_check_environment(
    missions=["training_facility_1"],
    check_cuda=True,
    check_disk=True
)

if result.is_healthy():
    device = environment_checks.daf_get_recommended_device()
    print(f"Using device: {device}")
else:
    print("Fix issues:", result.warnings)
