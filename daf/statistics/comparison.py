"""The comparison itself: an episodes table and a configuration in, results out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from daf.config import DAFComparisonConfig
from daf.errors import BadInputError
from daf.statistics.explanations import explain
from daf.statistics.results import ComparisonResults
from daf.system.files import digest
from daf.system.plain import to_plain

if TYPE_CHECKING:
    import pandas as pd

    from daf.statistics.units import Units


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
    pairs = compare_pairs(collected, config)
    ranks, friedman = overall.rank_policies(collected, config)
    estimand, notes = explain(collected, config, pairs)
    return ComparisonResults(
        summary=tuple(summarize(collected, config)),
        pairs=tuple(pairs),
        rank_records=tuple(ranks),
        aggregate_records=tuple(overall.aggregate(collected, config)),
        profile_records=tuple(overall.profile(collected, config)),
        episodes=frame,
        estimand=estimand,
        friedman=asdict(friedman) if friedman else None,
        notes=(*notes, *overall.basis_notes(collected, config)),
        config=config,
        provenance=to_plain(dict(provenance or {})) | {"computation": _computation(frame, config, collected)},
    )


def _computation(frame: pd.DataFrame, config: DAFComparisonConfig, units: Units) -> dict[str, Any]:
    from importlib import metadata

    from daf import __version__

    seeds = {str(name): sorted({int(seed) for seed in part}) for name, part in frame.groupby("mission")["env_seed"]}
    scales: Any = "none: raw rewards"
    if config.normalization is not None:
        scales = {mission: list(cell.scale) for (_, mission), cell in units.cells.items()}
    return {
        "episode_seeds": {name: f"{min(s)} to {max(s)} ({len(s)} seeds)" for name, s in seeds.items()},
        "episode_seeds_sha256": digest(seeds),
        "resampling_seed": config.seed,
        "num_resamples": config.num_resamples,
        "normalization": scales,
        "versions": {"daf": __version__} | {name: metadata.version(name) for name in ("numpy", "scipy", "pandas")},
    }
