"""Independent units of an episodes table, as the questions about checkpoints and recipes ask for them.

If reference scores are declared, every reward is normalized here, so that all later steps use one kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from daf.config import DAFComparisonConfig, Normalization
from daf.errors import BadInputError
from daf.statistics.crossed import RunTable
from daf.statistics.intervals import ROUNDING, Array, iqm, resolution_of, unit_of, without_rounding

FEWEST_DIGITS = 1e-9  # reference scores closer than this, relative to their size, define no scale
NEGLIGIBLE = 1e-130  # scores this small against the largest: their variation, squared, is below the smallest float
WIDEST = 2.0**100  # ratio of the largest to the smallest scores that share a unit: their cubes are above 1e-90


def _multiples(scores: Array, unit: float) -> Array:
    multiples = scores / unit
    return np.where(np.abs(multiples) < NEGLIGIBLE, 0.0, multiples)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One policy on one mission.

    Attributes:
        rewards_ec: score per (environment seed, checkpoint), complete rows only, after few gaps are filled: the mean
            episode reward, normalized if reference scores are declared.
        seeds: environment seed of each row, ascending.
        training_seeds: training seed of each column, None where DAF did not train it.
        successes: mean success rate, and the number of episodes that declare success.
        scale: rewards that map to 0 and 1.
        linear_ec: the scores with what each environment seed does to the scale, if policies set it: of the same means,
            and with the spread that normalized means have (delta method). None: the scale is known.
        unit: what the scores are multiples of.
        filled: of each column, the number of scores that fill gaps; empty: none.
    """

    rewards_ec: Array
    seeds: tuple[int, ...]
    training_seeds: tuple[int | None, ...]
    successes: tuple[float, int]
    failures: int
    timeouts: int
    first_failure: str | None = None
    scale: tuple[float, float] = (0.0, 1.0)
    linear_ec: Array | None = None
    unit: float = 1.0
    filled: tuple[int, ...] = ()

    @property
    def mean_reward(self) -> float:
        """Mean raw reward."""
        low, high = self.scale
        return low + (high - low) * self.unit * float(self.rewards_ec.mean())

    def in_unit(self, unit: float) -> Cell:
        """The same scores as multiples of `unit`, a power of two; negligible ones are 0."""
        linear = None if self.linear_ec is None else _multiples(self.linear_ec, unit)
        return replace(self, rewards_ec=_multiples(self.rewards_ec, unit), linear_ec=linear, unit=unit)

    @cached_property
    def magnitude(self) -> float:
        """The unit of the largest score; 0 if all scores are 0."""
        return unit_of(self.rewards_ec) if self.rewards_ec.any() else 0.0

    @cached_property
    def resolution(self) -> float:
        """The size up to which differences of scores are rounding errors, also those of the rewards they came from."""
        low, high = self.scale
        return resolution_of(self.rewards_ec) + ROUNDING * abs(low / (high - low)) / self.unit

    @cached_property
    def episodes(self) -> Array:
        """Units of checkpoints: one value per environment seed."""
        return without_rounding(self.rewards_ec.mean(axis=1), self.resolution)

    @property
    def spread_ec(self) -> Array:
        """Scores for the variance of means."""
        return self.rewards_ec if self.linear_ec is None else self.linear_ec

    @cached_property
    def spread_episodes(self) -> Array:
        """Units of checkpoints for the variance of means."""
        return without_rounding(self.spread_ec.mean(axis=1), self.resolution)

    @cached_property
    def runs(self) -> Array:
        """Units of recipes: one value per checkpoint."""
        return without_rounding(self.rewards_ec.mean(axis=0), self.resolution) if self.rewards_ec.size else np.empty(0)


@dataclass(frozen=True, kw_only=True)
class FailedCell:
    """One policy on one mission without a complete episode.

    Attributes:
        failures: episodes that failed, over all checkpoints.
        cause: the first failure.
        training_seeds: as of a cell.
        partly: whether single checkpoints have results, but no episode has those of all.
    """

    failures: int
    timeouts: int
    cause: str
    training_seeds: tuple[int | None, ...]
    partly: bool = False


@dataclass(frozen=True, kw_only=True)
class Units:
    """All cells, in the order of the configuration, and notes on how they were computed.

    Attributes:
        failed: what would be cells if any episode had a result.
        without_common: policies and missions with results of single checkpoints, but no episode that all played.
        unit: what all scores are multiples of.
        trained_with: by policy its training seeds, if not only the cells tell them.
    """

    policies: tuple[str, ...]
    missions: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]
    notes: tuple[str, ...]
    runs_per_mission: bool = False
    failed: Mapping[tuple[str, str], FailedCell] = field(default_factory=dict)
    without_common: frozenset[tuple[str, str]] = frozenset()
    unit: float = 1.0
    trained_with: Mapping[str, list[int]] | None = None

    def cell(self, policy: str, mission: str) -> Cell | None:
        return self.cells.get((policy, mission))

    def missions_of(self, *policies: str) -> list[str]:
        """Missions on which each of these policies has at least one unit."""
        return [mission for mission in self.missions if all((policy, mission) in self.cells for policy in policies)]

    def played(self, a: str, b: str, mission: str) -> bool:
        """Whether both policies played the mission, with results or without."""
        return all((policy, mission) in self.cells or (policy, mission) in self.failed for policy in (a, b))

    def failed_missions(self, policy: str) -> list[str]:
        """Missions on which the policy played but has no result."""
        return [mission for mission in self.missions if (policy, mission) in self.failed]

    def failure_of(self, policies: Sequence[str], missions: Sequence[str]) -> str:
        """Why these policies have no result on these missions."""
        cells = [self.failed.get((policy, mission)) for policy in policies for mission in missions]
        if any(cell is not None and cell.partly for cell in cells):
            return f"no episode of {' or of '.join(policies)} has a result of every training run"
        return f"{' and '.join(policies)} failed in every episode"

    def failed_policies(self) -> list[str]:
        """Policies that played but have no result on any mission."""
        return [name for name in self.policies if self.failed_missions(name) and not self.missions_of(name)]

    def policies_without_common(self) -> list[str]:
        """Policies left without an episode because none was played by all of their checkpoints."""
        lost = {policy for policy, _ in self.without_common}
        return [name for name in self.policies if name in lost and not self.missions_of(name)]

    def was_trained(self, policy: str) -> bool:
        """Whether training seeds of the policy are known, with results or without."""
        cells: dict[tuple[str, str], Cell | FailedCell] = {**self.cells, **self.failed}
        seeds = [seed for (name, _), cell in cells.items() if name == policy for seed in cell.training_seeds]
        return any(seed is not None for seed in seeds)

    @cached_property
    def _training_seeds(self) -> Mapping[str, list[int]]:
        if self.trained_with is not None:
            return self.trained_with
        seeds: dict[str, set[int]] = {}
        for (policy, _), cell in self.cells.items():
            seeds.setdefault(policy, set()).update(seed for seed in cell.training_seeds if seed is not None)
        return {policy: sorted(known) for policy, known in seeds.items()}

    def training_seeds(self, policy: str) -> list[int]:
        return self._training_seeds.get(policy, [])

    def share_episodes(self, a: str, b: str, mission: str) -> bool:
        """Whether both have a result on the same environment seed of a mission that both played."""
        x, y = self.cells[a, mission].seeds, self.cells[b, mission].seeds
        return (x == y and bool(x)) or not set(x).isdisjoint(y)

    def paired_differences(self, a: str, b: str, mission: str, *, spread: bool = False) -> Array:
        """a minus b over the environment seeds that both have; with `spread`, of the scores for variances."""
        x, y = self.cells[a, mission], self.cells[b, mission]
        of_a, of_b = (cell.spread_episodes if spread else cell.episodes for cell in (x, y))
        if x.seeds == y.seeds:
            return without_rounding(of_a - of_b, max(x.resolution, y.resolution))
        values_b = dict(zip(y.seeds, of_b, strict=True))
        differences = np.array([v - values_b[seed] for seed, v in zip(x.seeds, of_a, strict=True) if seed in values_b])
        return without_rounding(differences, self.resolution((a, b), [mission]))

    def resolution(self, policies: Iterable[str], missions: Sequence[str]) -> float:
        """The size up to which differences of these policies' means over missions are rounding errors."""
        cells = [[self.cells[policy, mission] for policy in policies] for mission in missions]
        return sum(max(cell.resolution for cell in row) for row in cells) / len(cells)

    def in_own_unit(self, missions: Sequence[str], policies: Sequence[str]) -> Units:
        """The scores of these policies on these missions, at most about 1: divided by a power of two, which is exact.

        The unit is that of the largest score, so policies that are not compared must not be among them.
        """
        named = [(policy, mission) for policy in policies for mission in missions]
        cells = {name: self.cells[name] for name in named if name in self.cells}
        unit = max((cell.magnitude for cell in cells.values() if cell.magnitude), default=1.0)
        cells = {name: cell.in_unit(unit) for name, cell in cells.items()}
        return replace(self, cells=cells, unit=unit, trained_with=self._training_seeds)

    def in_shared_unit(self, missions: Sequence[str], policies: Sequence[str]) -> Units | None:
        """The scores of these policies on these missions in one unit, for all of their pairs.

        Dividing by a power of two is exact, so a pair's figures are those of its own unit. None if scores are too many
        magnitudes apart: squares of the smaller ones would vanish.
        """
        named = [(policy, mission) for policy in policies for mission in missions]
        sizes = [self.cells[name].magnitude for name in named if name in self.cells]
        sizes = [size for size in sizes if size > 0]
        if sizes and max(sizes) > WIDEST * min(sizes):
            return None
        return self.in_own_unit(missions, policies)

    @cached_property
    def _known(self) -> dict[tuple[object, ...], Any]:
        """What was computed once for a policy and some missions."""
        return {}

    def run_scores(self, policy: str, missions: list[str]) -> list[Array]:
        """Units of recipes: for each mission a vector over the training seeds that played all of them.

        If each mission has separate training runs, the vectors contain all of a mission's.
        A policy without training seeds is fixed: one value per mission, whatever its number of checkpoints.
        """
        key = ("scores", policy, *missions)
        if key not in self._known:
            self._known[key] = self._run_scores(policy, missions)
        found: list[Array] = self._known[key]
        return found

    def _run_scores(self, policy: str, missions: list[str]) -> list[Array]:
        cells = [self.cells[policy, mission] for mission in missions if (policy, mission) in self.cells]
        if len(cells) < len(missions) or not cells:
            return []
        if not self.training_seeds(policy):
            return [np.array([cell.runs.mean()]) for cell in cells]
        if self.runs_per_mission:
            return [cell.runs for cell in cells]
        if len(cells) == 1 and None not in cells[0].training_seeds:
            return [cells[0].runs]
        by_seed = [dict(zip(cell.training_seeds, cell.runs, strict=True)) for cell in cells]
        common = [seed for seed in by_seed[0] if seed is not None and all(seed in runs for runs in by_seed)]
        return [np.array([runs[seed] for seed in common]) for runs in by_seed]

    def run_iqm(self, policy: str, missions: list[str]) -> float:
        """IQM of the units of recipes of all missions together."""
        key = ("iqm", policy, *missions)
        if key not in self._known:
            self._known[key] = float(iqm(np.concatenate(self.run_scores(policy, missions))))
        found: float = self._known[key]
        return found

    def run_table(self, policy: str, missions: list[str]) -> RunTable | None:
        """The scores behind `run_scores`, by environment seed; None if there are none."""
        key = ("table", policy, *missions)
        if key not in self._known:
            self._known[key] = self._run_table(policy, missions)
        found: RunTable | None = self._known[key]
        return found

    def _run_table(self, policy: str, missions: list[str]) -> RunTable | None:
        runs = self.run_scores(policy, missions)
        if not runs or not runs[0].size:
            return None
        cells, trained = [self.cells[policy, mission] for mission in missions], bool(self.training_seeds(policy))
        joint, order = not self.runs_per_mission, list[int | None]()
        gaps = [sum(cell.filled) if trained else 0 for cell in cells]
        if not trained:
            scores = [cell.spread_ec.mean(axis=1)[:, None] for cell in cells]
        elif not joint:
            scores = [cell.spread_ec for cell in cells]
        elif len(cells) == 1 and len(cells[0].seeds) == 1 and None not in cells[0].training_seeds:
            order, scores = list(cells[0].training_seeds), [cells[0].spread_ec]
        else:
            common = set.intersection(*(set(cell.training_seeds) for cell in cells)) - {None}
            order = [seed for seed in cells[0].training_seeds if seed in common]
            places = [{seed: column for column, seed in enumerate(cell.training_seeds)} for cell in cells]
            chosen = [(cell, [place[seed] for seed in order]) for cell, place in zip(cells, places, strict=True)]
            scores = [cell.spread_ec[:, columns] for cell, columns in chosen]
            gaps = [sum(cell.filled[column] for column in columns if cell.filled) for cell, columns in chosen]
        return RunTable(
            scores=scores,
            environments=[cell.seeds for cell in cells],
            resolutions=[cell.resolution for cell in cells],
            trained=trained,
            joint=joint,
            filled=gaps,
            seeds=(tuple(order),) if joint and trained else tuple(cell.training_seeds for cell in cells),
        )

    def normalized(self, normalization: Normalization) -> Units:
        """The same units with normalized rewards.

        Raises:
            BadInputError: a reference score is unknown on a mission, both are the same there, or they are reversed
                there although not both are declared as numbers.
        """
        scales = {mission: self._scale(normalization, mission) for mission in self.missions}
        notes = [
            f"{mission} counts downwards: its declared reference scores make {high:g} better than {low:g}."
            for mission, (low, high) in scales.items()
            if high < low
        ]
        cells = {
            (policy, mission): replace(
                cell,
                rewards_ec=(cell.rewards_ec - scales[mission][0]) / (scales[mission][1] - scales[mission][0]),
                scale=scales[mission],
                linear_ec=self._linear(normalization, cell, mission, scales[mission]),
            )
            for (policy, mission), cell in self.cells.items()
        }
        return replace(self, cells=cells, notes=(*self.notes, *notes))

    def _linear(
        self, normalization: Normalization, cell: Cell, mission: str, scale: tuple[float, float]
    ) -> Array | None:
        """Normalized scores of a cell with the scale's own variation by environment seed, as far as policies set it.

        None if no policy sets it, or if it did not play all of the cell's environment seeds.
        """
        ends = []
        for declared, value in zip((normalization.low, normalization.high), scale, strict=True):
            if isinstance(declared, Mapping):
                ends.append(np.full(len(cell.seeds), value))
                continue
            reference = self.cells[declared, mission]
            by_seed = dict(zip(reference.seeds, reference.episodes, strict=True))
            if any(seed not in by_seed for seed in cell.seeds):
                return None
            values = np.array([by_seed[seed] for seed in cell.seeds])
            ends.append(values - values.mean() + value)
        low, high = scale
        mean = (float(cell.rewards_ec.mean()) - low) / (high - low)
        moved = (1 - mean) * (ends[0] - low) + mean * (ends[1] - high)
        return np.asarray((cell.rewards_ec - low - moved[:, None]) / (high - low))

    def _scale(self, normalization: Normalization, mission: str) -> tuple[float, float]:
        if not any(played == mission for _, played in self.cells):
            return 0.0, 1.0
        low = self._reference_score("low", normalization.low, mission)
        high = self._reference_score("high", normalization.high, mission)
        if abs(high - low) <= FEWEST_DIGITS * max(abs(low), abs(high)):
            hint = "declare other reference scores, or leave the mission out"
            expected = f"two different reference scores on {mission}"
            raise BadInputError(expected, f"both are {low:g}", "normalization", hint)
        # Two numbers in this order mean "lower is better"; scores of a policy in this order only invert the mission.
        if high < low and not (isinstance(normalization.low, Mapping) and isinstance(normalization.high, Mapping)):
            hint = "a higher reward would count as worse: declare rewards for both, or leave the mission out"
            expected = f"normalization with high above low on {mission}"
            raise BadInputError(expected, f"high is {high:g} and low is {low:g}", "normalization", hint)
        return low, high

    def _reference_score(self, key: str, declared: str | Mapping[str, float], mission: str) -> float:
        """A declared reward, or the mean of a declared policy."""
        if isinstance(declared, Mapping):
            return declared[mission]
        cell = self.cells.get((declared, mission))
        if cell is None and (declared, mission) in self.failed:
            found = f"all failed, the first with {self.failed[declared, mission].cause}"
            hint = "correct the policy, leave the mission out, or declare rewards"
            raise BadInputError(f"results of {declared} on {mission}", found, f"normalization.{key}", hint)
        if cell is None:
            hint = "a policy without episodes has no reference score: leave the mission out, or declare rewards"
            raise BadInputError(f"episodes of {declared} on {mission}", "none", f"normalization.{key}", hint)
        return float(cell.episodes.mean())


def crossed_tables(
    units: Units, config: DAFComparisonConfig, policies: Sequence[str], missions: list[str]
) -> dict[str, RunTable] | None:
    """The scores of these policies if environment seeds count for recipes and several are known; else None."""
    if config.recipe_claim != "general" or units.runs_per_mission:
        return None
    cells = [cell for policy in policies for mission in missions if (cell := units.cell(policy, mission)) is not None]
    if not any(len(cell.seeds) > 1 for cell in cells):
        return None
    tables = {policy: table for policy in policies if (table := units.run_table(policy, missions)) is not None}
    several = any(len(seeds) > 1 for table in tables.values() for seeds in table.environments)
    return tables if several else None
