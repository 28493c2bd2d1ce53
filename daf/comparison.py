"""Compare policies: evaluate them on the same episodes, test the differences, and report what the data show.

`compare_episodes` is pure and works on any episodes table, `daf_compare_scores` on any table of scores;
`daf_compare_policies` plays the episodes first; `compare_learning_curves` compares how training runs got there. Suites,
leaderboards and ablations are in `daf.compare`, the statistics in `daf.statistics`, the report in `daf.visualization`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from daf.compare.ablation import daf_policy_ablation
from daf.compare.curves import compare_learning_curves
from daf.compare.files import deliver
from daf.compare.labels import unique_labels
from daf.compare.play import PlaySettings, Policies, play_comparison, resolve_lineup
from daf.compare.scores import compare_score_table, names_as_text, source_name
from daf.compare.settings import check_overrides, comparison_config
from daf.compare.suites import SUITES, daf_benchmark_suite, suite_missions
from daf.config import DAFComparisonConfig, MissionConfig
from daf.statistics.comparison import compare_episodes
from daf.statistics.explanations import ESTIMANDS
from daf.statistics.results import ComparisonResults
from daf.system.arguments import checked_arguments

if TYPE_CHECKING:
    import pandas as pd


__all__ = [
    "ESTIMANDS",
    "SUITES",
    "ComparisonResults",
    "compare_episodes",
    "compare_learning_curves",
    "daf_benchmark_suite",
    "daf_compare_policies",
    "daf_compare_scores",
    "daf_policy_ablation",
    "suite_missions",
    "unique_labels",
]


@checked_arguments
def daf_compare_policies(
    policies: Policies,
    missions: Sequence[str | MissionConfig],
    episodes_per_mission: int | Literal["auto"] | None = None,
    *,
    config: DAFComparisonConfig | None = None,
    output_dir: str | Path | None = None,
    workers: int = 1,
    device: str = "cpu",
    max_action_time_ms: int = PlaySettings.max_action_time_ms,
    verbose: bool = True,
    **overrides: Any,
) -> ComparisonResults:
    """Play the same episodes with every policy and compare them.

    Args:
        policies: shorthands, class paths, classes, PolicySpecs or PolicyConfigs; policies of the same name get numbered
            labels. A dictionary names them: label to policy.
        missions: mission names, files or MissionConfigs.
        episodes_per_mission: episodes per policy and mission; "auto" adds batches until every pair has its verdict
            (then declare an equivalence_margin, or equal policies will play all episodes); default: as `config` says.
        config: all other settings; the two arguments replace its policies and missions.
        output_dir: folder for the tables (`daf.statistics.results.FILES`) and report.html; None: write nothing.
        workers: number of processes that play; results do not depend on it.
        device: for networks: auto, cpu, or cuda, also with a number.
        max_action_time_ms: wall-clock limit per action.
        verbose: print the summary.
        overrides: keys of `DAFComparisonConfig`, e.g. `equivalence_margin=0.5`, `reference="random"` (a label) or
            `normalization={"low": "random", "high": "baseline"}`.

    Raises:
        BadInputError: an unknown mission, policy or keyword, or settings out of range; nothing has been played.
        UnfitEnvironmentError: the device is not there.
    """
    check_overrides(daf_compare_policies, overrides)
    if episodes_per_mission is not None:
        overrides["episodes_per_mission"] = episodes_per_mission
    lineup = resolve_lineup(policies, missions)
    names = [mission.name for mission in lineup.missions]
    full_config = comparison_config(daf_compare_policies, config, overrides, policies=lineup.labels, missions=names)
    settings = PlaySettings(workers=workers, device=device, max_action_time_ms=max_action_time_ms)
    return deliver(play_comparison(lineup, full_config, settings), output_dir, verbose)


@checked_arguments
def daf_compare_scores(
    scores: pd.DataFrame | str | Path | Iterable[Any] | Mapping[str, Any],
    *,
    config: DAFComparisonConfig | None = None,
    policies: Sequence[str | int] | None = None,
    missions: Sequence[str | int] | None = None,
    output_dir: str | Path | None = None,
    verbose: bool = False,
    **overrides: Any,
) -> ComparisonResults:
    """Compare policies from a table of scores, whatever its source, in the same way as `daf_compare_policies`.

    Args:
        scores: a DataFrame, rows (dictionaries, for example), or a .csv, .tsv, .json, .jsonl or .parquet file (also the
            JSON of marl-eval), a list of such files or a folder with them; with columns policy, mission, score and, if
            known, train_seed
            (or seed: the training seed, a number or a name) and episode (counted from 0; the same number means the same
            episode for every policy and training seed). Without training seeds, recipes cannot be compared, and the
            result says so; if only some policies have them, the others count as fixed. A missing score is an episode
            without a result: it is counted, but otherwise ignored. A comparison of policies ignores missions that not
            all of them played.
        config: all other settings; its policies and missions apply unless the arguments replace them.
        policies, missions: which to compare, in this order; default: all, in table order.
        output_dir, verbose: as in `daf_compare_policies`.
        overrides: keys of `DAFComparisonConfig`, e.g. `reference="x"` or `equivalence_margin=0.5`.

    Raises:
        BadInputError: an unknown keyword, a missing or wrong column, a row that occurs twice, an infinite score, or
            nothing left to compare.
    """
    from daf.statistics.score_files import read_scores
    from daf.statistics.scores import to_episodes

    check_overrides(daf_compare_scores, overrides)
    episodes, notes = to_episodes(read_scores(scores), source_name(scores))
    chosen_policies = policies or (config.policies if config else dict.fromkeys(episodes["policy"]))
    chosen_missions = missions or (config.missions if config else dict.fromkeys(episodes["mission"]))
    full_config = comparison_config(
        daf_compare_scores,
        config,
        names_as_text(overrides),
        policies=[str(name) for name in chosen_policies],
        missions=[str(name) for name in chosen_missions],
        episodes_per_mission=int(episodes["episode"].max()) + 1,
    )
    return deliver(compare_score_table(episodes, notes, full_config, scores), output_dir, verbose)
