"""The files of sweeps and training runs."""

from __future__ import annotations

from daf.config.recipes import TrainingRecipe
from daf.distributed.failures import Failure
from daf.distributed.heartbeat import Beat
from daf.engine.model_files import ModelDescription, StartedFrom
from daf.search import records
from daf.search.analysis import SweepAnalysis
from daf.search.assignment import TrialAssignment
from daf.search.results import TrialResult
from daf.training.options import RunOptions, TrainingSpec
from daf.training.outcome import RunDetails, TrainingOutcome
from docs.generator.meanings import fields_of
from docs.generator.output_types import WITH_PROVENANCE, File, Keys, listed

LEDGER = listed("""
    objective | number or null | the score in the search that the trial was chosen for
    """)
CONFIRMATION = (
    Keys(fields_of(records.Confirmation), "Keys of `confirmation`"),
    Keys(fields_of(records.FinalistSummary), "Each entry of `confirmation.finalists`"),
)
RECIPE = Keys(
    fields_of(TrainingRecipe, without=("start_from", "teacher", "curriculum", "partners")),
    "Keys of `recipe`, explained in [config/README.md](../config/README.md); also `start_from`, `teacher` and "
    "`partners`, if there are any, with the digests of their weights, and `curriculum`, if there are several missions",
)
STARTED_FROM = Keys(fields_of(StartedFrom), "Keys of `started_from`")

METRICS = Keys(
    listed("""
    update | integer | number of the update, from 1
    agent_steps | integer | agent-steps trained so far
    seconds | number | seconds of training so far, in all its starts
    steps_per_second | number | agent-steps per second of this update
    episodes | integer | training episodes that ended in this update, in any process
    episode_reward | number or null | their mean reward, shaped as training sees it; null if none ended
    episode_length | number or null | their mean length in steps
    success_rate | number or null | share of them that fulfilled the mission's success expression
    episode_objective | number or null | their mean objective
    held_out_objective | number or null | mean objective of the held-out evaluation after this update; null without one
    mission_weight | mapping | with several missions: name of a mission → its share of the episodes that begin
    mission_episodes | mapping | with several missions: those of `episodes` that played it
    mission_reward | mapping | with several missions: their mean reward; null if none ended
    mission_success_rate | mapping | with several missions: share of them that fulfilled its success expression
    mission_objective | mapping | with several missions: their mean objective
    mission_held_out | mapping | with several missions: `held_out_objective` of each, the target first
    learning_rate | number | learning rate of the update
    policy_loss | number | mean clipped surrogate loss
    value_loss | number | mean loss of the value function
    entropy | number | mean entropy of the policy, in nats
    approx_kl | number | approximate divergence between the policies before and after
    clip_fraction | number | share of samples whose ratio was clipped
    gradient_norm | number | norm of the gradient before clipping
    explained_variance | number or null | share of the returns' variance that the value function explains
    teacher_loss | number | while it imitates a teacher: mean cross-entropy with the teacher's actions
    teacher_coef | number | while it imitates a teacher: weight of that
    partner_share | number | with partners in training: share of the agent-steps that they played
    learner_reward | number or null | with partners in training: mean reward of the network's seats; null if none ended
    actions | mapping | name of an action → its share of all the network's actions
    action_coverage | number | share of actions that were chosen at all
    environment_share | number | share of the update's time in the environment, or in waiting for its workers
    forward_share | number | share in forward passes while playing
    learning_share | number | share in learning
    memory_mb | number | memory of the first process, in MiB
    cuda_memory_mb | number | on a GPU: peak of its memory since the start, in MiB
    """),
    "Each line",
)

_RESULT_EXTRAS = listed("""
    objective_metric | text | what the objective measures
    training_seconds | number | seconds of training, in all its starts; only if it trained
    failure | text or null | what failed, if it was code and not divergence; the same text for trials that fail alike
    recipe_digest | text | identifies everything that decides the result but the trial's hyperparameters and seed
    episodes | integer | evaluation episodes that have an objective; only if it was scored
    failed_episodes | integer | evaluation episodes without a result; only if it was scored
    objective_sd | number or null | standard deviation of the objective over these; null with several missions or seeds
    scores | list of mappings | with several missions or training seeds: `seed`, `mission` and `objective` of each
    curve | list of (number or null) | with `early_stopping`: objective at each check
    learning_curve | list | agent-steps and reward per episode, at up to 40 updates; only if it trained
    stopped_early | text or null | with `early_stopping`: why it ended before its last step
    provenance | mapping | see [Provenance](#provenance); not if it was skipped
    """)
RESULT = Keys([*fields_of(TrialResult, without=("extra",)), *_RESULT_EXTRAS])

RUN_EXTRAS = listed("""
    restarts | list of mappings | failures that training recovered from, see failures.jsonl
    steps_per_second | number or null | agent-steps per second of training
    engine | mapping | versions of the engine's packages
    recipe | mapping | everything that decides the model, see below
    provenance | mapping | see [Provenance](#provenance)
    """)
PROCESSES = (
    Keys(
        listed("""
        world_size | integer | number of processes
        backend | text or null | how they communicate; null for one process
        env_workers | integer | worker processes of each that step its environments
        ranks | list of mappings | one per process, see below
        """),
        "Keys of `processes`",
    ),
    Keys(
        listed("""
        rank | integer | number of the process
        machine | integer | number of its machine
        host | text | name of its machine
        pid | integer | its process id
        device | text | where its network ran
        name | text | model of the GPU, or `cpu`
        visible_gpus | text or null | CUDA_VISIBLE_DEVICES
        gpu | text or null | unique id of the GPU; null on a CPU
        """),
        "Each entry of `processes.ranks`",
    ),
)
EVALUATIONS = Keys(
    listed("""
    update | integer | the update before it
    agent_steps | integer | agent-steps trained
    objective | number or null | mean objective, with a validation pool weighted by seats; null if no episode has one
    mean_reward | number or null | mean reward, weighted likewise
    episodes | integer | episodes that have a result
    failed | integer | episodes that failed
    failure | text or null | why the first of them failed
    missions | mapping | with several missions: name → these five values on it; above are those of the target
    """),
    "Each entry of `evaluations`",
    optional=("missions",),
)

TRIAL = "sweeps/{sweep}/trial-{trial}"
SWEEPS = [
    File(
        f"{TRIAL}/proposal.json",
        "propose_trial",
        "What a trial tries.",
        (
            Keys([
                *fields_of(TrialAssignment),
                *listed("""
                sweep | text | name of the sweep
                strategy | text | the strategy that suggested the hyperparameters
                results_seen | integer | results of earlier trials that the proposal was allowed to use
                prior_trials | integer | results of another sweep that it used (`warm_start`)
                code | mapping | code of the user's own strategy, see [Provenance](#provenance)
                recipe | mapping | the sweep's configuration without budget, finalists, and folder
                recipe_digest | text | digest of `recipe`
                """),
            ]),
        ),
    ),
    File(
        f"{TRIAL}/result.json",
        "run_trial",
        "How a trial went. `run_rung_trial` and `confirm_trial` write it for a trial in a higher rung or a finalist.",
        (RESULT,),
        also=(
            "sweeps/{sweep}/rung-{rung}/entry-{entry}/result.json",
            "sweeps/{sweep}/confirmation/rank-{rank}/seed-{seed}/result.json",
        ),
        copies=(
            f"{TRIAL}/state/results/{{digest}}/result.json",
            f"{TRIAL}/state-confirmation-{{seed}}/results/{{digest}}/result.json",
        ),
        optional=("training_seconds", "episodes", "objective_sd", "scores", "curve", "stopped_early", "provenance"),
    ),
    File(
        f"{TRIAL}/curve.jsonl",
        "run_trial",
        "The metrics of the trial's training: the lines of [metrics.jsonl](#training); empty if nothing was trained.",
        also=(
            "sweeps/{sweep}/rung-{rung}/entry-{entry}/curve.jsonl",
            "sweeps/{sweep}/confirmation/rank-{rank}/seed-{seed}/curve.jsonl",
        ),
        copies=(
            f"{TRIAL}/state/results/{{digest}}/curve.jsonl",
            f"{TRIAL}/state-confirmation-{{seed}}/results/{{digest}}/curve.jsonl",
        ),
    ),
    File(
        f"{TRIAL}/state/results/lock",
        "",
        "Held while the trial runs, so that it runs once.",
        also=(f"{TRIAL}/state-confirmation-{{seed}}/results/lock",),
    ),
    File(
        "sweeps/{sweep}/history/{first}-{last}.json",
        "collect_results",
        "Sixteen results, or sixteen smaller blocks, in one file, so that later proposals read fewer files.",
        (Keys(fields_of(records.HistoryFile)),),
    ),
    File(
        "sweeps/{sweep}/rung-{rung}/bracket-{bracket}.json",
        "promote_trials",
        "With `halving`: which trials of a bracket train on in the next rung.",
        (
            Keys(fields_of(records.PromotionsFile)),
            Keys([*fields_of(TrialAssignment), *LEDGER], "Each value of `entries`"),
        ),
    ),
    File(
        "sweeps/{sweep}/finalists.json",
        "choose_finalists",
        "With `num_finalists`: the best trials, and the fresh seeds on which they run again.",
        (
            Keys(fields_of(records.FinalistsFile)),
            Keys([*fields_of(TrialAssignment), *LEDGER], "Each entry of `finalists`"),
        ),
    ),
    File(
        "sweeps/{sweep}/best.json",
        "select_best",
        "The best trial. Training runs that name the sweep take its hyperparameters.",
        (Keys([*fields_of(records.BestFile), *WITH_PROVENANCE]), *CONFIRMATION),
    ),
    File(
        "sweeps/{sweep}/trials.csv",
        "describe_sweep",
        "A table of all trials, for people.",
        (
            Keys(
                [
                    *fields_of(TrialResult, without=("extra", "hyperparameters")),
                    *listed("hyperparameters.{name} | any | one hyperparameter; empty where it does not apply"),
                ],
                noun="Column",
            ),
        ),
    ),
    File(
        "sweeps/{sweep}/trials.json",
        "describe_sweep",
        "What every trial tried and how it scored; `warm_start` of another sweep reads it.",
        (
            Keys(fields_of(records.TrialsFile)),
            Keys(fields_of(records.TrialSummary), "Each entry of `trials`"),
        ),
    ),
    File(
        "sweeps/{sweep}/analysis.json",
        "describe_sweep",
        "What the search shows: progress, cost, importance. `report.html` draws it.",
        (
            Keys([*fields_of(SweepAnalysis), *WITH_PROVENANCE]),
            Keys(fields_of(records.SearchCost), "Keys of `cost`"),
            *CONFIRMATION,
        ),
    ),
    File("sweeps/{sweep}/report.html", "describe_sweep", "The same as a page that needs no other file."),
    File("sweeps/{sweep}/live.html", "", "The same while the sweep runs; leads to report.html at the end."),
    File("sweeps/{sweep}/experiment.yaml", "", "The experiment that `daf_launch_sweep` made of a single sweep."),
]  # fmt: skip

RUN_FOLDER = "training/{run}/seed-{seed}"
TRIAL_FOLDERS = (
    f"{TRIAL}/state",
    f"{TRIAL}/state/further-seed-{{number}}",
    f"{TRIAL}/state-confirmation-{{seed}}",
)
RUNG_COPIES = tuple(f"{folder}/at-{{steps}}-{{digest}}" for folder in TRIAL_FOLDERS)


def _in_training(name: str, purpose: str, keys: tuple[Keys, ...] = (), **more: tuple[str, ...]) -> File:
    """A file of a run's training; trials of a sweep have the same below their state folders."""
    folders = TRIAL_FOLDERS if name.startswith("state/") else (*TRIAL_FOLDERS, *RUNG_COPIES)
    copies = tuple(f"{folder}/{name}" for folder in folders) + more.pop("copies", ())
    return File(f"{RUN_FOLDER}/{name}", "train_policy", purpose, keys, copies=copies, **more)


TRAINING = [
    _in_training(
        "model.safetensors",
        "The published weights: those of the best held-out evaluation. Where there are weights, training is complete.",
    ),
    _in_training("model.json", "What the weights are; it travels with them.", (
        Keys(fields_of(ModelDescription)), STARTED_FROM, RECIPE,
    ), optional=("started_from",)),
    _in_training(
        "run.json",
        "How training went: what ran, held-out evaluations, restarts. Below `state/` if it failed or diverged, since "
        "Snakemake removes the outputs of a failed job.",
        (
            Keys([*fields_of(TrainingOutcome), *fields_of(RunDetails), *RUN_EXTRAS]),
            EVALUATIONS,
            STARTED_FROM,
            *PROCESSES,
            RECIPE,
        ),
        also=(f"{RUN_FOLDER}/state/failed-run.json",),
        copies=tuple(f"{folder}/state/failed-run.json" for folder in TRIAL_FOLDERS),
    ),
    _in_training(
        "metrics.jsonl",
        "All figures, one line per update; below `state/` while it grows.",
        (METRICS,),
        optional=(
            "cuda_memory_mb", "teacher_loss", "teacher_coef", "partner_share", "learner_reward",
            *(field.name for field in METRICS.fields if field.name.startswith("mission_")),
        ),
        also=(f"{RUN_FOLDER}/state/{{digest}}/metrics.jsonl",),
        copies=tuple(f"{folder}/state/{{digest}}/metrics.jsonl" for folder in TRIAL_FOLDERS),
    ),
    File(f"{RUN_FOLDER}/tensorboard/{{events}}", "train_policy", "The same figures for TensorBoard (`trackers`)."),
    File(f"{RUN_FOLDER}/wandb/**", "train_policy", "The same for wandb, offline, if `trackers` names it."),
    _in_training("state/lock", "Held while the training runs, so that it runs once."),
    _in_training(
        "state/{digest}/checkpoint-{update}-{sha}.pt",
        "Trainer state after an update; `{sha}` is the start of its sha256. The newest two are kept.",
    ),
    _in_training(
        "state/{digest}/history-{steps}.safetensors",
        "With `partners.history`: the weights after `{steps}` agent-steps, a partner of the updates that follow.",
    ),
    File(
        f"{RUN_FOLDER}/at-{{share}}/model.safetensors",
        "keep_weights",
        "The weights after a share of the run's steps, where a policy has `at`.",
        copies=(f"{RUN_FOLDER}/state/{{digest}}/at-{{share}}/model.safetensors",),
    ),
    File(
        f"{RUN_FOLDER}/at-{{share}}/model.json",
        "keep_weights",
        "What they are, as model.json of the run; `agent_steps` says when they were taken.",
        copies=(f"{RUN_FOLDER}/state/{{digest}}/at-{{share}}/model.json",),
    ),
    _in_training(
        "state/{digest}/outcome.json",
        "How the processes ended.",
        (Keys(fields_of(TrainingOutcome)), *PROCESSES),
        copies=tuple(f"{folder}/outcome.json" for folder in RUNG_COPIES),
    ),
    _in_training(
        "state/{digest}/job.json",
        "What several processes train, and how; they read it when they start.",
        (Keys(fields_of(TrainingSpec)), Keys(fields_of(RunOptions), "Keys of `options`"), RECIPE),
        also=(f"{RUN_FOLDER}/job.json",),
    ),
    _in_training(
        "state/{digest}/heartbeat-{rank}.json",
        "The last sign of life of a training process; it shows which of several hangs.",
        (Keys(fields_of(Beat)),),
    ),
    _in_training(
        "state/{digest}/failures.jsonl",
        "Failures so far, oldest first.",
        (
            Keys(
                [
                    *fields_of(Failure, without=("parts", "symptom", "time")),
                    *listed("at | text | when it failed"),
                ],
                "Each line",
            ),
        ),
    ),
    _in_training("state/{digest}/agent-{agent}.json", "Failures as one torchrun agent saw them."),
    File(f"{RUN_FOLDER}/train.log", "", "Messages of a run that `daf_launch_distributed_training` started."),
    File(f"{RUN_FOLDER}/processes.log", "", "What else its processes printed."),
    File(f"{RUN_FOLDER}/environment.json", "", "The environment configuration that it was given."),
    File(f"{RUN_FOLDER}/slurm.sh", "", "Its batch script, if Slurm runs it."),
    File(f"{RUN_FOLDER}/slurm-exit-code", "", "The exit code of that batch script."),
]  # fmt: skip
