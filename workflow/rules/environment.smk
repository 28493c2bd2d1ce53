# Checks that this machine can run the experiment.
#
# REQUIRED INPUTS: none
# OUTPUTS:         <out>/environment/check.json
localrules:
    check_environment,
    verify,


rule environment:
    """Check versions, memory, disk, GPU and missions."""
    input:
        "<out>/environment/check.json",


rule verify:
    """Check every file of the output folder against its digest and the record of the job that made it."""
    log:
        "<logs>/verify.log",
    benchmark:
        "<benchmarks>/verify.jsonl"
    conda:
        ENVIRONMENT
    script:
        "../../scripts/verify_outputs.py"


rule check_environment:
    """Check versions, memory, disk, GPU and missions; if something is missing, fail and say what to do."""
    output:
        ensure("<out>/environment/check.json", non_empty=True),
    log:
        "<logs>/environment/check.log",
    benchmark:
        "<benchmarks>/environment/check.jsonl"
    # Runs first, so that users see it early. It is not an input of any job: behind an `ancient` input that is being
    # remade, Snakemake does not look for changed params, and stale results would remain. The check before the DAG stops
    # what must not start.
    priority: 100
    conda:
        ENVIRONMENT
    params:
        environment=environment_params,
        stage_version=STAGE_VERSIONS["check"],
    script:
        "../../scripts/check_environment.py"
