"""Marginal values: what a policy adds to its team, from a linear model of who plays in which seat.

The team's score in an episode is the sum of an effect of the map and one contribution per seat, which depends on the
policy in it (least squares on indicators, centred by map). Contributions are identified as differences only: from the
pool's where there is one, else from the average policy.

Each map's influence on the least-squares estimate is the unit of its interval: their spread is the cluster-robust
standard error by map (Liang and Zeger 1986), and if all maps have the same line-ups, which is exact for normal errors,
the unit is the estimate from that map alone. Student-t with one degree of freedom less than there are maps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from daf.statistics.intervals import Array
from daf.statistics.records import OVERALL, Estimand
from daf.tournament.units import Estimate, MapUnits, estimate

if TYPE_CHECKING:
    import pandas as pd

POOL = ""  # the pool as one policy: no configured policy has an empty name
Occupant = tuple[str, int | None]
_ESTIMABLE = 1e-8


@dataclass(frozen=True, kw_only=True)
class ContributionRecord:
    """The marginal value of a candidate in one seat, or on average over seats."""

    estimand: Annotated[Estimand, "`checkpoints` (these exact weights) or `recipes` (training again)"]
    policy: Annotated[str, "name of the candidate"]
    mission: Annotated[str, "name of the mission; `overall`: the mean over missions"]
    seat: Annotated[int | None, "index of the seat; null: the mean over all seats"]
    value: Annotated[float, "what its agent adds to the team's mean reward, compared with the reference"]
    low: Annotated[float, "lower bound"]
    high: Annotated[float, "upper bound"]
    method: Annotated[str, "how the interval was computed, or why the value is unknown"]
    reference: Annotated[str, "`pool`, or `average` (of all candidates)"]
    n_maps: Annotated[int, "maps (environment seeds), over all missions"]


@dataclass(frozen=True, eq=False)
class _Fit:
    """Influences of maps on the contributions on one mission.

    Attributes:
        influences: (maps, occupants, seats), NaN where line-ups do not identify a contribution.
    """

    env_seeds: tuple[int, ...]
    occupants: tuple[Occupant, ...]
    influences: Array

    def units(self, policy: str, seat: int | None) -> MapUnits | None:
        own = [number for number, (name, _) in enumerate(self.occupants) if name == policy]
        values = self.influences[:, own]
        values = values.mean(axis=2) if seat is None else values[:, :, seat]
        if not own or not np.isfinite(values).all():
            return None
        return MapUnits(self.env_seeds, tuple(self.occupants[number][1] for number in own), values)


def contribution_records(seats: pd.DataFrame, level: float) -> list[ContributionRecord]:
    """All candidates of a checked seats table, overall and by seat."""
    played = seats[seats["status"] == "played"]
    fits = {str(mission): _fit(rows) for mission, rows in played.groupby("mission", sort=False)}
    candidates = played[~played["in_pool"].astype(bool)]
    has_pool = bool(played["in_pool"].any())
    trained = set(candidates.loc[candidates["train_seed"].notna(), "policy"])
    records = []
    for policy in dict.fromkeys(candidates["policy"]):
        for estimand in ("checkpoints", "recipes") if policy in trained else ("checkpoints",):
            for mission, seat in _places(fits):
                covered = list(fits.values()) if mission == OVERALL else [fits[mission]]
                found = estimate([fit.units(policy, seat) for fit in covered], level, estimand=estimand)
                records.append(_record(found, estimand, policy, mission, seat, has_pool))
    return records


def _places(fits: Mapping[str, _Fit]) -> list[tuple[str, int | None]]:
    places: list[tuple[str, int | None]] = [(OVERALL, None)] if len(fits) > 1 else []
    for mission, fit in fits.items():
        places += [(mission, None), *((mission, seat) for seat in range(fit.influences.shape[2]))]
    return places


def _record(
    found: Estimate, estimand: Estimand, policy: str, mission: str, seat: int | None, has_pool: bool
) -> ContributionRecord:
    method = found.interval.method if found.n_maps else "insufficient data: the line-ups do not identify it"
    return ContributionRecord(
        estimand=estimand, policy=policy, mission=mission, seat=seat, value=found.value, low=found.interval.low,
        high=found.interval.high, method=method, reference="pool" if has_pool else "average", n_maps=found.n_maps,
    )  # fmt: skip


def _fit(rows: pd.DataFrame) -> _Fit:
    """Least squares on the episodes of one mission."""
    occupants = _occupants(rows)
    wide, scores, maps = _line_ups(rows, occupants)
    episodes, num_seats = wide.shape
    design = np.zeros((episodes, len(occupants), num_seats))
    design[np.arange(episodes)[:, None], wide, np.arange(num_seats)] = 1.0
    flat = design.reshape(episodes, -1)
    env_seeds, place = np.unique(maps, return_inverse=True)
    centred, response = _centred(flat, place), _centred(scores[:, None], place)[:, 0]
    inverse = np.linalg.pinv(centred, rcond=_ESTIMABLE)  # the default takes rounding errors for information
    solution = inverse @ response
    parts = inverse * (response - centred @ solution)
    by_map = np.zeros((env_seeds.size, flat.shape[1]))
    np.add.at(by_map, place, parts.T)
    contrasts = _contrasts(occupants, num_seats)
    estimable = np.abs(contrasts - contrasts @ inverse @ centred).max(axis=1) < _ESTIMABLE
    influences = (solution + env_seeds.size * by_map) @ contrasts.T
    influences[:, ~estimable] = np.nan
    return _Fit(
        env_seeds=tuple(map(int, env_seeds)),
        occupants=tuple(occupants),
        influences=influences.reshape(env_seeds.size, len(occupants), num_seats),
    )


def _occupants(rows: pd.DataFrame) -> list[Occupant]:
    """Checkpoints of candidates, and the pool as one."""
    found = rows[["policy", "train_seed", "in_pool"]].drop_duplicates()
    return list(dict.fromkeys(map(_occupant, *_columns(found))))


def _columns(rows: pd.DataFrame) -> list[list[Any]]:
    return [rows[name].tolist() for name in ("policy", "train_seed", "in_pool")]


def _occupant(policy: str, train_seed: object, in_pool: bool) -> Occupant:
    return (POOL, None) if in_pool else (policy, train_seed if isinstance(train_seed, int) else None)


def _line_ups(
    rows: pd.DataFrame, occupants: Sequence[Occupant]
) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.int64]], Array, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """By episode: the number of the occupant of every seat, the team's score, and the map."""
    number = {occupant: place for place, occupant in enumerate(occupants)}
    codes = [number[key] for key in map(_occupant, *_columns(rows))]
    num_seats = int(rows["seat"].max()) + 1
    firsts = rows["seat"].to_numpy(dtype=np.int64) == 0
    scores, maps = (rows[name].to_numpy()[firsts] for name in ("team_reward", "env_seed"))
    return np.array(codes).reshape(-1, num_seats), scores.astype(np.float64), maps.astype(np.int64)


def _centred(values: Array, place: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Array:
    """Values (episodes, …) less their means by map."""
    sums = np.zeros((place.max() + 1, values.shape[1]))
    np.add.at(sums, place, values)
    return np.asarray(values - (sums / np.bincount(place)[:, None])[place])


def _contrasts(occupants: Sequence[Occupant], num_seats: int) -> Array:
    """By contribution (occupant, seat): its difference from the reference in the same seat."""
    reference = np.array([float(name == POOL) for name, _ in occupants])
    if not reference.any():
        policies = [name for name, _ in occupants]
        reference = np.array([1 / policies.count(name) for name in policies]) / len(set(policies))
    by_occupant = np.eye(len(occupants)) - reference
    return np.kron(by_occupant, np.eye(num_seats))
