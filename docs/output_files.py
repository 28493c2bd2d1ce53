"""The files that the workflow writes: path, rule, purpose, and the records that give their columns and keys.

Keys that no record describes are listed here; `tests/workflow/test_documented_files.py` compares all of them with the
files of a real run.
"""

from __future__ import annotations

from typing import NamedTuple

from meanings import Field, fields_of

from daf.config.recipes import TrainingRecipe
from daf.distributed.failures import Failure
from daf.distributed.heartbeat import Beat
from daf.engine.model_files import ModelDescription
from daf.episodes.failure_modes import FailureMode
from daf.episodes.table import EPISODE_COLUMNS
from daf.evaluation.mission import MissionAnalysis, MissionMetadata
from daf.packaging.endpoints import Deployment
from daf.packaging.manifest import Manifest
from daf.packaging.validation import ValidationResult
from daf.search import records
from daf.search.analysis import SweepAnalysis
from daf.search.assignment import TrialAssignment
from daf.search.results import TrialResult
from daf.statistics.ranking import Friedman
from daf.statistics.results import data_dictionary
from daf.system.checks import CheckResult
from daf.training.options import RunOptions, TrainingSpec
from daf.training.outcome import RunDetails, TrainingOutcome


class Keys(NamedTuple):
    """One table: the keys of a file or of a mapping inside it, or the columns of a table."""

    fields: list[Field]
    title: str = ""
    noun: str = "Key"


class File(NamedTuple):
    """A file, or several of one kind.

    Attributes:
        also: further places of such files.
        keys: of the file first, then of what it nests.
        optional: keys that not every such file has.
    """

    path: str
    rule: str
    purpose: str
    keys: tuple[Keys, ...] = ()
    also: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


def listed(text: str) -> list[Field]:
    """Fields from lines `name | type | meaning`."""
    return [Field(*(part.strip() for part in line.split("|"))) for line in text.strip().splitlines()]


def columns(table: str, noun: str = "Column") -> Keys:
    """The columns of a comparison's table."""
    entries = data_dictionary()[table]
    return Keys([Field(name, kind, meaning) for name, (kind, meaning) in entries.items()], noun=noun)


WITH_PROVENANCE = listed("provenance | mapping | see [Provenance](#provenance)")

PROVENANCE = File(
    "",
    "",
    "Results carry a mapping `provenance`. It tells what they were made with and lets you repeat them.",
    (
        Keys(
            listed("""
            recipe_digest | text | sha256 of everything that decides the result
            seeds | mapping | seeds by purpose: `training`, `evaluation`, `search`, `resampling`, `first_episode`
            versions | mapping | Python, DAF, the engine's packages, torch, numpy; null: not installed
            git | mapping or null | `commit` of DAF's checkout, and whether it was `dirty`; null outside a checkout
            host | mapping | where it was made, see below
            created | text | when it was made
            """)
        ),
        Keys(
            listed("""
            hostname | text | name of the machine
            platform | text | operating system
            cpu | text | model of the processor; the last bits of matrix products differ between models
            cpu_count | integer | CPUs that the process was allowed to use
            memory_bytes | integer or null | memory of the machine
            slurm_job_id | text or null | id of the Slurm job
            """),
            "Keys of `host`",
        ),
    ),
)

CHECKS = Keys(fields_of(CheckResult), "Each entry of `checks`")
LEDGER = listed("""
    objective | number or null | the score in the search that the trial was chosen for
    """)
CONFIRMATION = (
    Keys(fields_of(records.Confirmation), "Keys of `confirmation`"),
    Keys(fields_of(records.FinalistSummary), "Each entry of `confirmation.finalists`"),
)
RECIPE = Keys(fields_of(TrainingRecipe), "Keys of `recipe`, explained in [config/README.md](../config/README.md)")

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
    learning_rate | number | learning rate of the update
    policy_loss | number | mean clipped surrogate loss
    value_loss | number | mean loss of the value function
    entropy | number | mean entropy of the policy, in nats
    approx_kl | number | approximate divergence between the policies before and after
    clip_fraction | number | share of samples whose ratio was clipped
    gradient_norm | number | norm of the gradient before clipping
    explained_variance | number or null | share of the returns' variance that the value function explains
    actions | mapping | name of an action → its share of all actions
    action_coverage | number | share of actions that were chosen at all
    environment_share | number | share of the update's time in the environment
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
    episodes | integer | evaluation episodes that have an objective; only if it was scored
    objective_sd | number or null | standard deviation of the objective over these; only if it was scored
    curve | list of numbers | with `early_stopping`: objective at each check
    stopped_early | text or null | with `early_stopping`: why it ended before its last step
    provenance | mapping | see [Provenance](#provenance); not if it was skipped
    """)
RESULT = Keys([*fields_of(TrialResult, without=("extra",)), *_RESULT_EXTRAS])

RUN_EXTRAS = listed("""
    restarts | list of mappings | failures that the training recovered from, see failures.jsonl
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
    objective | number or null | mean objective; null if no episode has one
    mean_reward | number or null | mean reward
    episodes | integer | episodes that have a result
    """),
    "Each entry of `evaluations`",
)

ENVIRONMENT = [
    File(
        "environment/check.json",
        "check_environment",
        "Whether this machine can run the experiment. No other rule reads it.",
        (
            Keys([
                *listed("""
                healthy | boolean | whether no check is an error
                warnings | list of texts | the checks that are warnings, in words
                errors | list of texts | the checks that are errors, in words
                checks | list of mappings | all checks, in the order they ran, see below
                """),
                *WITH_PROVENANCE,
            ]),
            CHECKS,
        ),
    )
]  # fmt: skip

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
                recipe | mapping | the sweep's configuration without budget, finalists, and folder
                recipe_digest | text | digest of `recipe`
                """),
            ]),
        ),
    ),
    File(
        f"{TRIAL}/result.json",
        "run_trial",
        "How a trial went. `run_rung_trial` and `confirm_trial` write it for a trial in a higher rung or a finalist. "
        "The copy under `state/results/` is published again if the workflow asks for the same trial again.",
        (RESULT,),
        also=(
            "sweeps/{sweep}/rung-{rung}/entry-{entry}/result.json",
            "sweeps/{sweep}/confirmation/rank-{rank}/seed-{seed}/result.json",
            f"{TRIAL}/state/results/{{digest}}/result.json",
            f"{TRIAL}/state-confirmation-{{seed}}/results/{{digest}}/result.json",
        ),
        optional=("training_seconds", "episodes", "objective_sd", "curve", "stopped_early", "provenance"),
    ),
    File(
        f"{TRIAL}/curve.jsonl",
        "run_trial",
        "The metrics of the trial's training: the lines of [metrics.jsonl](#training); empty if nothing was trained.",
        also=(
            "sweeps/{sweep}/rung-{rung}/entry-{entry}/curve.jsonl",
            "sweeps/{sweep}/confirmation/rank-{rank}/seed-{seed}/curve.jsonl",
            f"{TRIAL}/state/results/{{digest}}/curve.jsonl",
            f"{TRIAL}/state-confirmation-{{seed}}/results/{{digest}}/curve.jsonl",
        ),
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
        "select_best",
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
        "select_best",
        "What every trial tried and how it scored; `warm_start` of another sweep reads it.",
        (
            Keys(fields_of(records.TrialsFile)),
            Keys(fields_of(records.TrialSummary), "Each entry of `trials`"),
        ),
    ),
    File(
        "sweeps/{sweep}/analysis.json",
        "select_best",
        "What the search shows: progress, cost, importance. `report.html` draws it.",
        (
            Keys([*fields_of(SweepAnalysis), *WITH_PROVENANCE]),
            Keys(fields_of(records.SearchCost), "Keys of `cost`"),
            *CONFIRMATION,
        ),
    ),
    File("sweeps/{sweep}/report.html", "select_best", "The same as a page that needs no other file."),
    File("sweeps/{sweep}/experiment.yaml", "", "The experiment that `daf_launch_sweep` made of a single sweep."),
]  # fmt: skip

RUN_FOLDER = "training/{run}/seed-{seed}"
TRIAL_FOLDERS = (f"{TRIAL}/state", f"{TRIAL}/state-confirmation-{{seed}}")
RUNG_COPIES = tuple(f"{folder}/at-{{steps}}-{{digest}}" for folder in TRIAL_FOLDERS)


def _in_training(name: str, rule: str, purpose: str, keys: tuple[Keys, ...] = (), **more: tuple[str, ...]) -> File:
    """A file of a run's training; trials of a sweep have the same below their state folders."""
    also = tuple(f"{folder}/{name}" for folder in TRIAL_FOLDERS)
    if not name.startswith("state/"):
        also += tuple(f"{folder}/{name}" for folder in RUNG_COPIES)
    return File(f"{RUN_FOLDER}/{name}", rule, purpose, keys, also=also + more.pop("also", ()), **more)


TRAINING = [
    _in_training(
        "model.safetensors",
        "train_policy",
        "The published weights: those of the best held-out evaluation. Where there are weights, training is complete.",
    ),
    _in_training("model.json", "train_policy", "What the weights are; it travels with them.", (
        Keys(fields_of(ModelDescription)), RECIPE,
    )),
    _in_training(
        "run.json",
        "train_policy",
        "How the training went: what ran, held-out evaluations, restarts.",
        (
            Keys([*fields_of(TrainingOutcome), *fields_of(RunDetails), *RUN_EXTRAS]),
            EVALUATIONS,
            *PROCESSES,
            RECIPE,
        ),
    ),
    _in_training(
        "metrics.jsonl",
        "train_policy",
        "All figures, one line per update.",
        (METRICS,),
        optional=("cuda_memory_mb",),
        also=tuple(f"{folder}/state/{{digest}}/metrics.jsonl" for folder in (RUN_FOLDER, *TRIAL_FOLDERS)),
    ),
    File(f"{RUN_FOLDER}/tensorboard/{{events}}", "train_policy", "The same figures for TensorBoard (`trackers`)."),
    File(f"{RUN_FOLDER}/wandb/**", "train_policy", "The same for wandb, offline, if `trackers` names it."),
    _in_training("state/lock", "train_policy", "Held while the training runs, so that it runs once."),
    _in_training(
        "state/{digest}/checkpoint-{update}-{sha}.pt",
        "train_policy",
        "Trainer state after an update; `{sha}` is the start of its sha256. The newest two are kept.",
    ),
    _in_training(
        "state/{digest}/outcome.json",
        "train_policy",
        "How the processes ended.",
        (Keys(fields_of(TrainingOutcome)), *PROCESSES),
        also=tuple(f"{folder}/outcome.json" for folder in RUNG_COPIES),
    ),
    _in_training(
        "state/{digest}/job.json",
        "train_policy",
        "What several processes train, and how; they read it when they start.",
        (Keys(fields_of(TrainingSpec)), Keys(fields_of(RunOptions), "Keys of `options`"), RECIPE),
        also=(f"{RUN_FOLDER}/job.json",),
    ),
    _in_training(
        "state/{digest}/heartbeat-{rank}.json",
        "train_policy",
        "The last sign of life of one of several processes; it shows which of them hangs.",
        (Keys(fields_of(Beat)),),
    ),
    _in_training(
        "state/{digest}/failures.jsonl",
        "train_policy",
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
    _in_training("state/{digest}/agent-{agent}.json", "train_policy", "Failures as one torchrun agent saw them."),
    File(f"{RUN_FOLDER}/train.log", "", "Messages of a training that `daf_launch_distributed_training` started."),
    File(f"{RUN_FOLDER}/processes.log", "", "What its processes printed beside that."),
    File(f"{RUN_FOLDER}/environment.json", "", "The environment configuration that it was given."),
    File(f"{RUN_FOLDER}/slurm.sh", "", "Its batch script, if Slurm runs it."),
    File(f"{RUN_FOLDER}/slurm-exit-code", "", "The exit code of that batch script."),
]  # fmt: skip

SHARD_PROVENANCE = Keys(
    listed("""
    mission | mapping | `name` of the mission and its `success` expression
    usage | mapping | `seconds` and `peak_memory_mb` of playing
    policy | mapping or null | what decides how the policy acts: class, arguments, content of the weights
    note | text | what a reader must know about the policy; else empty
    skipped | text | why no episodes were played, with `episodes_per_mission: auto`
    """),
    "The file's metadata holds the provenance (`daf.episodes.table.read_provenance`): that of the shards under the key "
    "`shards`. A shard's has these keys beside those of [Provenance](#provenance)",
)
EPISODES = Keys([Field(name, column.kind, column.meaning) for name, column in EPISODE_COLUMNS.items()], noun="Column")

EVALUATION = [
    File(
        "evaluations/{checkpoint}/{mission}/episodes.parquet",
        "merge_episodes",
        "One row per episode of a checkpoint on a mission: all that DAF reports about a policy is computed from these.",
        (EPISODES, SHARD_PROVENANCE),
    ),
    File(
        "evaluations/{checkpoint}/{mission}/episodes-{shard}.parquet",
        "evaluate_policy",
        "The same for the episodes of one job; empty if they were not needed.",
    ),
    File(
        "replays/{checkpoint}/{mission}/{replay}.json.z",
        "replay_episode",
        "On request: the best, median, or worst episode, for `cogames replay`.",
    ),
]

REPORTS = [
    File(
        "reports/missions/{mission}.json",
        "analyze_mission",
        "How every policy fares on a mission.",
        (
            Keys([
                *listed("""
                mission | text | name of the mission
                metadata | mapping | what the mission is, see below
                analyses | list of mappings | one per checkpoint, see below
                drawn | list of mappings | which episodes the page draws, one entry per checkpoint that has a result
                provenance | mapping | see [Provenance](#provenance); `episodes`: that of every episodes table
                """),
            ]),
            Keys(fields_of(MissionMetadata), "Keys of `metadata`"),
            Keys(fields_of(MissionAnalysis), "Each entry of `analyses`"),
            Keys(fields_of(FailureMode), "Each entry of `analyses.failure_modes`"),
            Keys(
                listed("""
                steps | integer | steps played, all episodes together
                steps_per_episode | number or null | mean length
                timeouts | integer | actions that took longer than allowed
                seconds | number or null | wall time of playing
                memory_mb | number or null | peak memory of playing, in MiB
                resources_per_episode | mapping | resource → how much agents `gained` and `lost`, per episode
                """),
                "Keys of `analyses.resource_usage`",
            ),
            Keys(
                listed("""
                policy | text | label of the checkpoint
                animated | mapping | `episode`, `env_seed`, and `mean_reward` of the animated episode
                heat_map | mapping | `episodes` and `seeds` behind the heat map: those on the animated episode's map
                one_map | boolean or null | whether all maps that were compared are the same; null: nothing to compare
                """),
                "Each entry of `drawn`",
            ),
        ),
    ),
    File(
        "reports/missions/{mission}.html",
        "analyze_mission",
        "The same as a page, with a heat map and an animation of the median episode.",
    ),
]  # fmt: skip

COMPARISON = "comparisons/{comparison}"
SEQUENTIAL = listed("""
    confidence_level | number | confidence level of the whole comparison
    interim_analyses | list of mappings | the analyses so far, see below
    cap | integer | the most episodes per policy and mission
    done | boolean | whether no further episodes are needed
    """)
INTERIM_ANALYSIS = listed("""
    episodes | integer | episodes per policy and mission
    confidence_level | number | confidence level of this analysis
    unsettled | list of texts | pairs that more episodes may still decide
    """)
COMPARISONS = [
    File(
        f"{COMPARISON}/summary.csv",
        "compare_policies",
        "Every policy on every mission, and overall: mean, interval, success, spread.",
        (columns("summary"),),
    ),
    File(
        f"{COMPARISON}/pairwise.csv",
        "compare_policies",
        "Every pair of policies: difference, test, effect, verdict.",
        (columns("pairwise"),),
    ),
    File(
        f"{COMPARISON}/aggregates.csv",
        "compare_policies",
        "Mean, median, and interquartile mean over all missions.",
        (columns("aggregates"),),
    ),
    File(
        f"{COMPARISON}/ranks.csv",
        "compare_policies",
        "Ranks of the policies, and the chance of being first.",
        (columns("ranks"),),
    ),
    File(
        f"{COMPARISON}/scores.csv",
        "compare_policies",
        "One score per episode, as `daf_compare_scores` reads it.",
        (columns("scores"),),
        also=(f"{COMPARISON}/scores.parquet",),
    ),
    File(
        f"{COMPARISON}/marl_eval.json",
        "compare_policies",
        "The same scores for marl-eval: environment → mission → policy → `run_{n}` → step → metric → values.",
        (Keys(listed("cogames | mapping | the only environment")),),
    ),
    File(
        f"{COMPARISON}/comparison.json",
        "compare_policies",
        "All of the comparison, with its configuration and notes. `ComparisonResults.read` reads it.",
        (
            Keys([
                *listed("""
                format | text | name and version of the format
                config | mapping | the comparison's configuration, see [config/README.md](../config/README.md)
                estimand | mapping | `checkpoints` and `recipes` → `question`, whether it is `answered`, and `why` not
                friedman | mapping or null | Friedman's test over missions, see below; null where it does not apply
                sequential | mapping or null | with `episodes_per_mission: auto`, see interim-{n}.json
                notes | list of texts | what a reader must know
                provenance | mapping | see [Provenance](#provenance); with `success` by mission, and `computation`
                summary_statistics | list of mappings | the rows of summary.csv
                pairwise | list of mappings | the rows of pairwise.csv
                ranks | list of mappings | the rows of ranks.csv
                aggregates | list of mappings | the rows of aggregates.csv
                profiles | list of mappings | performance profiles, see below
                episodes | mapping | column → values: the episodes behind all figures, see below
                """),
            ]),
            columns("profiles", "Key")._replace(title="Each entry of `profiles`"),
            columns("episodes", "Key")._replace(title="Columns of `episodes`"),
            Keys(fields_of(Friedman), "Keys of `friedman`"),
            Keys(
                listed("""
                episode_seeds | mapping | mission → environment seeds, in words
                episode_seeds_sha256 | text | digest of all environment seeds
                resampling_seed | integer | seed of the bootstrap
                num_resamples | integer | resamples of the bootstrap
                normalization | mapping or text | mission → rewards that map to 0 and 1, or that there are none
                versions | mapping | versions of DAF, numpy, scipy, and pandas
                """),
                "Keys of `provenance.computation`",
            ),
        ),
    ),
    File(
        f"{COMPARISON}/interim-{{n}}.json",
        "run_interim_analysis",
        "With `episodes_per_mission: auto`: whether more episodes are needed.",
        (Keys(SEQUENTIAL), Keys(INTERIM_ANALYSIS, "Each entry of `interim_analyses`")),
    ),
    File(f"{COMPARISON}/report.html", "render_report", "The comparison as a page that needs no other file."),
    File(f"{COMPARISON}/figures/{{figure}}.svg", "render_report", "The figures of the page, one file each."),
    File(f"{COMPARISON}/figures/.snakemake_timestamp", "render_report", "When Snakemake made the folder."),
]  # fmt: skip

PACKAGE = "deployment/{checkpoint}-{version}"
DEPLOYED = Keys(fields_of(Deployment))
DEPLOYMENT = [
    File(f"{PACKAGE}.zip", "package_policy", "A submission bundle for CoGames; its README.md explains its content."),
    File(
        f"{PACKAGE}.manifest.json",
        "package_policy",
        "What the zip contains, by hash, and what it was made with.",
        (Keys(fields_of(Manifest)),),
    ),
    File(
        f"{PACKAGE}.validation.json",
        "validate_package",
        "The proof that the package loads and plays in a process without DAF.",
        (
            Keys([
                *fields_of(ValidationResult),
                *listed("""
                is_valid | boolean | whether no check is an error
                problems | list of texts | the checks that are errors, in words
                warnings | list of texts | the checks that are warnings, in words
                """),
                *WITH_PROVENANCE,
            ]),
            CHECKS,
        ),
    ),
    File(f"{PACKAGE}.deployed.json", "deploy_policy", "On request: where the package was sent.", (DEPLOYED,)),
    File(
        f"{PACKAGE}.rolled-back.json",
        "rollback_deployment",
        "On request: the version that is current again.",
        (DEPLOYED,),
    ),
]  # fmt: skip

LOGS = [
    File("logs/{stage}/**.log", "", "Messages of every job, under the path of what it makes."),
    File(
        "logs/benchmarks/**.jsonl",
        "",
        "What every job used, as Snakemake measured it.",
        (
            Keys(
                listed("""
                s | number | wall seconds
                h:m:s | text | the same in hours, minutes, and seconds
                max_rss | number | peak of resident memory, in MB
                max_vms | number | peak of virtual memory, in MB
                max_uss | number | peak of unshared memory, in MB
                max_pss | number | peak of memory with shared pages divided among processes, in MB
                io_in | number | MB read
                io_out | number | MB written
                mean_load | number | mean CPU load in percent; 100 is one core
                cpu_time | number | CPU seconds
                """),
                "Each line",
            ),
        ),
    ),
    File("logs/slurm/**", "", "On Slurm: what Slurm itself says about a job; removed if the job succeeds."),
]

FROM_PYTHON = [
    File("benchmarks/{suite}/**", "", "Episodes, comparison, and report of `daf_benchmark_suite`, laid out as above."),
    File(
        "benchmarks/leaderboard.json",
        "",
        "Its leaderboard, which grows from run to run.",
        (
            Keys(
                listed("""
                format | text | name and version of the format
                engine | mapping | versions of the engine; results of others are refused
                boards | mapping | suite and setting in words → board, see below
                """)
            ),
            Keys(
                listed("""
                setting | mapping | what makes entries comparable: suite, missions, episodes, seeds, action time
                entries | list of mappings | one per policy, best first, see below
                """),
                "Each value of `boards`",
            ),
            Keys(
                listed("""
                policy | text | name of the policy
                identity | text | digest of what decides how it acts; the same policy replaces its entry
                class_path | text or null | its class
                train_seeds | list of integers | its training seeds
                missions | mapping | mission → its figures, see below
                provenance | mapping | see [Provenance](#provenance)
                mean_rank | number | its rank among the policies, averaged over missions
                mean | number or null | mean over missions of the raw reward; null if it did not play all
                """),
                "Each entry of `entries`",
            ),
            Keys(
                listed("""
                mean | number or null | mean raw reward
                interval_low | number or null | lower bound of the mean
                interval_high | number or null | upper bound of the mean
                confidence_level | number | confidence level of the interval
                iqm | number or null | interquartile mean
                success_rate | number or null | share of successful episodes
                n_episodes | integer | episodes that every checkpoint of the policy completed
                failures | integer | episodes without a result
                """),
                "Each value of `missions`",
            ),
        ),
    ),
    File(
        "benchmarks/leaderboard.csv",
        "",
        "The same as a table.",
        (
            Keys(
                listed("""
                board | text | suite and setting
                place | integer | place on the board
                policy | text | name of the policy
                mean_rank | number | its rank among the policies, averaged over missions
                mean | number | mean over missions of the raw reward
                {mission} | number | mean raw reward on a mission
                created | text | when the entry was made
                """),
                noun="Column",
            ),
        ),
    ),
    File("visualizations/{figure}", "", "Pages and figures of `daf.visualization`, unless you name another path."),
]

STAGES = {
    "Environment": ENVIRONMENT,
    "Sweeps": SWEEPS,
    "Training": TRAINING,
    "Evaluations and replays": EVALUATION,
    "Missions": REPORTS,
    "Comparisons": COMPARISONS,
    "Deployment": DEPLOYMENT,
    "Logs": LOGS,
    "From Python": FROM_PYTHON,
}
