"""Benchmark suites: named sets of real missions, played through the workflow, with a growing leaderboard.

Each suite has its own folder. A second call plays only what is missing, so adding a policy costs only its episodes, and
an interrupted suite resumes where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from daf.compare.labels import check_list, path_name, unique_labels
from daf.config import ExperimentConfig, MissionConfig, PolicyConfig
from daf.config.policy_reference import check_importable
from daf.config.recipes import policy_label
from daf.errors import BadInputError, did_you_mean
from daf.system.arguments import checked_arguments
from daf.system.user_paths import user_path

if TYPE_CHECKING:
    from daf.engine.types import PolicySpec
    from daf.statistics.results import ComparisonResults

SUITES: dict[str, tuple[str, ...]] = {
    "quick": ("tutorial.miner", "training_facility_1"),
    "standard": (
        "tutorial.miner", "training_facility_1", "assembler_2", "exploration_sparse_search_easy",
        "memory_mystery_path_easy", "planning_unlock_chain_easy",
    ),
    "memory": tuple(f"memory_mystery_path_{size}" for size in ("easy", "medium", "hard")),
    "exploration": tuple(f"exploration_sparse_search_{size}" for size in ("easy", "medium", "hard")),
    "planning": tuple(f"planning_unlock_chain_{size}" for size in ("easy", "medium", "hard")),
    "diagnostic": (
        *(f"diagnostic_chest_navigation{n}{hard}" for n in (1, 2, 3) for hard in ("", "_hard")),
        "diagnostic_chest_deposit_near", "diagnostic_chest_deposit_search", "diagnostic_chest_deposit_search_hard",
        "diagnostic_charge_up", "diagnostic_charge_up_hard", "diagnostic_memory", "diagnostic_memory_hard",
    ),
    "cogs-vs-clips": (
        "machina_1", "machina_1.clips", "arena", "four_score",
        "tutorial.aligner", "tutorial.miner", "tutorial.scout", "tutorial.scrambler",
    ),
    "resources": (
        "energy_starved",
        *(f"distant_resources_{size}" for size in ("easy", "standard", "hard")),
        *(f"quadrant_buildings_{size}" for size in ("easy", "standard", "hard")),
        "easy_small_hearts", "easy_medium_hearts", "easy_large_hearts",
    ),
}  # fmt: skip
# Every eval except easy_hearts_training, whose map has no room for any number of agents.
SUITES["evals"] = (
    *SUITES["resources"], *SUITES["memory"], *SUITES["exploration"], *SUITES["planning"], *SUITES["diagnostic"],
)  # fmt: skip


def suite_missions(suite: str) -> list[MissionConfig]:
    """The missions of a named suite. Diagnostic missions get four agents: their maps have no room for eight.

    Raises:
        BadInputError: no suite has this name.
    """
    if suite not in SUITES:
        raise BadInputError("the name of a suite", f"'{suite}'", "suite", did_you_mean(suite, SUITES))
    return [
        MissionConfig(source=name, num_agents=4 if name.startswith("diagnostic_") else None) for name in SUITES[suite]
    ]


@checked_arguments
def daf_benchmark_suite(
    policies: Sequence[Any] | Mapping[str, Any],
    suite: str = "quick",
    episodes_per_mission: int | Literal["auto"] | None = None,
    *,
    output_dir: str | Path = "daf_output/benchmarks",
    cores: int = 1,
    leaderboard: str | Path | None = None,
    episodes_per_shard: int | None = None,
    verbose: bool = True,
    **settings: Any,
) -> ComparisonResults:
    """Compare policies on a named suite of missions (see `SUITES`) through the workflow, and update a leaderboard.

    Args:
        policies: shorthands, class paths, PolicySpecs or PolicyConfigs; a mapping names them.
        episodes_per_mission: as in `daf_compare_policies`; default: that of `DAFComparisonConfig`.
        output_dir: episodes, comparison and report are written to `<output_dir>/<suite>/`; finished files are kept, so
            a second call plays only what is missing.
        cores: number of parallel jobs.
        leaderboard: the file; default `<output_dir>/leaderboard.json`. See `daf.compare.leaderboard`.
        episodes_per_shard: episodes per job; default: that of `EvaluationConfig`.
        settings: other keys of `DAFComparisonConfig`, such as `equivalence_margin` or `normalization`. The
            leaderboard always holds raw rewards.

    Raises:
        BadInputError: no suite has this name, or the leaderboard holds results of a different engine version; nothing
            has been played.
        ConfigError: an unknown policy or a wrong setting; nothing has been played.
        WorkflowFailedError: a job failed.
    """
    from daf.compare.generated import run_generated_comparison
    from daf.compare.leaderboard import check_engine, enter

    missions = suite_missions(suite)
    folder = user_path(output_dir, "output_dir") / suite
    board = user_path(leaderboard or Path(output_dir) / "leaderboard.json", "leaderboard")
    check_engine(board)
    if episodes_per_mission is not None:
        settings["episodes_per_mission"] = episodes_per_mission
    evaluation = {} if episodes_per_shard is None else {"episodes_per_shard": episodes_per_shard}
    experiment = _suite_experiment(suite, missions, named_policies(policies), folder, evaluation, settings)
    results = run_generated_comparison(experiment, folder, cores=cores)
    enter(board, suite, experiment, results)
    if verbose:
        print(results)
    return results


def _suite_experiment(
    suite: str,
    missions: Sequence[MissionConfig],
    policies: Mapping[str, PolicyConfig],
    folder: Path,
    evaluation: Mapping[str, Any],
    comparison: Mapping[str, Any],
) -> ExperimentConfig:
    """An experiment with the suite as its only comparison."""
    return ExperimentConfig.from_dict(
        {
            "name": f"suite-{suite}",
            "daf": {"output_dir": str(folder)},
            "missions": {mission.source: mission.to_dict() for mission in missions if mission.num_agents is not None},
            "policies": {name: policy.to_dict() for name, policy in policies.items()},
            "evaluation": dict(evaluation),
            "comparisons": {
                suite: {
                    "policies": list(policies),
                    "missions": [mission.source for mission in missions],
                    **comparison,
                }
            },
        },
        source="daf_benchmark_suite",
    )


def named_policies(
    policies: Sequence[str | PolicySpec | PolicyConfig] | Mapping[str, str | PolicySpec | PolicyConfig],
) -> dict[str, PolicyConfig]:
    """Policies under unique names that are valid in file paths.

    Raises:
        PolicyError: something that names no policy, or a class that the workflow's processes cannot import.
    """
    check_list(policies, "policies")
    configs = [PolicyConfig.of(policy) for policy in (policies.values() if isinstance(policies, Mapping) else policies)]
    for config in configs:
        check_importable(config.class_path, "the workflow")
    if isinstance(policies, Mapping):
        return dict(zip(policies, configs, strict=True))
    labels = [path_name(policy_label(config.class_path, config.data_path)) for config in configs]
    return dict(zip(unique_labels(labels), configs, strict=True))
