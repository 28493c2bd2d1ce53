# Hyperparameter sweeps: a static graph of trials, adaptive without a database.
#
# REQUIRED INPUTS: <out>/sweeps/{sweep}/trial-{trial}/result.json           (trial.smk or trial_batches.smk)
# OUTPUTS:         <out>/sweeps/{sweep}/history/{first}-{last}.json          old results in blocks
#                  <out>/sweeps/{sweep}/rung-{rung}/…                        with `halving`
#                  <out>/sweeps/{sweep}/finalists.json, confirmation/…       with `num_finalists`
#                  <out>/sweeps/{sweep}/best.json, trials.json, trials.csv, analysis.json, report.html
localrules:
    collect_results,
    promote_trials,
    choose_finalists,
    describe_sweep,
    select_best,


rule sweep:
    """Run all sweeps."""
    input:
        sweep_targets,


rule collect_results:
    """Collect sixteen results, or sixteen smaller blocks, in one file, so that later proposals read fewer files."""
    input:
        results=parts_of_block,
    output:
        ensure("<out>/sweeps/{sweep}/history/{first}-{last}.json", non_empty=True),
    log:
        "<logs>/sweeps/{sweep}/history-{first}-{last}.log",
    benchmark:
        "<benchmarks>/sweeps/{sweep}/history-{first}-{last}.jsonl"
    priority: FIRST
    conda:
        ENVIRONMENT
    params:
        stage_version=STAGE_VERSIONS["propose"],
    script:
        "../../scripts/collect_results.py"


rule promote_trials:
    """Decide which trials of a bracket continue in the next rung of successive halving."""
    input:
        results=results_before_rung,
    output:
        ensure("<out>/sweeps/{sweep}/rung-{rung}/bracket-{bracket}.json", non_empty=True),
    log:
        "<logs>/sweeps/{sweep}/rung-{rung}/bracket-{bracket}.log",
    benchmark:
        "<benchmarks>/sweeps/{sweep}/rung-{rung}/bracket-{bracket}.jsonl"
    priority: FIRST
    conda:
        ENVIRONMENT
    params:
        promotion=promotion_params,
    script:
        "../../scripts/promote_trials.py"


rule run_rung_trial:
    """Continue the training of the trial that fills an entry, and score it again."""
    input:
        promotions=promotions_of_entry,
        start=start_of_trials,
        teacher=teacher_of_trials,
        partners=partners_of_trials,
    output:
        result=ensure("<out>/sweeps/{sweep}/rung-{rung}/entry-{entry}/result.json", non_empty=True),
        curve="<out>/sweeps/{sweep}/rung-{rung}/entry-{entry}/curve.jsonl",
    log:
        "<logs>/sweeps/{sweep}/rung-{rung}/entry-{entry}.log",
    benchmark:
        "<benchmarks>/sweeps/{sweep}/rung-{rung}/entry-{entry}.jsonl"
    priority: FIRST
    conda:
        ENVIRONMENT
    threads: CORES_OF_PROCESS["run_rung_trial"]
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        trial=rung_trial_params,
    script:
        "../../scripts/run_rung_trial.py"


rule choose_finalists:
    """Choose the best trials, to run again on fresh seeds."""
    input:
        results=results_of_sweep,
    output:
        ensure("<out>/sweeps/{sweep}/finalists.json", non_empty=True),
    log:
        "<logs>/sweeps/{sweep}/finalists.log",
    benchmark:
        "<benchmarks>/sweeps/{sweep}/finalists.jsonl"
    priority: FIRST
    conda:
        ENVIRONMENT
    params:
        sweep=selection_params,
        stage_version=STAGE_VERSIONS["select"],
    script:
        "../../scripts/choose_finalists.py"


rule confirm_trial:
    """Train and score a finalist on seeds that the search never saw."""
    input:
        finalists="<out>/sweeps/{sweep}/finalists.json",
        start=start_of_trials,
        teacher=teacher_of_trials,
        partners=partners_of_trials,
    output:
        result=ensure("<out>/sweeps/{sweep}/confirmation/rank-{rank}/seed-{seed}/result.json", non_empty=True),
        curve="<out>/sweeps/{sweep}/confirmation/rank-{rank}/seed-{seed}/curve.jsonl",
    log:
        "<logs>/sweeps/{sweep}/confirmation/rank-{rank}/seed-{seed}.log",
    benchmark:
        "<benchmarks>/sweeps/{sweep}/confirmation/rank-{rank}/seed-{seed}.jsonl"
    priority: FIRST
    conda:
        ENVIRONMENT
    threads: CORES_OF_PROCESS["confirm_trial"]
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        trial=confirmation_params,
    script:
        "../../scripts/confirm_trial.py"


rule describe_sweep:
    """Describe the search: all trials, what they show, and a page; also if every trial failed."""
    input:
        results=results_of_sweep,
        confirmations=confirmations_of_sweep,
    output:
        trials=report(
            "<out>/sweeps/{sweep}/trials.csv",
            caption="../report/trials.rst",
            category="Sweeps",
            subcategory="{sweep}",
            labels={"result": "Table of trials (CSV)"},
        ),
        table=ensure("<out>/sweeps/{sweep}/trials.json", non_empty=True),
        analysis=ensure("<out>/sweeps/{sweep}/analysis.json", non_empty=True),
        page=report(
            "<out>/sweeps/{sweep}/report.html",
            caption="../report/sweep.rst",
            category="Sweeps",
            subcategory="{sweep}",
            labels={"result": "Sweep page"},
        ),
    log:
        "<logs>/sweeps/{sweep}/describe.log",
    benchmark:
        "<benchmarks>/sweeps/{sweep}/describe.jsonl"
    conda:
        ENVIRONMENT
    params:
        sweep=selection_params,
        stage_version=STAGE_VERSIONS["describe"],
    script:
        "../../scripts/describe_sweep.py"


rule select_best:
    """Choose the best trial; it fails if there is none."""
    input:
        results=results_of_sweep,
        confirmations=confirmations_of_sweep,
    output:
        best=ensure("<out>/sweeps/{sweep}/best.json", non_empty=True),
    log:
        "<logs>/sweeps/{sweep}/best.log",
    benchmark:
        "<benchmarks>/sweeps/{sweep}/best.jsonl"
    priority: FIRST
    conda:
        ENVIRONMENT
    params:
        sweep=selection_params,
        stage_version=STAGE_VERSIONS["select"],
    script:
        "../../scripts/select_best.py"
