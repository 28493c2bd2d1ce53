# The experiment, its plans, and input functions. No rules here, and no logic: that is in daf/workflow/.
import os
import re
import sys
import time
from functools import partial
from pathlib import Path

from daf.cluster.check import check_jobs, check_modules
from daf.cluster.orphans import restart, settle_orphans
from daf.cluster.settings import load_cluster
from daf.config import NAME_PATTERN, ExperimentConfig
from daf.config.earlier_checkpoints import share_text
from daf.engine.model_files import weights_files
from daf.errors import DafError
from daf.logging_config import create_daf_logger
from daf.reporting.live_index import LiveIndex
from daf.reporting.live_sweeps import LIVE_PAGE, LivePages, sweeps_to_follow
from daf.reporting.page_heads import INDEX
from daf.system.files import PROJECT
from daf.system.process_identity import ProcessIdentity
from daf.system.user_code import unfollowed_in_words
from daf.system.waiting import hand_over, waiting_for
from daf.workflow import snakemake_internals
from daf.workflow.code_changes import changes_in_words
from daf.workflow.closing import closing_text, failed_text, stopped_text
from daf.workflow.configuration import (
    read_experiment,
    refuse_repeated_keys,
    refuse_repeated_options,
    refuse_repeated_overrides,
)
from daf.workflow.dry_run import DRY_RUN, JobToRun, dry_run_text
from daf.workflow.estimates import seconds_by_rule
from daf.workflow.job_starts import server_of_run, start_jobs_here
from daf.workflow.learning_plan import refuse_old_profile, take_per_job
from daf.workflow.lock import own_locks, refusal, remove_stale_workflow_lock
from daf.workflow.plan import Plan, code_of_experiment
from daf.workflow.preflight import check_once
from daf.workflow.run_record import SLURM_JOB_ID, RunRecord, begin_run, end_run
from daf.workflow.script import CORES_PER_GPU
from daf.workflow.snakemake_hooks import drop_preamble, replace_dry_run, replace_lock_advice, replace_messages
from daf.workflow.targets import check_writable, refuse_braces, refuse_patterns
from daf.workflow.terminal import RunMessages

# They run networks. Each of their processes has one core or, with a GPU, as many as the profile says.
NETWORK_RULES = ("run_trial", "run_rung_trial", "confirm_trial", "train_policy", "evaluate_policy", "play_match")
FEW_EVALUATIONS = 200  # in a comparison, which then takes seconds on one core
# Of searches and training runs, for which most other jobs wait: evaluations that need none of them fill the gaps.
FIRST = 50
NAME = NAME_PATTERN.strip("^$")
# Snakemake formats this path, so a folder `run {v2}` above it needs its braces doubled.
ENVIRONMENT = str(PROJECT / "environment.yml").replace("{", "{{").replace("}", "}}")


FORK_SERVERS = []  # the one of this run, from the check before the first job on


def load_plan():
    """The plans of the checked experiment, how many trials a job runs and how many matches it plays, and on how many
    cores each process of a rule runs; a wrong experiment ends here, before there is a DAG."""
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
        per_job = take_per_job(config, "trials"), take_per_job(config, "matches")
        cores = {name: cores_of_process(name) or 1 for name in NETWORK_RULES}
        if config.get("overrides"):  # written by `daf run --set`
            source = f"{config['overrides'].get('file')} with --set"
        if overrides.keys() & config.keys():
            source += " and --config"
        plan = Plan(ExperimentConfig.from_dict(config, source=source))
        if snakemake_internals.is_main_process(workflow):
            refuse_braces(Path.cwd(), snakemake_internals.finds_its_locks)
            replace_lock_advice(refusal)
            if snakemake_internals.is_quiet_about_rules(workflow):
                drop_preamble()
            if told := remove_stale_workflow_lock():
                print(told, file=sys.stderr)
            check_writable(plan.experiment.daf.output_dir)
            FORK_SERVERS.append(server_of_run(partial(print, file=sys.stderr)))
            check_once(plan, source, server=FORK_SERVERS[0])
            tell_about_code(workflow, plan)
        return plan, *per_job, cores
    except DafError as error:
        print(f"\n{error}\n", file=sys.stderr)
        sys.exit(error.exit_code)


def cores_of_process(name):
    """What the profile gives to a process with a GPU; None if the rule has none."""
    return snakemake_internals.profile_number(workflow, name, CORES_PER_GPU)


def tell_about_code(workflow, plan):
    """Say which of the user's code cannot be followed and, with the jobs to run, which of it has changed."""
    for warning in unfollowed_in_words(code_of_experiment(plan.experiment)):
        print(f"Warning: {warning}.", file=sys.stderr)
    if os.environ.get(DRY_RUN):
        replace_dry_run(partial(print_dry_run, workflow, plan.experiment))
        return

    def tell_changes():
        for sentence in changes_in_words(snakemake_internals.changed_params(workflow)):
            snakemake_internals.say(sentence)

    snakemake_internals.at_job_stats(tell_changes)


def print_dry_run(workflow, experiment):
    """Print what a run would make, for `daf run -n`."""
    logs = experiment.daf.output_dir / "logs"
    planned = snakemake_internals.planned_jobs(workflow, logs)
    text = dry_run_text(
        experiment.name,
        [JobToRun(job=job, why=why) for job, why in snakemake_internals.jobs_to_run(workflow, logs)],
        num_up_to_date=sum(not job.needed for job in planned),
        durations=seconds_by_rule(planned, logs),
        parallel=snakemake_internals.parallel_jobs(workflow),
        notes=changes_in_words(snakemake_internals.changed_params(workflow)),
    )
    print(text, flush=True)


def check_targets(workflow):
    """Refuse a rule with many files as a target, and say which file to request."""
    try:
        packaged = CHECKPOINTS.deployed()
        deployed = (packaged.label, EXPERIMENT.deployment.version) if packaged else None
        refuse_patterns(*snakemake_internals.targets_and_patterns(workflow), deployed)
    except DafError as error:
        print(f"\n{error}\n", file=sys.stderr)
        sys.exit(error.exit_code)


def note_locks(workflow):
    """Note which locks are this run's, so that another can tell them from those of a killed run."""
    if snakemake_internals.is_main_process(workflow):
        own_locks(snakemake_internals.lock_files(workflow))


def before_the_first_submission(workflow):
    """On a cluster, check that what the jobs request exists, and that no job of a killed run is left."""
    if snakemake_internals.is_main_process(workflow) and snakemake_internals.submits_jobs(workflow):
        try:
            check_modules(load_cluster().modules, os.environ)
            check_jobs(
                snakemake_internals.submitted_jobs(workflow),
                status_command=snakemake_internals.slurm_status_command(workflow),
            )
            with waiting_for("Slurm to say what is left of an earlier run"):
                has_settled = settle_orphans(Path.cwd(), partial(print, file=sys.stderr))
            if has_settled:
                snakemake_internals.unlock(workflow)
                restart()  # plan the remaining work again
        except DafError as error:
            print(f"\n{error}\n", file=sys.stderr)
            sys.exit(error.exit_code)


LIVE_PAGES = []


def follow_sweeps(workflow):
    """Keep a page of every sweep up to date while its trials run."""
    if not snakemake_internals.is_main_process(workflow):
        return
    plans = [LEARNING.sweep_plan(sweep) for sweep in EXPERIMENT.sweeps]
    planned, current = snakemake_internals.planned_files(workflow), snakemake_internals.current_files(workflow)
    if followed := sweeps_to_follow(plans, Path(OUT), planned, current):
        LIVE_PAGES.append(LivePages(followed, Path(OUT) / "logs" / "sweeps" / "live.log"))
        for sweep in followed:
            print(
                f"While it runs, {sweep['folder']}/{LIVE_PAGE} shows sweep {sweep['config']['name']}.", file=sys.stderr
            )


def end_live_pages(succeeded):
    with waiting_for("the last pages of sweeps"):
        while LIVE_PAGES:
            LIVE_PAGES.pop().close(succeeded=succeeded)


AT_END = []  # what to call when the run has ended, with whether it succeeded


def start_jobs(workflow):
    """Start the jobs of this machine cheaply, unless an executor starts them elsewhere."""
    if not snakemake_internals.is_main_process(workflow):
        return
    server = FORK_SERVERS.pop()
    if snakemake_internals.submits_jobs(workflow):
        if server is not None:
            server.close()
        return
    end = start_jobs_here(server)
    AT_END.append(lambda succeeded: end())


def speak_of_jobs(workflow):
    """Unless the user wants Snakemake's own messages, one line per job, and last words."""
    hand_over()
    if not (snakemake_internals.is_main_process(workflow) and snakemake_internals.is_quiet_about_rules(workflow)):
        return
    jobs = snakemake_internals.numbered_jobs(workflow, Path(OUT) / "logs")
    logger = create_daf_logger("run", level=EXPERIMENT.daf.log_level)
    parallel = snakemake_internals.parallel_jobs(workflow)
    messages = RunMessages(EXPERIMENT.name, jobs, Path(OUT) / "logs", parallel=parallel, logger=logger)
    replace_messages(messages)
    messages.watch()
    began = time.time()

    def end(succeeded):
        messages.end()
        seconds = time.time() - began
        if messages.was_interrupted:
            text = stopped_text(EXPERIMENT.name, num_done=messages.num_done, total=messages.total, seconds=seconds)
            print(text, file=sys.stderr)
        else:
            files = snakemake_internals.current_files(workflow)
            if succeeded:
                text = closing_text(EXPERIMENT.name, Path(OUT), files, num_jobs=messages.num_done, seconds=seconds)
            else:
                counts = dict(num_done=messages.num_done, total=messages.total, seconds=seconds)
                text = failed_text(EXPERIMENT.name, Path(OUT), files, messages.failures(), **counts)
            print(text, file=sys.stderr)

    AT_END.append(end)


def end_run_here(succeeded):
    with waiting_for("the processes of jobs to end"):
        while AT_END:
            AT_END.pop(0)(succeeded)


LIVE_INDEX = []


def record_run(workflow):
    """Leave what runs, for `daf status`, and keep the page of the experiment up to date."""
    if snakemake_internals.is_main_process(workflow):
        record = RunRecord(
            experiment=EXPERIMENT.name,
            files=[str(path) for path in workflow.configfiles],
            folder=str(Path.cwd()),
            process=ProcessIdentity.own(SLURM_JOB_ID),
            began=time.time(),
            parallel=snakemake_internals.parallel_jobs(workflow),
            submits=snakemake_internals.submits_jobs(workflow),
            jobs=snakemake_internals.planned_jobs(workflow, Path(OUT) / "logs"),
        )
        begin_run(record, Path(OUT))
        LIVE_INDEX.append(LiveIndex(Path(OUT), config))
        print(f"{OUT}/{INDEX} shows the whole experiment while it runs.", file=sys.stderr)


def record_end(workflow, status):
    if snakemake_internals.is_main_process(workflow):
        end_run(Path(OUT), status)


def end_index():
    """Write the last page, after the pages that it shows, and before the last words."""
    with waiting_for("the last page"):
        while LIVE_INDEX:
            LIVE_INDEX.pop().close()


def report_failure(workflow):
    """Name the policies that failed, compare the others, and say what to do."""
    if snakemake_internals.is_main_process(workflow):
        with waiting_for("what is left to be compared"):
            from daf.compare.partial import RunFiles, after_a_failure  # imports what only jobs need

            files = RunFiles(
                snakemake_internals.planned_files(workflow),
                snakemake_internals.current_files(workflow),
                snakemake_internals.planned_recipes(workflow),
            )
            texts = after_a_failure(PLANS, files)
        for text in texts:
            print(f"\n{text}", file=sys.stderr)


PLANS, TRIALS_PER_JOB, MATCHES_PER_JOB, CORES_OF_PROCESS = load_plan()
CHECKPOINTS, EPISODES, LEARNING = PLANS.checkpoints, PLANS.episodes, PLANS.learning
TOURNAMENTS = PLANS.tournaments
EXPERIMENT = PLANS.experiment
OUT = str(EXPERIMENT.daf.output_dir)


# ---- inputs -------------------------------------------------------------------------------------------------


def sweep_before_training(wildcards):
    sweep = LEARNING.run(wildcards.run).sweep
    return [f"<out>/sweeps/{sweep}/best.json"] if sweep else []


def start_of_training(wildcards):
    return LEARNING.start_of_training(wildcards.run, int(wildcards.seed))


def teacher_of_training(wildcards):
    return LEARNING.teacher_of_training(wildcards.run, int(wildcards.seed))


def partners_of_training(wildcards):
    return LEARNING.partners_of_training(wildcards.run, int(wildcards.seed))


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
        run = f"<out>/training/{checkpoint.training}/seed-{checkpoint.seed}"
        folder = run if checkpoint.at is None else f"{run}/at-{share_text(checkpoint.at)}"
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


def weights_of_match(wildcards):
    return weights_of_matches(wildcards.tournament, wildcards.match)


def weights_of_matches(tournament, match):
    """The weights of everyone who plays a match, and so all matches of the same policies."""
    return [path for player in TOURNAMENTS.players(tournament, match) for path in weights_of(player)]


def interim_analysis_before_batch(wildcards):
    return interim_analyses_before(wildcards.tournament, int(wildcards.batch))


def interim_analyses_before(tournament, batch):
    """The interim analysis that decides whether to play a batch, if episodes are added until a question is settled."""
    return [f"<out>/tournaments/{tournament}/interim-{batch - 1}.json"] if batch else []


def batches_of_interim_analysis(wildcards):
    batches = TOURNAMENTS.batches_of_interim_analysis(wildcards.tournament, int(wildcards.interim))
    return [
        f"<out>/tournaments/{wildcards.tournament}/matches/{match}/batch-{batch}.parquet" for match, batch in batches
    ]


def batches_of_tournament(wildcards):
    found, folder = TOURNAMENTS.tournament(wildcards.tournament), f"<out>/tournaments/{wildcards.tournament}"
    batches = range(len(found.batches))
    return [f"{folder}/matches/{match}/batch-{batch}.parquet" for match in found.matches for batch in batches]


def seats_of_tournaments(wildcards):
    return [f"<out>/tournaments/{tournament}/seats.parquet" for tournament in EXPERIMENT.tournaments]


def match_rule(tournament, match, batch):
    return re.sub("[^A-Za-z0-9]", "_", f"play_matches_{tournament}_{match}_{batch}")


# ---- resources ----------------------------------------------------------------------------------------------


def training_cores(wildcards):
    """Cores of a machine: of each training process the share of its GPU or, without one, one for itself and one for
    each of its workers."""
    run = LEARNING.run(wildcards.run)
    workers = 0 if run.env_workers == "auto" else min(run.env_workers, run.hyperparameters.num_envs)
    return run.processes_per_machine * (cores_of_process("train_policy") or 1 + workers)


def evaluation_cores(wildcards, input):
    """Cores of an evaluation: each plays a part of the episodes. A scripted policy uses no GPU."""
    return CORES_OF_PROCESS["evaluate_policy"] if input.weights else 1


def comparison_cores(wildcards):
    """Cores of a comparison and of its page: large ones share their work between the cores that local rules have."""
    return 2 if len(EPISODES.pairs(wildcards.comparison)) > FEW_EVALUATIONS else 1


def match_cores(wildcards, input):
    return CORES_OF_PROCESS["play_match"] if input.weights else 1


def training_machines(wildcards):
    """Nodes of a cluster job, each with one task."""
    return LEARNING.run(wildcards.run).num_machines
