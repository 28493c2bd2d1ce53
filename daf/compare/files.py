"""Comparisons from and to files: reads episodes, writes results and interim analyses."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from pydantic import Field

from daf.config import DAFComparisonConfig, Normalization
from daf.evaluation.interim import settled_after
from daf.statistics.comparison import compare_episodes
from daf.statistics.learning_curves import compare_curves
from daf.statistics.learning_records import Curves
from daf.statistics.results import FILES, ComparisonResults
from daf.statistics.sequential import interim_analyses
from daf.system.files import write_json
from daf.system.nouns import number_of
from daf.system.user_paths import user_path

if TYPE_CHECKING:
    import pandas as pd


PARTIAL = "partial"
CHECKLIST = "checklist.md"


def deliver(results: ComparisonResults, output_dir: str | Path | None, verbose: bool) -> ComparisonResults:
    """Write tables and report into a folder, unless it is None; print the summary if asked."""
    if output_dir is not None:
        from daf.reporting.checklist import reporting_checklist, write_checklist
        from daf.reporting.comparison_page import PageOptions, render_results

        results = _with_note_on_omitted(results)
        folder = results.write(user_path(output_dir, "output_dir"))
        options = PageOptions(files=(*FILES, CHECKLIST))
        render_results(results, folder / "report.html", folder / "figures", options=options)
        write_checklist(folder / CHECKLIST, reporting_checklist(results))
    if verbose:
        print(results)
    return results


def compare_files(
    paths: Sequence[str | Path],
    config: DAFComparisonConfig,
    folder: str | Path,
    curves: Curves | None = None,
) -> ComparisonResults:
    """Compare the episodes in the workflow's files, and write the results into `folder`.

    Episodes beyond `episodes_per_mission` belong to another comparison of the same policies and are ignored.

    Args:
        curves: held-out evaluations of the policies' training runs; they are compared, and part of marl_eval.json.
    """
    from daf.episodes.table import read_episodes, read_shard_records
    from daf.statistics.checked_episodes import SLIM_COLUMNS
    from daf.system.provenance import provenance
    from daf.system.user_code import code_in

    episodes = read_episodes(paths, SLIM_COLUMNS)
    labelled = with_labels(config, episodes)
    shards = [shard for path in paths for shard in read_shard_records(path)]
    notes = dict.fromkeys(shard["note"] for shard in shards if shard["note"])
    recipe = {"config": labelled.to_dict(), "episodes": [shard["recipe_digest"] for shard in shards]}
    success = {shard["mission"]["name"]: shard["mission"]["success"] for shard in shards if "mission" in shard}
    seeds = {"evaluation": config.evaluation_seed, "resampling": config.seed}
    record = provenance(recipe, seeds, code=code_in(shards))
    record |= {"success": success}
    if config.episodes_per_mission == "auto":
        *_, results = interim_analyses(episodes, labelled, provenance=record)
    else:
        results = compare_episodes(episodes[episodes["episode"] < config.episodes_cap], labelled, provenance=record)
    results = replace(results, notes=(*results.notes, *(f"{note[0].upper()}{note[1:]}." for note in notes)))
    if curves is not None:
        results = replace(results, learning_curves=compare_curves(curves, labelled))
    results = _with_note_on_omitted(results)
    results.write(folder, curves=curves)
    shutil.rmtree(Path(folder) / PARTIAL, ignore_errors=True)  # of an earlier run, see daf.compare.partial
    return results


def _with_note_on_omitted(results: ComparisonResults) -> ComparisonResults:
    from daf.statistics.export import note_on_omitted

    note = note_on_omitted(results.episodes)
    return replace(results, notes=(*results.notes, note)) if note and note not in results.notes else results


def with_labels(config: DAFComparisonConfig, episodes: pd.DataFrame) -> DAFComparisonConfig:
    """The configuration with the names of missions and policies used in the tables."""
    from daf.config.recipes import mission_label, policy_label

    present = list(dict.fromkeys(episodes["policy"]))

    def label_of(policy: str) -> str:
        return policy if policy in present else policy_label(policy)

    def with_label(end: str | Mapping[str, float]) -> str | dict[str, float]:
        if isinstance(end, str):
            return label_of(end)
        return {mission_label(mission): reward for mission, reward in end.items()}

    scale = config.normalization
    if scale is not None:
        scale = Normalization(low=with_label(scale.low), high=with_label(scale.high))
    return config.model_copy(
        update={
            "missions": [mission_label(mission) for mission in config.missions],
            "policies": present,
            "reference": None if config.reference is None else label_of(config.reference),
            "normalization": scale,
        }
    )


def write_interim_analysis(
    paths: Sequence[str | Path], config: DAFComparisonConfig, output: str | Path
) -> dict[str, Any]:
    """Compare the shards played so far, and record whether more are needed."""
    from daf.episodes.table import read_episodes
    from daf.statistics.checked_episodes import SLIM_COLUMNS

    episodes = read_episodes(paths, SLIM_COLUMNS)
    *_, last = interim_analyses(episodes, with_labels(config, episodes))
    sequential: dict[str, Any] = dict(last.sequential or {})
    write_json(output, sequential)
    return sequential


class _InterimEntry(TypedDict):
    episodes: int


class InterimFile(TypedDict):
    """What a later batch of episodes asks an interim analysis.

    Attributes:
        done: whether no pair is left that more episodes may decide, or the cap is reached.
        interim_analyses: the analyses so far; `episodes` is the number per policy and mission.
    """

    done: bool
    interim_analyses: Annotated[list[_InterimEntry], Field(min_length=1)]


def reason_to_skip(interim_files: Sequence[str | Path]) -> str | None:
    """Why a later batch needs no episodes; None if a comparison still needs them, or there was no interim analysis."""
    episodes = settled_after(interim_files, InterimFile)
    if episodes is None:
        return None
    return f"not played: nothing was open after {number_of(episodes, 'episode')} per policy and mission"
