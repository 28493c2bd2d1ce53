"""The files that the workflow writes: path, rule, purpose, and the records that give their columns and keys.

Keys that no record describes are listed here and in `output_learning`. `tests/workflow/test_documented_files.py`
compares all of them with the files of a real run.
"""

from __future__ import annotations

from daf.episodes.failure_modes import FailureMode
from daf.episodes.table import EPISODE_COLUMNS
from daf.evaluation.answer import Finding
from daf.evaluation.mission import MissionAnalysis, MissionMetadata
from daf.evaluation.tolerance import FailedEpisodes
from daf.packaging.deployments import Deployment
from daf.packaging.manifest import Manifest
from daf.packaging.validation import ValidationResult
from daf.statistics.ranking import Friedman
from daf.system.job_records import JobRecord
from docs.generator.meanings import Field, fields_of
from docs.generator.output_learning import SWEEPS, TRAINING
from docs.generator.output_runs import RUNS, WHOLE
from docs.generator.output_tournaments import TOURNAMENTS
from docs.generator.output_types import CHECKS, PROVENANCE, WITH_PROVENANCE, File, Keys, columns, listed

__all__ = ["INTRODUCTIONS", "PROVENANCE", "STAGES"]

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

SHARD_PROVENANCE = Keys(
    listed("""
    mission | mapping | `name` of the mission and its `success` expression
    usage | mapping | `seconds` and `peak_memory_mb` of playing
    policy | mapping or null | what decides how the policy acts: class, arguments, content of the weights
    note | text | what a reader must know about the policy; else empty
    skipped | text | why no episodes were played, with `episodes_per_mission: auto`
    """),
    "The file's metadata holds the provenance (`daf.episodes.table.read_provenance`): that of the shards under the key "
    "`shards`. A shard's has these keys in addition to those of [Provenance](#provenance)",
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
        "evaluations/check.json",
        "check_evaluations",
        "The failed episodes of every checkpoint on every mission. Missing, and the exit code of the run is 1, if "
        "more failed than `evaluation.max_failed_share`.",
        (
            Keys(
                listed("""
                max_failed_share | number | the declared tolerance
                evaluations | list of mappings | one per checkpoint and mission, see below
                """)
            ),
            Keys(fields_of(FailedEpisodes), "Each entry of `evaluations`"),
        ),
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
        "How each policy performs on a mission.",
        (
            Keys([
                *listed("""
                mission | text | name of the mission
                recipe | mapping | the mission: `name`, `config`, and the digest of its file and code
                episodes | mapping | checkpoint → its table of episodes, from the folder of this file
                metadata | mapping | what the mission is, see below
                answer | list of mappings | what success, if declared, and reward say about the policies, see below
                analyses | list of mappings | one per checkpoint, see below
                drawn | list of mappings | which episodes the page draws, one entry per checkpoint that has a result
                provenance | mapping | see [Provenance](#provenance); `episodes`: that of every episodes table
                """),
            ]),
            Keys(fields_of(MissionMetadata), "Keys of `metadata`"),
            Keys(fields_of(Finding), "Each entry of `answer`"),
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
                episodes | list of mappings | those to watch: `ranks`, `episode`, `env_seed`, and `mean_reward`
                heat_map | mapping | `episodes` and `seeds` behind the heat map: those on the median episode's map
                one_map | boolean or null | whether all maps that were compared are the same; null: nothing to compare
                """),
                "Each entry of `drawn`",
            ),
        ),
    ),
    File(
        "reports/missions/{mission}.html",
        "analyze_mission",
        "The same as a page, with the best, median, and worst episode to watch, and a heat map.",
    ),
    File(
        "reports/statistics/{mission}.json",
        "list_statistics",
        "On request: the statistics that a `success` expression may name, as the mission's episodes reported them.",
        (
            Keys(
                listed("""
                game | list of texts | names for `game('…')`
                agent | list of texts | names for `agent_sum('…')`, `agent_mean`, `agent_min`, and `agent_max`
                provenance | mapping | `episodes`: the [provenance](#provenance) of every episodes table
                """)
            ),
        ),
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
        "Every pair of policies: difference, test, effect, verdict. Above 20,000 rows also pairwise.parquet.",
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
        "The same scores for marl-eval: environment → mission → policy → `run_{n}` → step → metric → values. The "
        "layout has no numbers of episodes. So lists have only the episodes of a mission that every policy and "
        "training seed has a score of, and a note of the comparison says how many it omits. Compared again from this "
        "file, the same place in two lists is the same episode, and training seeds are called `run_{n}`. A policy "
        "without training seeds has a run `without_training_seed`, and copies of it as `run_{n}` where others were "
        "trained, since marl-eval needs as many runs of each.",
        (
            Keys(
                listed("""
                cogames | mapping | missions that all policies played
                cogames_incomplete | mapping | missions that only some of them played; missing if there are none
                """)
            ),
        ),
        optional=("cogames_incomplete",),
    ),
    File(
        f"{COMPARISON}/learning_curves.csv",
        "compare_policies",
        "Recipes that the experiment trains: how high they score while they learn, and how soon they reach a declared "
        "score.",
        (columns("learning_curves"),),
    ),
    File(
        f"{COMPARISON}/learning_curve_runs.csv",
        "compare_policies",
        "The same of every training run.",
        (columns("learning_curve_runs"),),
    ),
    File(
        f"{COMPARISON}/learning_curve_pairs.csv",
        "compare_policies",
        "Pairs of recipes that train on the same mission: difference, test, verdict.",
        (columns("learning_curve_pairs"),),
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
                estimand | mapping | `checkpoints` and `recipes` → `question`, `answered`, `why` not, `advice`
                friedman | mapping or null | Friedman's test over missions, see below; null where it does not apply
                sequential | mapping or null | with `episodes_per_mission: auto`, see interim-{n}.json
                notes | list of texts | what a reader must know
                learning_curves | mapping or null | rows of its three files: `recipes`, `runs`, `pairs`; and `notes`
                provenance | mapping | see [Provenance](#provenance); with `success` by mission, and `computation`
                summary_statistics | list of mappings | the rows of summary.csv
                pairwise | list of mappings | rows of pairwise.csv, or `pairwise_file` names their file (above 20,000)
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
    File(
        f"{COMPARISON}/checklist.md",
        "render_report",
        "What reviewers ask: answered where the records of training, search and comparison know it, else marked open.",
    ),
    File(
        f"{COMPARISON}/figures/{{figure}}.svg", "render_report",
        "The figures of the page and, up to 1,500 policies by missions, of every mission.",
    ),
    File(f"{COMPARISON}/figures/.snakemake_timestamp", "render_report", "When Snakemake made the folder."),
]  # fmt: skip

PACKAGE = "deployment/{checkpoint}-{version}"
DEPLOYED = Keys(fields_of(Deployment))
DEPLOYMENT = [
    File(
        f"{PACKAGE}.zip",
        "package_policy",
        "A submission bundle for CoGames. Its README.md is a model card, with the results of a comparison; it also "
        "holds LICENSE, requirements.txt, requirements.lock (with hashes), sbom.cdx.json (CycloneDX), lineage.json, "
        "and provenance.intoto.json (an in-toto statement with SLSA provenance). The same inputs give the same bytes.",
    ),
    File(
        f"{PACKAGE}.manifest.json",
        "package_policy",
        "What the zip contains, by hash, and what it was made with.",
        (Keys(fields_of(Manifest)),),
    ),
    File(
        f"{PACKAGE}.sig",
        "sign_package",
        "With `deployment.signing_key`: the signature of the zip by model-signing, a Sigstore bundle.",
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
    File(
        "logs/{stage}/**.log",
        "",
        "Messages of every job, under the path of what it makes; `sweeps/live.log`: of what draws the live pages.",
    ),
    File(
        "logs/{stage}/**.files.json",
        "",
        "The sha256 of what a job read and wrote; `snakemake verify` compares the files with it.",
        (Keys(fields_of(JobRecord)),),
    ),
    File(
        "logs/{stage}/**.state.json",
        "",
        "While a job runs, and after it failed or was stopped: its process, and how it ended; `daf status` reads it.",
    ),
    File("logs/run.json", "", "The last run: its process, how it ended, and all its jobs; `daf status` reads it."),
    File("logs/detached.json", "", "Of a run that `daf run --detach` submitted: its Slurm job."),
    File(
        "logs/experiments/{name}.json",
        "",
        "The experiment with the values of `daf run --set`; its key `overrides` says which.",
    ),
    *RUNS,
    File("logs/verify.log", "verify", "On request: what a check of all files found."),
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

INTRODUCTIONS = {
    "Sweeps": """A trial trains in `trial-{trial}/state/`, a finalist on a fresh seed in
`trial-{trial}/state-confirmation-{seed}/`. Both hold the files of [a training run](#training) and, under
`results/{digest}/`, copies of result.json and curve.jsonl, which are published again if the workflow requests the same
trial again. With `halving`, `at-{steps}-{digest}/` keeps what training had published at the end of a rung.""",
    "Training": """If a pool names weights at a share of a finished run that did not keep them, it is trained again up
to there in `state/again-{share}/`, which is deleted when the weights are published.""",
}

STAGES = {
    "The whole experiment": WHOLE,
    "Environment": ENVIRONMENT,
    "Sweeps": SWEEPS,
    "Training": TRAINING,
    "Evaluations and replays": EVALUATION,
    "Missions": REPORTS,
    "Comparisons": COMPARISONS,
    "Tournaments": TOURNAMENTS,
    "Deployment": DEPLOYMENT,
    "Logs": LOGS,
    "From Python": FROM_PYTHON,
}
