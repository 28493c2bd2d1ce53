"""The comparison itself: an episodes table and a configuration in, results out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from daf.config import DAFComparisonConfig
from daf.errors import BadInputError
from daf.statistics.explanations import explain
from daf.statistics.results import ComparisonResults
from daf.system.files import digest
from daf.system.linear_algebra import one_thread
from daf.system.nouns import number_of
from daf.system.plain import to_plain
from daf.system.shares import in_shares

if TYPE_CHECKING:
    import pandas as pd

    from daf.statistics.units import Units

FEW_CELLS = 200  # of a policy on a mission, up to which copies of the process cost more time than they save


@one_thread()
def compare_episodes(
    episodes: pd.DataFrame,
    config: DAFComparisonConfig,
    *,
    provenance: Mapping[str, Any] | None = None,
) -> ComparisonResults:
    """Compare the policies of an episodes table. Pure: the same table and config give the same results.

    Args:
        episodes: columns policy, mission, env_seed and mean_reward; also used if present: checkpoint, train_seed,
            episode, success, length, timeouts, failure. A missing reward is a failed episode.
            A policy whose episodes all failed, and say why in `failure`, has records without scores.
        config: policies and missions, confidence level, resampling, equivalence margin, reference scores.
        provenance: recorded unchanged, together with facts about the computation.

    Raises:
        BadInputError: a column is missing, a row occurs twice, a reward is infinite, nothing is left to compare, or
            the reference scores define no scale.
    """
    from daf.statistics import overall
    from daf.statistics.checked_episodes import check_episodes
    from daf.statistics.pairs import compare_pairs
    from daf.statistics.recipe_bootstrap import columns_kept
    from daf.statistics.summary import summarize
    from daf.statistics.unit_collection import collect_units

    frame = check_episodes(episodes, config.policies, config.missions)
    separate_runs = config.trainings == "per_mission"
    collected = collect_units(frame, config.policies, config.missions, separate_runs=separate_runs)
    if not collected.cells and not collected.failed:
        reasons = " ".join(collected.notes)
        if frame["mean_reward"].isna().all():
            raise BadInputError("episodes with rewards", "failed episodes only", "episodes table", reasons)
        none = "none: each lacks the result of some checkpoint"
        raise BadInputError("episodes with results of all checkpoints of a policy", none, "episodes table", reasons)
    if config.normalization is not None:
        collected = collected.normalized(config.normalization)
    collected = replace(collected, runs_per_mission=separate_runs)
    makers: list[Callable[[Units, DAFComparisonConfig], Any]] = [summarize, overall.aggregate, overall.profile]
    few = len(collected.cells) < FEW_CELLS
    with columns_kept():
        pairs = compare_pairs(collected, config)
        ranks, friedman = overall.rank_policies(collected, config)
        summary, aggregates, profiles = in_shares(lambda make, advance: make(collected, config), makers, small=few)
    estimand, notes = explain(collected, config, pairs)
    return ComparisonResults(
        summary=tuple(summary),
        pairs=pairs,
        rank_records=tuple(ranks),
        aggregate_records=tuple(aggregates),
        profile_records=tuple(profiles),
        episodes=frame,
        estimand=estimand,
        friedman=asdict(friedman) if friedman else None,
        notes=(*notes, *overall.basis_notes(collected, config)),
        config=config,
        provenance=to_plain(dict(provenance or {}))
        | {"computation": _computation(frame, config, collected, is_table="table" in (provenance or {}))},
    )


def _computation(frame: pd.DataFrame, config: DAFComparisonConfig, units: Units, *, is_table: bool) -> dict[str, Any]:
    """How the comparison was computed.

    Args:
        is_table: whether the episodes come from a table of scores, whose environment seeds are unknown.
    """
    seeds = {str(name): sorted({int(seed) for seed in part}) for name, part in frame.groupby("mission")["env_seed"]}
    scales: Any = "none: raw rewards"
    if config.normalization is not None:
        scales = {mission: list(cell.scale) for (_, mission), cell in units.cells.items()}
    return {
        "episode_seeds": {name: _seeds_in_words(own, is_table=is_table) for name, own in seeds.items()},
        "episode_seeds_sha256": digest(seeds),
        "resampling_seed": config.seed,
        "num_resamples": config.num_resamples,
        "normalization": scales,
        "versions": dict(_versions()),
    }


@cache
def _versions() -> Mapping[str, str]:
    """Of what computes; kept, because every interim analysis asks and looking them up takes milliseconds."""
    from importlib import metadata

    from daf import __version__

    return {"daf": __version__} | {name: metadata.version(name) for name in ("numpy", "scipy", "pandas")}


def _seeds_in_words(seeds: Sequence[int], *, is_table: bool) -> str:
    """The environment seeds of a mission; of a table of scores, the numbers of its episodes."""
    if not is_table:
        return f"{seeds[0]} to {seeds[-1]} ({number_of(len(seeds), 'seed')})"
    if len(seeds) == 1:
        return "not recorded (one score per run)"
    return f"not recorded ({number_of(len(seeds), 'episode')}, numbered {seeds[0]} to {seeds[-1]})"
