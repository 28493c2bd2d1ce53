# The deployment package. Sending it anywhere is never part of `all`: request deploy_policy by its file.
#
# REQUIRED INPUTS: the weights of the policy that is packaged; what its model card tells: its training run, the sweep
#                  of its hyperparameters, and the comparison of deployment.comparison
# OUTPUTS:         <out>/deployment/{checkpoint}-{version}.zip, .manifest.json, .validation.json
#                  with deployment.signing_key: .sig
#                  on request: .deployed.json (needs deployment.endpoint), .rolled-back.json
localrules:
    package_policy,
    sign_package,
    validate_package,
    deploy_policy,
    rollback_deployment,


rule package:
    """Package the policy and check that the package loads and acts."""
    input:
        package_targets,


rule package_policy:
    """Package a policy's weights, code and documents as a submission bundle."""
    input:
        weights=weights_to_package,
        run=run_to_package,
        sweep=sweep_to_package,
        comparison=comparison_to_package,
    output:
        package="<out>/deployment/{checkpoint}-{version}.zip",
        manifest=ensure("<out>/deployment/{checkpoint}-{version}.manifest.json", non_empty=True),
    log:
        "<logs>/deployment/{checkpoint}-{version}.package.log",
    benchmark:
        "<benchmarks>/deployment/{checkpoint}-{version}.package.jsonl"
    conda:
        ENVIRONMENT
    params:
        recipe=package_params,
    script:
        "../../scripts/package_policy.py"


rule sign_package:
    """Sign the package with the key of the configuration."""
    input:
        package="<out>/deployment/{checkpoint}-{version}.zip",
        manifest="<out>/deployment/{checkpoint}-{version}.manifest.json",
    output:
        ensure("<out>/deployment/{checkpoint}-{version}.sig", non_empty=True),
    log:
        "<logs>/deployment/{checkpoint}-{version}.sign.log",
    benchmark:
        "<benchmarks>/deployment/{checkpoint}-{version}.sign.jsonl"
    conda:
        ENVIRONMENT
    params:
        signing_key=signing_key_params,
    script:
        "../../scripts/sign_package.py"


rule validate_package:
    """Load the package in a fresh process without DAF and let it act."""
    input:
        package="<out>/deployment/{checkpoint}-{version}.zip",
        manifest="<out>/deployment/{checkpoint}-{version}.manifest.json",
        signature=signature_to_verify,
    output:
        ensure("<out>/deployment/{checkpoint}-{version}.validation.json", non_empty=True),
    log:
        "<logs>/deployment/{checkpoint}-{version}.validate.log",
    benchmark:
        "<benchmarks>/deployment/{checkpoint}-{version}.validate.jsonl"
    conda:
        ENVIRONMENT
    params:
        recipe=package_params,
        verification_key=verification_key_params,
    script:
        "../../scripts/validate_package.py"


rule deploy_policy:
    """Send a validated package to the endpoint of the configuration."""
    input:
        package="<out>/deployment/{checkpoint}-{version}.zip",
        validation="<out>/deployment/{checkpoint}-{version}.validation.json",
    output:
        ensure("<out>/deployment/{checkpoint}-{version}.deployed.json", non_empty=True),
    log:
        "<logs>/deployment/{checkpoint}-{version}.deploy.log",
    benchmark:
        "<benchmarks>/deployment/{checkpoint}-{version}.deploy.jsonl"
    conda:
        ENVIRONMENT
    params:
        deployment=deployment_params,
        mission=deployment_mission,
        endpoint_state=endpoint_state("deployed"),
        stage_version=STAGE_VERSIONS["package"],
    script:
        "../../scripts/deploy_policy.py"


rule rollback_deployment:
    """Make this previously deployed version current again at the endpoint."""
    output:
        ensure("<out>/deployment/{checkpoint}-{version}.rolled-back.json", non_empty=True),
    log:
        "<logs>/deployment/{checkpoint}-{version}.rollback.log",
    benchmark:
        "<benchmarks>/deployment/{checkpoint}-{version}.rollback.jsonl"
    conda:
        ENVIRONMENT
    params:
        deployment=deployment_params,
        endpoint_state=endpoint_state("rolled-back"),
        stage_version=STAGE_VERSIONS["package"],
    script:
        "../../scripts/rollback_deployment.py"
