# Is this machine fit for the experiment?
#
# REQUIRED INPUTS: none
# OUTPUTS:         <out>/environment/check.json
localrules:
    check_environment,


rule environment:
    """Check versions, memory, disk, GPU and missions."""
    input:
        "<out>/environment/check.json",


rule check_environment:
    """Check versions, memory, disk, GPU and missions; fail with what to do if something is missing."""
    output:
        ensure("<out>/environment/check.json", non_empty=True),
    log:
        "<logs>/environment/check.log",
    benchmark:
        "<benchmarks>/environment/check.jsonl"
    # First, so that a person reads it early. No job takes the file as input: behind an `ancient` input that is being
    # made anew, Snakemake no longer looks for changed params, and stale results would stay. What must not start is
    # stopped earlier, by the check before the DAG.
    priority: 100
    conda:
        "../../environment.yml"
    params:
        missions=[mission.to_dict() for mission in mission_recipes(EXPERIMENT)],
        stage_version=STAGE_VERSIONS["check"],
    script:
        "../../scripts/check_environment.py"
