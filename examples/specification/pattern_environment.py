from daf import environment_checks

result = environment_checks.daf_check_environment()
assert result.is_healthy(), "Environment check failed"
