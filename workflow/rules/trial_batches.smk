# Several trials in one job, for clusters where a job costs more than a short trial: see `trials_per_job` in
# profiles/README.md. The files are byte for byte those of trial.smk; only the jobs that create them differ.
#
# REQUIRED INPUTS: none
# OUTPUTS:         <out>/sweeps/{sweep}/trial-{trial}/proposal.json, result.json, curve.jsonl
import re


def batch_rule(sweep, span):
    return re.sub("[^A-Za-z0-9]", "_", f"run_trials_{sweep}_{span}")


# Each of these rules runs run_trial several times, with the resources that a profile sets for run_trial.
RESOURCES_OF_RUN_TRIAL = snakemake_internals.profile_resources(workflow, "run_trial")

for sweep in EXPERIMENT.sweeps:
    for batch in LEARNING.sweep_plan(sweep).batches(TRIALS_PER_JOB):
        span = f"{batch.first:04d}-{batch.last:04d}"

        rule:
            name:
                batch_rule(sweep, span)
            input:
                results=[f"<out>/sweeps/{sweep}/{file}" for file in batch.results_files],
                start=LEARNING.start_of_trials(sweep),
                teacher=LEARNING.teacher_of_trials(sweep),
                partners=LEARNING.partners_of_trials(sweep),
                prior=[LEARNING.warm_start(sweep)] if LEARNING.warm_start(sweep) else [],
            output:
                proposals=[f"<out>/sweeps/{sweep}/{trial}/proposal.json" for trial in batch.folders],
                results=[f"<out>/sweeps/{sweep}/{trial}/result.json" for trial in batch.folders],
                curves=[f"<out>/sweeps/{sweep}/{trial}/curve.jsonl" for trial in batch.folders],
            log:
                f"<logs>/sweeps/{sweep}/trials-{span}.log",
            benchmark:
                f"<benchmarks>/sweeps/{sweep}/trials-{span}.jsonl"
            priority: FIRST
            conda:
                ENVIRONMENT
            threads: CORES_OF_PROCESS["run_trial"]
            resources:
                mem_mb=2000,
                runtime=60,
            params:
                sweep_name=sweep,
                first=batch.first,
                sweep=sweep_recipe(LEARNING.sweep(sweep)),
                strategy={KEY: strategy_code(LEARNING.sweep(sweep)).model_dump(mode="json")},
                trial=LEARNING.sweep_plan(sweep).trial_settings().to_dict(),
                stage_version=STAGE_VERSIONS["propose"],
            script:
                "../../scripts/run_trials.py"

        snakemake_internals.set_resources(workflow, batch_rule(sweep, span), RESOURCES_OF_RUN_TRIAL)
