"""Turns an episodes table into independent units: what is averaged, what is omitted, and notes on that.

Agents are averaged within an episode (the table already contains that mean), and checkpoints of one policy are averaged
within an environment seed. An environment seed counts for a policy only if every checkpoint of the policy has a result
there, except for checkpoints without any result on the mission, which are omitted; a few scattered results that were
never played are filled (`gaps`). Failed episodes and episodes never
played are counted separately, since only failures bias a policy's scores upward.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from daf.statistics.gaps import filled, rows_to_fill
from daf.statistics.score_files import MISSING_SCORE
from daf.statistics.units import Cell, FailedCell, Units
from daf.system.nouns import number_of

if TYPE_CHECKING:
    import pandas as pd

SAME_NUMBERS = (
    "Number the episodes of each training seed from 0: the same number (environment seed) is the same episode."
)
FEWER_GAPS = "Add the missing results, or leave out the training seeds (checkpoints) that lack most of them."


def collect_units(
    frame: pd.DataFrame, policies: list[str], missions: list[str], *, separate_runs: bool = False
) -> Units:
    """The cells of a table that `check_episodes` returned.

    Args:
        separate_runs: every mission has separate training runs, so that no run is absent from another mission.
    """
    cells: dict[tuple[str, str], Cell] = {}
    failed: dict[tuple[str, str], FailedCell] = {}
    without: set[tuple[str, str]] = set()
    notes: list[str] = []
    by_policy = dict(iter(frame.groupby("policy", sort=False)))
    for policy in policies:
        if policy not in by_policy:
            notes.append(f"{policy} has no episodes and is omitted.")
            continue
        of_policy = by_policy[policy]
        train_seeds = of_policy.groupby("checkpoint", sort=False)["train_seed"].first().to_dict()
        by_mission = of_policy.groupby("mission", sort=False).indices
        whole = _Columns(of_policy, train_seeds)
        for mission in missions:
            places = by_mission.get(mission)
            if places is None:
                notes.append(f"{policy} did not play {mission}; comparisons with it omit that mission.")
                continue
            cell: Cell | FailedCell | None = whole.cell(np.sort(places))
            if cell is None:
                cell, remarks = _collect_cell(policy, mission, of_policy.iloc[np.sort(places)], train_seeds)
                notes += remarks
                if not separate_runs:
                    notes += _absent(policy, mission, train_seeds, of_policy["checkpoint"].iloc[places])
            if isinstance(cell, Cell):
                cells[policy, mission] = cell
            elif cell is not None:
                failed[policy, mission] = cell
            else:
                without.add((policy, mission))
    return Units(
        policies=tuple(policies), missions=tuple(missions), cells=cells, notes=tuple(notes), failed=failed,
        without_common=frozenset(without),
    )  # fmt: skip


class _Columns:
    """The rows of one policy, sorted by checkpoint, mission and environment seed, as arrays."""

    def __init__(self, rows: pd.DataFrame, train_seeds: Mapping[str, Any]) -> None:
        import pandas as pd

        self._rewards = rows["mean_reward"].to_numpy(dtype=np.float64)
        self._seeds = rows["env_seed"].to_numpy(dtype=np.int64)
        self._checkpoints = pd.factorize(rows["checkpoint"])[0]
        self._success = rows["success"].astype("float64").to_numpy(dtype=np.float64, na_value=np.nan)
        self._timeouts = rows["timeouts"].fillna(0).to_numpy(dtype=np.int64)
        self._plain = bool(rows["failure"].isna().all())
        self._training_seeds = tuple(None if pd.isna(seed) else int(seed) for seed in train_seeds.values())

    def cell(self, places: NDArray[np.intp]) -> Cell | None:
        """The cell of the rows at these places if every checkpoint has every result and none failed; else None."""
        count, rewards = len(self._training_seeds), self._rewards[places]
        if not self._plain or len(places) % count or np.isnan(rewards).any():
            return None
        seeds, checkpoints = (column[places].reshape(count, -1) for column in (self._seeds, self._checkpoints))
        if (seeds != seeds[0]).any() or (checkpoints != np.arange(count)[:, None]).any():
            return None
        return Cell(
            rewards_ec=np.ascontiguousarray(rewards.reshape(count, -1).T),
            seeds=tuple(seeds[0].tolist()),
            training_seeds=self._training_seeds,
            successes=_successes(self._success[places].reshape(count, -1)),
            failures=0,
            timeouts=int(self._timeouts[places].sum()),
        )


def _successes(success_ce: NDArray[np.float64]) -> tuple[float, int]:
    """The share of successes of (checkpoints, episodes), and the number of episodes that declare it; NaN: not."""
    declared = ~np.isnan(success_ce)
    share = float(success_ce[declared].mean()) if declared.any() else float("nan")
    return share, int(declared.any(axis=0).sum())


def _collect_cell(
    policy: str, mission: str, rows: pd.DataFrame, train_seeds: Mapping[str, Any]
) -> tuple[Cell | FailedCell | None, list[str]]:
    """The cell of a policy's rows on a mission, and notes on it; None if no episode is left, for a reason in the notes.

    Args:
        train_seeds: of all checkpoints of the policy, in the order of the table.
    """
    import pandas as pd

    checkpoints = list(train_seeds)
    notes: list[str] = []
    table = rows.pivot(index="env_seed", columns="checkpoint", values="mean_reward")
    present = [checkpoint for checkpoint in checkpoints if checkpoint in table.columns]
    empty = [checkpoint for checkpoint in present if _never_scored(rows.loc[rows["checkpoint"] == checkpoint])]
    if len(empty) < len(present):
        for checkpoint in empty:
            notes.append(_without_result(checkpoint, policy, mission))
        present = [checkpoint for checkpoint in present if checkpoint not in empty]
    table = table[present]
    complete, gaps = _complete(table, rows)
    training_seeds = tuple(None if pd.isna(s := train_seeds[name]) else int(s) for name in present)
    failures, timeouts = int(rows["mean_reward"].isna().sum()), int(rows["timeouts"].fillna(0).sum())
    why = next((str(text) for text in rows["failure"] if text), None)
    if complete.empty and why is not None:
        cell = FailedCell(
            failures=failures, timeouts=timeouts, cause=why, training_seeds=training_seeds,
            partly=bool(rows["mean_reward"].notna().any()),
        )  # fmt: skip
        return cell, notes
    failed = rows.loc[rows["mean_reward"].isna() & rows["checkpoint"].isin(present), "env_seed"].nunique()
    if failed:
        have, are, they = ("has", "is", "it") if failed == 1 else ("have", "are", "they")
        notes.append(
            f"{failed} of {number_of(len(table), 'episode')} of {policy} on {mission} {have} no complete result "
            f"(first reason: {why or 'no reward was recorded'}) and {are} omitted; unless {they} failed by chance, its "
            "scores are too high."
        )
    partly_played = len(table) - len(complete) - failed
    notes += _notes_on_gaps(policy, mission, (partly_played, len(table)), gaps, len(present), complete.size)
    if complete.empty:
        hint = FEWER_GAPS if table.notna().sum(axis=1).max() > 1 else SAME_NUMBERS
        return None, [*notes, f"{policy} has no episode left on {mission}. {hint}"] if partly_played else notes
    counted = rows["env_seed"].isin(complete.index) & rows["checkpoint"].isin(present)
    declared = rows[rows["success"].notna() & counted]
    share = float(declared["success"].astype(float).mean()) if len(declared) else float("nan")
    return Cell(
        rewards_ec=complete.to_numpy(dtype=np.float64),
        filled=gaps,
        seeds=tuple(int(seed) for seed in complete.index),
        training_seeds=training_seeds,
        successes=(share, int(declared["env_seed"].nunique())),
        failures=failures,
        first_failure=why,
        timeouts=timeouts,
    ), notes


def _complete(table: pd.DataFrame, rows: pd.DataFrame) -> tuple[pd.DataFrame, tuple[int, ...]]:
    """The episodes of (episodes, checkpoints) that count, and how many gaps of each checkpoint were filled.

    Only results that were never played are filled: episodes fail for reasons that others do not share.
    """
    failed = rows.loc[rows["mean_reward"].isna() & rows["checkpoint"].isin(table.columns), "env_seed"]
    played = table[~table.index.isin(failed)]
    scores = played.to_numpy(dtype=np.float64)
    chosen = rows_to_fill(scores) if scores.size else None
    if chosen is None:
        return table.dropna(), ()
    kept = played[chosen]
    gaps = tuple(int(count) for count in kept.isna().sum())
    return kept.where(kept.notna(), filled(scores[chosen])), gaps


def _notes_on_gaps(
    policy: str, mission: str, episodes: tuple[int, int], gaps: tuple[int, ...], checkpoints: int, results: int
) -> list[str]:
    """What became of episodes that not all checkpoints played.

    Args:
        episodes: those omitted, and all.
        results: those that count, with the filled ones.
    """
    notes, omitted = list[str](), episodes[0]
    if omitted:
        were, are = ("was", "is") if omitted == 1 else ("were", "are")
        by = f"{'at least half' if gaps else 'all'} of its {number_of(checkpoints, 'checkpoint')}"
        notes.append(
            f"{omitted} of {number_of(episodes[1], 'episode')} of {policy} on {mission} {were} not played "
            f"by {by} there and {are} omitted."
        )
    if count := sum(gaps):
        were, are = ("was", "is") if count == 1 else ("were", "are")
        notes.append(
            f"{count} of {number_of(results, 'result')} of {policy} on {mission} {were} never played and {are} "
            "filled with the sum of an effect of the episode and one of the training run, which holds if they are "
            "missing by chance."
        )
    return notes


def _absent(policy: str, mission: str, checkpoints: Iterable[str], present: pd.Series[str]) -> list[str]:
    """A note on checkpoints of a policy that did not play a mission."""
    absent = sorted(set(checkpoints) - set(present))
    if not absent:
        return []
    if len(absent) == 1:
        return [f"{absent[0]} did not play {mission}; the results of {policy} there exclude it."]
    shown = f"{', '.join(absent[:3])}{', …' if len(absent) > 3 else ''}"
    return [
        f"{len(absent)} checkpoints of {policy} did not play {mission} ({shown}); the results of {policy} there "
        "exclude them."
    ]


def _never_scored(rows: pd.DataFrame) -> bool:
    """Whether a table of scores leaves all of a checkpoint's cells empty; episodes that failed count as failures."""
    return bool((rows["failure"] == MISSING_SCORE).all())


def _without_result(checkpoint: str, policy: str, mission: str) -> str:
    return (
        f"{checkpoint} has no result on {mission} ({MISSING_SCORE}); the results of {policy} there exclude it, and "
        "unless it is missing by chance, they are too high."
    )
