# The experiment, its plan, and input functions. No rules here, and no logic: that is in daf/workflow/plan.py.
import os
import sys
from functools import partial
from pathlib import Path

from daf.cluster.check import check_jobs, check_modules
from daf.cluster.orphans import restart, settle_orphans
from daf.cluster.settings import load_cluster
from daf.config import NAME_PATTERN, ExperimentConfig
from daf.errors import DafError
from daf.workflow.lock import remove_stale_workflow_lock
from daf.workflow.plan import Plan, weights_files
from daf.workflow.preflight import check_once

NAME = NAME_PATTERN.strip("^$")


def load_plan():
    """The checked experiment; a wrong one ends here, before there is a DAG."""
    source = ", ".join(str(path) for path in workflow.configfiles)
    try:
        plan = Plan(ExperimentConfig.from_dict(config, source=source))
        if workflow.is_main_process:
            if remove_stale_workflow_lock():
                print("The last run was killed: its lock is removed, and this run goes on from there.", file=sys.stderr)
            check_once(plan, source)
        return plan
    except DafError as error:
        print(f"\n{error}\n", file=sys.stderr)
        sys.exit(error.exit_code)


def before_the_first_submission(workflow):
    """On a cluster: does what the jobs ask for exist, and does work of a killed run still go on?"""
    if workflow.is_main_process and not workflow.local_exec:
        try:
            jobs = [job for job in workflow.dag.needrun_jobs() if not job.is_local]
            check_modules(load_cluster().modules, os.environ)
            requests = [(job.rule.name, job.threads, job.resources) for job in jobs]
            check_jobs(requests, status_command=getattr(workflow.executor_settings, "status_command", None))
            if settle_orphans(Path.cwd(), partial(print, file=sys.stderr)):
                workflow.persistence.unlock()
                restart()  # what is left to do is planned anew
        except DafError as error:
            print(f"\n{error}\n", file=sys.stderr)
            sys.exit(error.exit_code)


PLAN = load_plan()
EXPERIMENT = PLAN.experiment
OUT = str(EXPERIMENT.daf.output_dir)


# ---- inputs -------------------------------------------------------------------------------------------------


def sweep_before_training(wildcards):
    sweep = PLAN.run(wildcards.run).sweep
    return [f"<out>/sweeps/{sweep}/best.json"] if sweep else []


def weights_to_evaluate(wildcards):
    """What training runs make, or the files that the configuration names, or nothing for a scripted policy."""
    return [path for one in PLAN.checkpoints[wildcards.checkpoint].singles() for path in weights_of(one)]


def weights_to_package(wildcards):
    return weights_of(PLAN.deployed())


def weights_of(checkpoint):
    if checkpoint.training is not None:
        folder = f"<out>/training/{checkpoint.training}/seed-{checkpoint.seed}"
        return [f"{folder}/model.safetensors", f"{folder}/model.json"]
    return [str(path) for path in weights_files(checkpoint.config)]


def shards_of_episodes(wildcards):
    folder = f"<out>/evaluations/{wildcards.checkpoint}/{wildcards.mission}"
    return [f"{folder}/episodes-{shard}.parquet" for shard in PLAN.shards(wildcards.mission)]


def interim_analyses_before_shard(wildcards):
    """Where episodes are added until there is a verdict: the interim analyses that say whether this shard is still needed."""
    analyses = PLAN.interim_analyses_before(wildcards.mission, int(wildcards.shard))
    return [f"<out>/comparisons/{comparison}/interim-{interim}.json" for comparison, interim in analyses]


def shards_of_interim_analysis(wildcards):
    shards = PLAN.shards_of_interim_analysis(wildcards.comparison, int(wildcards.interim))
    return [f"<out>/evaluations/{one}/{mission}/episodes-{shard}.parquet" for one, mission, shard in shards]


def episodes_on_mission(wildcards):
    mission = wildcards.mission
    return [f"<out>/evaluations/{player}/{mission}/episodes.parquet" for player in PLAN.players(mission)]


def episodes_to_compare(wildcards):
    pairs = PLAN.compared(wildcards.comparison)
    return [f"<out>/evaluations/{checkpoint}/{mission}/episodes.parquet" for checkpoint, mission in pairs]


def mission_reports_of_comparison(wildcards):
    missions = dict.fromkeys(mission for _, mission in PLAN.compared(wildcards.comparison))
    return [f"<out>/reports/missions/{mission}.json" for mission in missions]


def metrics_of_comparison(wildcards):
    compared = [PLAN.checkpoints[label] for label, _ in PLAN.compared(wildcards.comparison)]
    checkpoints = [single for one in compared for single in one.singles()]
    trained = dict.fromkeys((one.training, one.seed) for one in checkpoints if one.training is not None)
    return [f"<out>/training/{run}/seed-{seed}/metrics.jsonl" for run, seed in trained]


# ---- resources ----------------------------------------------------------------------------------------------


def training_processes(wildcards):
    """Cores of a machine: one per training process."""
    return PLAN.run(wildcards.run).processes_per_machine


def training_machines(wildcards):
    """Nodes of a cluster job, each with one task."""
    return PLAN.run(wildcards.run).num_machines
