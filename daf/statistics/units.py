"""From an episodes table to independent units: what is averaged, what is left out, and what is said about it.

Agents are averaged within an episode (the table already holds that mean), checkpoints of one policy are averaged
within an environment seed. An environment seed counts for a policy only if every checkpoint of it has a result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daf.errors import BadInputError, did_you_mean
from daf.statistics.intervals import Array

if TYPE_CHECKING:
    import pandas as pd

NEEDED_COLUMNS = ("policy", "mission", "seed", "mean_reward")
SLIM_COLUMNS = (
    "policy", "checkpoint", "training_seed", "mission", "episode", "seed",
    "mean_reward", "success", "length", "timeouts", "failure",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One policy on one mission.

    rewards_ec: mean episode reward per (environment seed, checkpoint), complete rows only.
    seeds: environment seed of each row, ascending.
    training_seeds: training seed of each column, None where DAF did not train it.
    """

    rewards_ec: Array
    seeds: tuple[int, ...]
    training_seeds: tuple[int | None, ...]
    successes: tuple[float, int]  # mean over episodes of the success share, episodes that declare success
    failures: int
    timeouts: int

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

    def run_means(self, policy: str, missions: list[str]) -> Array:
        """Mean over missions per checkpoint, for checkpoints that played them all."""
        cells = [self.cells[policy, mission] for mission in missions if (policy, mission) in self.cells]
        if len(cells) < len(missions) or not cells:
            return np.empty(0)
        by_seed = [dict(zip(cell.training_seeds, cell.runs, strict=True)) for cell in cells]
        common = [seed for seed in by_seed[0] if all(seed in runs for runs in by_seed)]
        return np.array([np.mean([runs[seed] for runs in by_seed]) for seed in common])


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
            if len(complete) < len(table):
                left_out = len(table) - len(complete)
                why = next((str(text) for text in rows["failure"] if text), "no reward was recorded")
                notes.append(
                    f"{left_out} of {len(table)} episodes of {policy} on {mission} have no complete result "
                    f"(first reason: {why}) and are left out; if that is no accident, its figures flatter it."
                )
            if complete.empty:
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
