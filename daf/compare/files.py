"""Comparisons as the workflow keeps them: episodes from files, results and interim results to files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.config import Anchors, DAFComparisonConfig
from daf.statistics.results import ComparisonResults

if TYPE_CHECKING:
    import pandas as pd

from typing import TYPE_CHECKING

from daf.statistics.comparison import compare_episodes
from daf.statistics.sequential import interim_analyses
from daf.system.files import read_json, write_json

if TYPE_CHECKING:
    import pandas as pd


def compare_files(paths: Sequence[str | Path], config: DAFComparisonConfig, folder: str | Path) -> ComparisonResults:
    """Compare the episodes in files, as the workflow keeps them, and write the results into `folder`.

    Episodes beyond `episodes_per_mission` belong to another comparison of the same policies and are left out. Missions
    and policies of the configuration go by their labels.
    """
    from daf.episodes.table import read_episodes, read_provenance
    from daf.statistics.sequential import interim_analyses
    from daf.statistics.units import SLIM_COLUMNS
    from daf.system.provenance import provenance

    episodes = read_episodes(paths, SLIM_COLUMNS)
    labelled = with_labels(config, episodes)
    shards = [shard for path in paths for shard in read_provenance(path)["shards"]]
    notes = dict.fromkeys(shard["note"] for shard in shards if shard["note"])
    recipe = {"config": labelled.to_dict(), "episodes": [shard["recipe_digest"] for shard in shards]}
    success = {shard["mission"]["name"]: shard["mission"]["success"] for shard in shards if "mission" in shard}
    made_by = provenance(recipe, {"evaluation": config.evaluation_seed, "resampling": config.seed})
    made_by |= {"success": success}
    if config.episodes_per_mission == "auto":
        *_, results = interim_analyses(episodes, labelled, provenance=made_by)
    else:
        results = compare_episodes(episodes[episodes["episode"] < config.episodes_cap], labelled, provenance=made_by)
    results = replace(results, notes=(*results.notes, *(f"{note[0].upper()}{note[1:]}." for note in notes)))
    results.write(folder)
    return results


def with_labels(config: DAFComparisonConfig, episodes: pd.DataFrame) -> DAFComparisonConfig:
    """The configuration with missions and policies as the tables call them."""
    from daf.config.recipes import mission_label, policy_label

    present = list(dict.fromkeys(episodes["policy"]))

    def label_of(policy: str) -> str:
        return policy if policy in present else policy_label(policy)

    anchors = config.anchors
    if anchors is not None:
        ends = {
            end: label_of(anchor) if isinstance(anchor, str) else {mission_label(m): v for m, v in anchor.items()}
            for end, anchor in (("zero", anchors.zero), ("one", anchors.one))
        }
        anchors = Anchors(**ends)
    return config.model_copy(
        update={
            "missions": [mission_label(mission) for mission in config.missions],
            "policies": present,
            "reference": None if config.reference is None else label_of(config.reference),
            "anchors": anchors,
        }
    )


def write_interim_analysis(
    paths: Sequence[str | Path], config: DAFComparisonConfig, output: str | Path
) -> dict[str, Any]:
    """Look at the shards played so far and write whether more are needed."""
    from daf.compare.files import with_labels
    from daf.episodes.table import read_episodes
    from daf.statistics.units import SLIM_COLUMNS

    episodes = read_episodes(paths, SLIM_COLUMNS)
    *_, last = interim_analyses(episodes, with_labels(config, episodes))
    sequential: dict[str, Any] = dict(last.sequential or {})
    write_json(output, sequential)
    return sequential


def reason_to_skip(interim_files: Sequence[str | Path]) -> str | None:
    """Why a later batch needs no episodes; None if any comparison still wants them, or none was asked."""
    states = [read_json(path) for path in interim_files]
    if not states or not all(state["done"] for state in states):
        return None
    episodes = max(state["interim_analyses"][-1]["episodes"] for state in states)
    return f"not played: every pair had its verdict after {episodes} episodes per policy and mission"
