"""From an episodes table to independent units: what is averaged, what is left out, and what is said about it.

Agents are averaged within an episode (the table already holds that mean), checkpoints of one policy are averaged within
an environment seed. An environment seed counts for a policy only if every checkpoint of it has a result; whether one
failed there or did not play it is told apart, for only failures flatter. Where anchors are declared, every reward is
put on their scale here, so that all that follows speaks of one kind of score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from daf.config import Anchors
from daf.errors import BadInputError, did_you_mean
from daf.statistics.intervals import Array

if TYPE_CHECKING:
    import pandas as pd

OVERALL = "overall"
SAME_NUMBERS = (
    "Number the episodes of each training seed from 0: the same number (seed of the environment) is the same episode."
)
NEEDED_COLUMNS = ("policy", "mission", "seed", "mean_reward")
SLIM_COLUMNS = (
    "policy", "checkpoint", "training_seed", "mission", "episode", "seed",
    "mean_reward", "success", "length", "timeouts", "failure",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One policy on one mission.

    rewards_ec: score per (environment seed, checkpoint), complete rows only: the mean episode reward, on the scale of
        the anchors if there are some.
    scale: rewards that are 0 and 1 on that scale.
    seeds: environment seed of each row, ascending.
    training_seeds: training seed of each column, None where DAF did not train it.
    """

    rewards_ec: Array
    seeds: tuple[int, ...]
    training_seeds: tuple[int | None, ...]
    successes: tuple[float, int]  # mean over episodes of the success share, episodes that declare success
    failures: int
    timeouts: int
    scale: tuple[float, float] = (0.0, 1.0)

    @property
    def mean_reward(self) -> float:
        """Mean as the mission pays it."""
        zero, one = self.scale
        return zero + (one - zero) * float(self.rewards_ec.mean())

    @property
    def episodes(self) -> Array:
        """Units of question A: one value per environment seed."""
        return self.rewards_ec.mean(axis=1)

    @property
    def runs(self) -> Array:
        """Units of question B: one value per checkpoint."""
        return self.rewards_ec.mean(axis=0) if self.rewards_ec.size else np.empty(0)


@dataclass(frozen=True, kw_only=True)
class Units:
    """All cells, in the order of the configuration, and what had to be said while making them."""

    policies: tuple[str, ...]
    missions: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]
    notes: tuple[str, ...]

    def cell(self, policy: str, mission: str) -> Cell | None:
        return self.cells.get((policy, mission))

    def missions_of(self, *policies: str) -> list[str]:
        """Missions on which each of these policies has at least one unit."""
        return [mission for mission in self.missions if all((policy, mission) in self.cells for policy in policies)]

    def training_seeds(self, policy: str) -> list[int]:
        found = {seed for (name, _), cell in self.cells.items() if name == policy for seed in cell.training_seeds}
        return sorted(seed for seed in found if seed is not None)

    def paired_differences(self, a: str, b: str, mission: str) -> Array:
        """a minus b over the environment seeds that both have."""
        x, y = self.cells[a, mission], self.cells[b, mission]
        values_b = dict(zip(y.seeds, y.episodes, strict=True))
        pairs = zip(x.seeds, x.episodes, strict=True)
        return np.array([value - values_b[seed] for seed, value in pairs if seed in values_b])

    def run_scores(self, policy: str, missions: list[str]) -> list[Array]:
        """Units of question B: per mission a vector over the training seeds that played them all.

        A policy that DAF did not train is a fixed one: a single value per mission, whatever its number of checkpoints.
        """
        cells = [self.cells[policy, mission] for mission in missions if (policy, mission) in self.cells]
        if len(cells) < len(missions) or not cells:
            return []
        if not self.training_seeds(policy):
            return [np.array([cell.runs.mean()]) for cell in cells]
        by_seed = [dict(zip(cell.training_seeds, cell.runs, strict=True)) for cell in cells]
        common = [seed for seed in by_seed[0] if seed is not None and all(seed in runs for runs in by_seed)]
        return [np.array([runs[seed] for seed in common]) for runs in by_seed]

    def run_means(self, policy: str, missions: list[str]) -> Array:
        """Mean over missions per training seed."""
        scores = self.run_scores(policy, missions)
        return np.mean(scores, axis=0) if scores else np.empty(0)

    def on_scale(self, anchors: Anchors) -> Units:
        """The same units with every reward on the scale of the anchors.

        Raises:
            BadInputError: an anchor is unknown on a mission, both are the same reward there, or they are reversed
                there without both being declared as numbers.
        """
        scales = {mission: self._scale(anchors, mission) for mission in self.missions}
        notes = [
            f"{mission} counts downwards: its declared anchors make {one:g} better than {zero:g}."
            for mission, (zero, one) in scales.items()
            if one < zero
        ]
        cells = {
            (policy, mission): replace(
                cell,
                rewards_ec=(cell.rewards_ec - scales[mission][0]) / (scales[mission][1] - scales[mission][0]),
                scale=scales[mission],
            )
            for (policy, mission), cell in self.cells.items()
        }
        return replace(self, cells=cells, notes=(*self.notes, *notes))

    def _scale(self, anchors: Anchors, mission: str) -> tuple[float, float]:
        if not any(played == mission for _, played in self.cells):
            return 0.0, 1.0
        found = []
        for name, anchor in (("zero", anchors.zero), ("one", anchors.one)):
            if isinstance(anchor, Mapping):
                found.append(anchor[mission])
                continue
            cell = self.cells.get((anchor, mission))
            if cell is None:
                hint = "without one there is no scale: leave the mission out, or declare rewards"
                raise BadInputError(f"episodes of {anchor} on {mission}", "none", f"anchors.{name}", hint)
            found.append(float(cell.episodes.mean()))
        zero, one = found
        if abs(one - zero) <= 1e-9 * max(1.0, abs(zero)):
            hint = "scores need a scale: declare other anchors, or leave the mission out"
            raise BadInputError(f"two different anchors on {mission}", f"both are {zero:g}", "anchors", hint)
        # Two numbers in this order mean "lower is better"; scores of a policy in this order only invert the mission.
        if one < zero and not (isinstance(anchors.zero, Mapping) and isinstance(anchors.one, Mapping)):
            hint = "a higher reward would count as worse: declare rewards for the anchors, or leave the mission out"
            expected = f"an anchor 'one' above the anchor 'zero' on {mission}"
            raise BadInputError(expected, f"one is {one:g} and zero is {zero:g}", "anchors", hint)
        return zero, one


def check_episodes(episodes: pd.DataFrame, policies: list[str], missions: list[str]) -> pd.DataFrame:
    """The slim, sorted copy of an episodes table restricted to the configured policies and missions.

    Raises:
        BadInputError: a needed column is missing, a row occurs twice, a reward is infinite, or nothing is left.
    """
    import pandas as pd

    for column in NEEDED_COLUMNS:
        if column not in episodes.columns:
            hint = did_you_mean(column, list(episodes.columns))
            raise BadInputError(f"a column '{column}'", "none", "episodes table", hint)
    frame = episodes.copy(deep=False)
    defaults = {"checkpoint": frame["policy"], "training_seed": None, "episode": frame["seed"], "success": None,
                "length": None, "timeouts": 0, "failure": None}  # fmt: skip
    for column, value in defaults.items():
        if column not in frame.columns:
            frame[column] = value
    frame = frame.loc[frame["policy"].isin(policies) & frame["mission"].isin(missions), list(SLIM_COLUMNS)]
    if frame.empty:
        found = ", ".join(sorted(set(map(str, episodes["policy"])))) or "no rows"
        raise BadInputError(f"episodes of {', '.join(policies)}", f"episodes of {found}", "episodes table")
    frame = frame.astype({"mean_reward": "float64", "training_seed": "Int64", "success": "boolean", "length": "Int64"})
    frame["failure"] = frame["failure"].astype(object).where(frame["failure"].notna(), None)
    if (frame["mission"] == OVERALL).any():
        hint = "it names the figures over all missions"
        raise BadInputError("another name of a mission", f"'{OVERALL}'", "episodes table: mission", hint)
    if np.isinf(frame["mean_reward"]).any():
        raise BadInputError("finite rewards", "an infinite one", "episodes table: mean_reward")
    key = ["policy", "checkpoint", "mission", "seed"]
    twice = frame[frame.duplicated(key)]
    if not twice.empty:
        row = twice.iloc[0]
        raise BadInputError(
            "one row per checkpoint, mission and environment seed",
            f"{row['checkpoint']} on {row['mission']} with seed {row['seed']} twice",
            "episodes table",
            "was a shard read twice?",
        )
    trained = frame.loc[frame["training_seed"].notna(), ["policy", "checkpoint", "training_seed"]].drop_duplicates()
    clash = trained[trained.duplicated(["policy", "training_seed"])]
    if not clash.empty:
        row = clash.iloc[0]
        raise BadInputError(
            "one checkpoint per policy and training seed",
            f"several of {row['policy']} with training seed {row['training_seed']}",
            "episodes table: checkpoint",
            "give other checkpoints of one training another policy name",
        )
    for column, order in (("policy", policies), ("mission", missions)):
        frame[column] = pd.Categorical(frame[column], categories=order, ordered=True)
    frame = frame.sort_values(key, kind="stable").reset_index(drop=True)
    return frame.astype({"policy": object, "mission": object})


def collect_units(frame: pd.DataFrame, policies: list[str], missions: list[str]) -> Units:
    """Make the cells from a table that `check_episodes` returned."""
    import pandas as pd

    cells: dict[tuple[str, str], Cell] = {}
    notes: list[str] = []
    for policy in policies:
        of_policy = frame[frame["policy"] == policy]
        if of_policy.empty:
            notes.append(f"{policy} has no episodes and is left out.")
            continue
        checkpoints = list(dict.fromkeys(of_policy["checkpoint"]))
        training_seed = of_policy.groupby("checkpoint", sort=False)["training_seed"].first()
        for mission in missions:
            rows = of_policy[of_policy["mission"] == mission]
            if rows.empty:
                notes.append(f"{policy} did not play {mission}; comparisons with it leave that mission out.")
                continue
            table = rows.pivot(index="seed", columns="checkpoint", values="mean_reward")
            present = [checkpoint for checkpoint in checkpoints if checkpoint in table.columns]
            for absent in sorted(set(checkpoints) - set(present)):
                notes.append(f"{absent} did not play {mission}; the other checkpoints of {policy} stand for it there.")
            table = table[present]
            complete = table.dropna()
            failures = int(rows["mean_reward"].isna().sum())
            failed = rows.loc[rows["mean_reward"].isna(), "seed"].nunique()
            if failed:
                why = next((str(text) for text in rows["failure"] if text), "no reward was recorded")
                notes.append(
                    f"{failed} of {len(table)} episodes of {policy} on {mission} have no complete result "
                    f"(first reason: {why}) and are left out; if that is no accident, its figures flatter it."
                )
            partly_played = len(table) - len(complete) - failed
            if partly_played:
                notes.append(
                    f"{partly_played} of {len(table)} episodes of {policy} on {mission} were not played by all of its "
                    f"{len(present)} checkpoints there and are left out."
                )
            if complete.empty:
                if partly_played:
                    notes.append(f"{policy} has no episode left on {mission}. {SAME_NUMBERS}")
                continue
            declared = rows[rows["success"].notna() & rows["seed"].isin(complete.index)]
            share = float(declared["success"].astype(float).mean()) if len(declared) else float("nan")
            cells[policy, mission] = Cell(
                rewards_ec=complete.to_numpy(dtype=np.float64),
                seeds=tuple(int(seed) for seed in complete.index),
                training_seeds=tuple(None if pd.isna(s := training_seed[name]) else int(s) for name in present),
                successes=(share, int(declared["seed"].nunique())),
                failures=failures,
                timeouts=int(rows["timeouts"].fillna(0).sum()),
            )
    return Units(policies=tuple(policies), missions=tuple(missions), cells=cells, notes=tuple(notes))
