# DAF: one experiment file defines an environment check, sweeps, training, comparisons, tournaments and a packaged
# policy.
#
#   snakemake -j4                      everything, on this machine
#   snakemake -j4 -n                   what would run, and why
#   snakemake -j4 train                one stage: environment, sweep, train, missions, compare, tournaments, package
#   snakemake --profile slurm          everything, on a cluster
#   snakemake -j4 --configfile x.yaml  another experiment (replaces config/config.yaml; nothing is merged)
#
# Files: <out>/<stage>/<name>/…, logs and timings under <out>/logs with the same path. <out> is daf.output_dir.
from snakemake.utils import min_version

from daf.workflow.configuration import require_readable

min_version("9.12")

if not workflow.configfiles:
    # Snakemake's own reader ends in a traceback. Files of --configfile it has read before this one.
    require_readable("config/config.yaml")

    configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/sweep_inputs.smk"
include: "workflow/rules/targets.smk"
include: "workflow/rules/params.smk"


pathvars:
    out=OUT,
    logs=f"{OUT}/logs",
    benchmarks=f"{OUT}/logs/benchmarks",


wildcard_constraints:
    sweep=NAME,
    trial=r"\d\d\d\d+",
    first=r"\d\d\d\d+",
    last=r"\d\d\d\d+",
    rung=r"[1-9]\d*",
    bracket=r"\d+",
    entry=r"\d\d\d\d+",
    rank=r"\d+",
    run=NAME,
    share=r"[\de.-]+",
    seed=r"\d+",
    checkpoint=NAME,
    mission=NAME,
    shard=r"\d+",
    comparison=NAME,
    tournament=NAME,
    match=NAME,
    batch=r"\d+",
    replay="best|median|worst",
    interim=r"\d+",
    version=r"\d+\.\d+\.\d+",


# Snakemake's linter requires a `conda:` in every rule. Jobs inherit the environment that Snakemake runs in;
# environment.yml creates it with conda.
include: "workflow/rules/environment.smk"


if TRIALS_PER_JOB == 1:

    include: "workflow/rules/trial.smk"

else:

    include: "workflow/rules/trial_batches.smk"


include: "workflow/rules/sweep.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/mission.smk"
include: "workflow/rules/compare.smk"


if MATCHES_PER_JOB == 1:

    include: "workflow/rules/match.smk"

else:

    include: "workflow/rules/match_batches.smk"


include: "workflow/rules/tournament.smk"
include: "workflow/rules/package.smk"


check_targets(workflow)


report: "workflow/report/workflow.rst"


onstart:
    note_locks(workflow)
    before_the_first_submission(workflow)
    record_run(workflow)
    follow_sweeps(workflow)
    start_jobs(workflow)
    speak_of_jobs(workflow)


onsuccess:
    record_end(workflow, "done")
    end_live_pages(succeeded=True)
    end_index()
    end_run_here(succeeded=True)


onerror:
    record_end(workflow, "failed")
    end_live_pages(succeeded=False)
    end_run_here(succeeded=False)
    report_failure(workflow)
    end_index()


rule all:
    default_target: True
    input:
        rules.environment.input,
        rules.sweep.input,
        rules.train.input,
        rules.missions.input,
        rules.compare.input,
        rules.tournaments.input,
        rules.package.input,
