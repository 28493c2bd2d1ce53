from daf import deployment

result = deployment.daf_package_policy(
    policy_class_path="lstm",
    weights_path="checkpoints/best_model.pt",
    output_dir="deployment_packages"
)
