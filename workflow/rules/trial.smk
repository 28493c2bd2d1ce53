# One trial of a sweep at a time: its proposal, then its training and score.
#
# REQUIRED INPUTS: none, but the weights that trials start from, imitate or play beside
# OUTPUTS:         <out>/sweeps/{sweep}/trial-{trial}/proposal.json, result.json, curve.jsonl
localrules:
    propose_trial,


rule propose_trial:
    """Choose a trial's hyperparameters from the results that it may see."""
    input:
        results=results_seen_by_proposal,
        prior=trials_to_start_from,
    output:
        ensure("<out>/sweeps/{sweep}/trial-{trial}/proposal.json", non_empty=True),
    log:
        "<logs>/sweeps/{sweep}/trial-{trial}.propose.log",
    benchmark:
        "<benchmarks>/sweeps/{sweep}/trial-{trial}.propose.jsonl"
    priority: FIRST
    conda:
        ENVIRONMENT
    params:
        sweep=sweep_params,
        strategy=strategy_params,
        stage_version=STAGE_VERSIONS["propose"],
    script:
        "../../scripts/propose_trial.py"


rule run_trial:
    """Train with a trial's hyperparameters and score the result on the sweep's evaluation episodes."""
    input:
        proposal="<out>/sweeps/{sweep}/trial-{trial}/proposal.json",
        start=start_of_trials,
        teacher=teacher_of_trials,
        partners=partners_of_trials,
    output:
        result=ensure("<out>/sweeps/{sweep}/trial-{trial}/result.json", non_empty=True),
        curve="<out>/sweeps/{sweep}/trial-{trial}/curve.jsonl",
    log:
        "<logs>/sweeps/{sweep}/trial-{trial}.log",
    benchmark:
        "<benchmarks>/sweeps/{sweep}/trial-{trial}.jsonl"
    priority: FIRST
    conda:
        ENVIRONMENT
    threads: CORES_OF_PROCESS["run_trial"]
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        trial=trial_params,
    script:
        "../../scripts/run_trial.py"
