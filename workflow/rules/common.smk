# The experiment, its plans, and input functions. No rules here, and no logic: that is in daf/workflow/.
import os
import sys
from functools import partial
from pathlib import Path

from daf.cluster.check import check_jobs, check_modules
from daf.cluster.orphans import restart, settle_orphans
from daf.cluster.settings import load_cluster
from daf.config import NAME_PATTERN, ExperimentConfig
from daf.engine.model_files import weights_files
from daf.errors import DafError
from daf.system.files import PROJECT
from daf.system.user_code import unfollowed_in_words
from daf.workflow import snakemake_internals
from daf.workflow.code_changes import changes_in_words
from daf.workflow.configuration import (
    read_experiment,
    refuse_repeated_keys,
    refuse_repeated_options,
    refuse_repeated_overrides,
)
from daf.workflow.learning_plan import refuse_old_profile, take_trials_per_job
from daf.workflow.lock import remove_stale_workflow_lock
from daf.workflow.plan import Plan, code_of_experiment
from daf.workflow.preflight import check_once
from daf.workflow.script import CORES_PER_GPU
from daf.workflow.targets import check_writable, refuse_braces, refuse_patterns

# They run networks. Each of their processes has one core or, with a GPU, as many as the profile says.
NETWORK_RULES = ("run_trial", "run_rung_trial", "confirm_trial", "train_policy", "evaluate_policy")
NAME = NAME_PATTERN.strip("^$")
# Snakemake formats this path, so a folder `run {v2}` above it needs its braces doubled.
ENVIRONMENT = str(PROJECT / "environment.yml").replace("{", "{{").replace("}", "}}")


def load_plan():
    """The plans of the checked experiment, how many trials a job runs, and on how many cores each process of a rule
    runs; a wrong experiment ends here, before there is a DAG."""
    source = ", ".join(str(path) for path in workflow.configfiles)
    try:
        refuse_repeated_keys(snakemake_internals.profile_files(sys.argv, os.environ))
        # Snakemake's reader drops repeated keys, and takes 1e-4 for text. Jobs get the same object.
        refuse_repeated_options(snakemake_internals.repeated_options(sys.argv))
        refuse_repeated_overrides(snakemake_internals.command_line_config_texts(workflow))
        overrides = snakemake_internals.command_line_config(workflow)
        meant = read_experiment(workflow.configfiles, overrides)
        config.clear()
        config.update(meant)
        refuse_old_profile(partial(snakemake_internals.profile_resources, workflow))
        trials_per_job = take_trials_per_job(config)
        cores = dict(zip(NETWORK_RULES, map(cores_of_process, NETWORK_RULES)))
        if overrides.keys() & config.keys():
            source += " and --config"
        plan = Plan(ExperimentConfig.from_dict(config, source=source))
        if snakemake_internals.is_main_process(workflow):
            refuse_braces(Path.cwd(), snakemake_internals.finds_its_locks)
            if told := remove_stale_workflow_lock():
                print(told, file=sys.stderr)
            check_writable(plan.experiment.daf.output_dir)
            check_once(plan, source)
            tell_about_code(workflow, plan)
        return plan, trials_per_job, cores
    except DafError as error:
        print(f"\n{error}\n", file=sys.stderr)
        sys.exit(error.exit_code)


def cores_of_process(name):
    return snakemake_internals.profile_number(workflow, name, CORES_PER_GPU) or 1


def tell_about_code(workflow, plan):
    """Say which of the user's code cannot be followed and, with the jobs to run, which of it has changed."""
    for warning in unfollowed_in_words(code_of_experiment(plan.experiment)):
        print(f"Warning: {warning}.", file=sys.stderr)

    def tell_changes():
        for sentence in changes_in_words(snakemake_internals.changed_params(workflow)):
            snakemake_internals.say(sentence)

    snakemake_internals.at_job_stats(tell_changes)


def check_targets(workflow):
    """Refuse a rule with many files as a target, and say which file to request."""
    try:
        packaged = CHECKPOINTS.deployed()
        deployed = (packaged.label, EXPERIMENT.deployment.version) if packaged else None
        refuse_patterns(*snakemake_internals.targets_and_patterns(workflow), deployed)
    except DafError as error:
        print(f"\n{error}\n", file=sys.stderr)
        sys.exit(error.exit_code)


def before_the_first_submission(workflow):
    """On a cluster, check that what the jobs request exists, and that no job of a killed run is left."""
    if snakemake_internals.is_main_process(workflow) and snakemake_internals.submits_jobs(workflow):
        try:
            check_modules(load_cluster().modules, os.environ)
            check_jobs(
                snakemake_internals.submitted_jobs(workflow),
                status_command=snakemake_internals.slurm_status_command(workflow),
            )
            if settle_orphans(Path.cwd(), partial(print, file=sys.stderr)):
                snakemake_internals.unlock(workflow)
                restart()  # plan the remaining work again
        except DafError as error:
            print(f"\n{error}\n", file=sys.stderr)
            sys.exit(error.exit_code)


def report_failure(workflow):
    """Name the policies that failed, compare the others, and say what to do."""
    if snakemake_internals.is_main_process(workflow):
        from daf.compare.partial import RunFiles, after_a_failure  # imports what only jobs need

        files = RunFiles(
            snakemake_internals.planned_files(workflow),
            snakemake_internals.current_files(workflow),
            snakemake_internals.planned_recipes(workflow),
        )
        for text in after_a_failure(PLANS, files):
            print(f"\n{text}", file=sys.stderr)


PLANS, TRIALS_PER_JOB, CORES_OF_PROCESS = load_plan()
CHECKPOINTS, EPISODES, LEARNING = PLANS.checkpoints, PLANS.episodes, PLANS.learning
EXPERIMENT = PLANS.experiment
OUT = str(EXPERIMENT.daf.output_dir)


# ---- inputs -------------------------------------------------------------------------------------------------


def sweep_before_training(wildcards):
    sweep = LEARNING.run(wildcards.run).sweep
    return [f"<out>/sweeps/{sweep}/best.json"] if sweep else []


def weights_to_evaluate(wildcards):
    """The output of training runs, or the files that the configuration names, or nothing for a scripted policy."""
    player = CHECKPOINTS.labelled(wildcards.checkpoint)
    return [path for single in player.singles() for path in weights_of(single)]


def weights_to_package(wildcards):
    return weights_of(CHECKPOINTS.packaged(wildcards.checkpoint))


def run_to_package(wildcards):
    """The record of the training, whose cost the manifest repeats."""
    packaged = CHECKPOINTS.packaged(wildcards.checkpoint)
    return [f"<out>/training/{packaged.training}/seed-{packaged.seed}/run.json"] if packaged.training else []


def sweep_to_package(wildcards):
    run = CHECKPOINTS.packaged(wildcards.checkpoint).run
    return [f"<out>/sweeps/{run.sweep}/best.json"] if run and run.sweep else []


def comparison_to_package(wildcards):
    comparison = EXPERIMENT.deployment.shown_comparison(EXPERIMENT.comparisons)
    return [f"<out>/comparisons/{comparison}/comparison.json"] if comparison else []


def signature_to_verify(wildcards):
    """The signature, if the configuration says with which key to sign."""
    signed = EXPERIMENT.deployment.signing_key is not None
    return [f"<out>/deployment/{wildcards.checkpoint}-{wildcards.version}.sig"] if signed else []


def weights_of(checkpoint):
    if checkpoint.training is not None:
        folder = f"<out>/training/{checkpoint.training}/seed-{checkpoint.seed}"
        return [f"{folder}/model.safetensors", f"{folder}/model.json"]
    return [str(path) for path in weights_files(checkpoint.config)]


def shards_of_episodes(wildcards):
    folder = f"<out>/evaluations/{wildcards.checkpoint}/{wildcards.mission}"
    return [f"{folder}/episodes-{shard}.parquet" for shard in EPISODES.shards(wildcards.mission)]


def interim_analyses_before_shard(wildcards):
    """The interim analyses that decide whether to play this shard, if episodes are added until there is a verdict."""
    analyses = EPISODES.interim_analyses_before(wildcards.mission, int(wildcards.shard))
    return [f"<out>/comparisons/{comparison}/interim-{interim}.json" for comparison, interim in analyses]


def shards_of_interim_analysis(wildcards):
    shards = EPISODES.shards_of_interim_analysis(wildcards.comparison, int(wildcards.interim))
    return [f"<out>/evaluations/{player}/{mission}/episodes-{shard}.parquet" for player, mission, shard in shards]


def episodes_on_mission(wildcards):
    mission = wildcards.mission
    return [f"<out>/evaluations/{player}/{mission}/episodes.parquet" for player in EPISODES.players(mission)]


def all_episodes(wildcards):
    return [
        f"<out>/evaluations/{player}/{mission}/episodes.parquet"
        for mission in EPISODES.by_mission
        for player in EPISODES.players(mission)
    ]


def episodes_to_compare(wildcards):
    pairs = EPISODES.pairs(wildcards.comparison)
    return [f"<out>/evaluations/{checkpoint}/{mission}/episodes.parquet" for checkpoint, mission in pairs]


def mission_reports_of_comparison(wildcards):
    missions = dict.fromkeys(mission for _, mission in EPISODES.pairs(wildcards.comparison))
    return [f"<out>/reports/missions/{mission}.json" for mission in missions]


def metrics_of_comparison(wildcards):
    return files_of_runs(wildcards, "metrics.jsonl")


def runs_of_comparison(wildcards):
    return files_of_runs(wildcards, "run.json")


def files_of_runs(wildcards, name):
    runs = (run for source in training_of_comparison(wildcards).values() for run in source["runs"])
    return [f"<out>/training/{run}/{name}" for run in dict.fromkeys(runs)]


def sweeps_of_comparison(wildcards):
    sweeps = (source["sweep"] for source in training_of_comparison(wildcards).values())
    return [f"<out>/sweeps/{sweep}/best.json" for sweep in dict.fromkeys(sweeps) if sweep]


# ---- resources ----------------------------------------------------------------------------------------------


def training_cores(wildcards):
    """Cores of a machine: those of its training processes."""
    return LEARNING.run(wildcards.run).processes_per_machine * CORES_OF_PROCESS["train_policy"]


def evaluation_cores(wildcards, input):
    """Cores of an evaluation: each plays a part of the episodes. A scripted policy uses no GPU."""
    return CORES_OF_PROCESS["evaluate_policy"] if input.weights else 1


def training_machines(wildcards):
    """Nodes of a cluster job, each with one task."""
    return LEARNING.run(wildcards.run).num_machines
