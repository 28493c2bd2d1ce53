"""Package a policy, prove that the package plays, deploy two versions to a folder, and go back to the first."""

from daf import deployment

if __name__ == "__main__":
    for version in ("0.1.0", "0.2.0"):
        package = deployment.daf_package_policy("starter", output_dir="out/packages", name="mine", version=version)
        validation = deployment.daf_validate_deployment(package.path, mission="tutorial.miner")
        print(validation)
        print(deployment.daf_deploy_policy(package.path, "out/registry", validate=validation))
    print(deployment.daf_rollback_deployment("mine", "out/registry"))
