"""Intervals and verdicts of tournaments: how often they cover and how often they are false, by resampling.

    python benchmarks/tournament_intervals.py [--quick] [--runs 2000] [--json]

Real episodes: `starter` beside `random` on arena with 4 agents, in every seating on the same maps
(starter_on_arena.json). Maps are drawn with replacement, 8, 16 or 32 of them; the truth is the mean over all maps
played. Simulated ones add what the real ones lack: training seeds, skewed rewards, and families of equal candidates,
in which every verdict is false. The first data sets of each kind go the whole way from match scores to records, which
must give the same numbers as the short one.

Balanced against random seats: the same resampled maps, with every seating of a line-up once, or with as many drawn;
and how wide random seats are in theory, from the variances between maps and between the seatings on a map.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from math import nan
from pathlib import Path

# openskill imports `statistics`, which in this folder is a benchmark.
sys.path = [place for place in sys.path if Path(place).resolve() != Path(__file__).resolve().parent]
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # read when numpy is imported

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from daf.config import DAFComparisonConfig  # noqa: E402
from daf.statistics.pairs import compare_pairs  # noqa: E402
from daf.statistics.units import Cell, Units  # noqa: E402
from daf.tournament.estimates import value_records  # noqa: E402
from daf.tournament.preferences import Preferences  # noqa: E402
from daf.tournament.rankings import comparison_rankings  # noqa: E402
from daf.tournament.scores import MatchScores, episode_scores  # noqa: E402
from daf.tournament.units import MapUnits, estimate  # noqa: E402

Array = NDArray[np.float64]
EPISODES = Path(__file__).parent / "starter_on_arena.json"
MAPS = (8, 16, 32)
LEVEL = 0.95
CHECKED = 2  # data sets of every kind that go the whole way


# ---- real episodes ----------------------------------------------------------------------------------------


def read_episodes() -> tuple[list[tuple[str, ...]], Array]:
    """Line-ups, and the shared reward of their episodes: (maps, line-ups)."""
    content = json.loads(EPISODES.read_text())
    return [tuple(line_up) for line_up in content["line_ups"]], np.array(content["rewards"])


def seats_held(line_ups: Sequence[tuple[str, ...]]) -> NDArray[np.int64]:
    return np.array([line_up.count("starter") for line_up in line_ups])


def value_over_pool(rewards: Array, held: NDArray[np.int64], seats: int | None = None) -> tuple[Array, Array]:
    """Per map the candidate's value (with `seats` seats; None: with all numbers, as pickup) and the pool's."""
    weights = held.astype(float) if seats is None else (held == seats).astype(float)
    return rewards @ weights / weights.sum(), rewards[:, held == 0].mean(axis=1)


def as_units(values: Array) -> MapUnits:
    table = values[:, None] if values.ndim == 1 else values
    seeds = (None,) if values.ndim == 1 else tuple(range(table.shape[1]))
    return MapUnits(tuple(range(len(table))), seeds, table)


def check_whole_way(line_ups: Sequence[tuple[str, ...]], rewards: Array) -> None:
    """Compare the short way with the whole one on these maps."""
    rows = []
    for number, line_up in enumerate(line_ups):
        occupants = [(policy, None, policy == "random") for policy in line_up]
        for episode, reward in enumerate(rewards[:, number].tolist()):
            seats = [(occupant, reward) for occupant in occupants]
            rows += episode_scores(seats, mission="arena", match=str(number), episode=episode, env_seed=episode)
    record = value_records(MatchScores(tuple(rows)), "pickup", LEVEL)[0]
    mine, pool = value_over_pool(rewards, seats_held(line_ups))
    short = estimate([as_units(mine)], LEVEL, minus=[as_units(pool)])
    found = (record.over_replacement, record.over_low, record.over_high)
    np.testing.assert_allclose(found, (short.value, short.interval.low, short.interval.high), atol=1e-9)


def real_coverage(runs: int, rng: np.random.Generator) -> list[dict[str, object]]:
    line_ups, rewards = read_episodes()
    held = seats_held(line_ups)
    rows: list[dict[str, object]] = []
    for maps in MAPS:
        for run in range(CHECKED):
            check_whole_way(line_ups, rewards[rng.integers(0, len(rewards), maps)] + 1e-3 * run)
        for seats in (None, 4, 3, 2, 1):
            mine, pool = value_over_pool(rewards, held, seats)
            name = "value over replacement, " + ("all seats" if seats is None else f"{seats} of 4 seats")
            rows.append(coverage_row(f"starter on arena: {name}", maps, runs, mine - pool, rng))
        mine, _ = value_over_pool(rewards, held)
        rows.append(coverage_row("starter on arena: mean", maps, runs, mine, rng))
    return rows


def coverage_row(what: str, maps: int, runs: int, population: Array, rng: np.random.Generator) -> dict[str, object]:
    """How often the interval of resampled maps covers the mean of the population."""
    truth, covered, widths = float(population.mean()), 0, []
    for _ in range(runs):
        drawn = as_units(population[rng.integers(0, population.size, maps)])
        interval = estimate([drawn], LEVEL).interval
        covered += bool(interval.known and interval.low <= truth <= interval.high)
        widths.append(interval.high - interval.low if interval.known else nan)
    return {"what": what, "maps": maps, "runs": runs, "coverage": covered / runs, "width": float(np.nanmean(widths))}


# ---- simulated episodes -----------------------------------------------------------------------------------


def simulated_coverage(runs: int, rng: np.random.Generator) -> list[dict[str, object]]:
    """Paired differences of normal and of skewed rewards, and recipes with few training seeds."""
    rows: list[dict[str, object]] = []
    for maps in MAPS:
        for what, draw in (
            ("normal differences", lambda size: rng.normal(1.0, 1.0, size)),
            ("skewed differences (gamma, shape 2)", lambda size: rng.gamma(2.0, 0.5, size)),
        ):
            found = [estimate([as_units(draw(maps))], LEVEL).interval for _ in range(runs)]
            covered = sum(interval.low <= 1.0 <= interval.high for interval in found)
            width = float(np.mean([interval.high - interval.low for interval in found]))
            rows.append({"what": what, "maps": maps, "runs": runs, "coverage": covered / runs, "width": width})
        for seeds in (3, 5):
            rows.append(_recipe_row(maps, seeds, runs, rng))
    return rows


def _recipe_row(maps: int, seeds: int, runs: int, rng: np.random.Generator) -> dict[str, object]:
    covered, widths = 0, []
    for _ in range(runs):
        shared = rng.normal(0.0, 1.0, (maps, 1))
        mine = 1.0 + shared + rng.normal(0, 0.5, (1, seeds)) + rng.normal(0, 0.5, (maps, seeds))
        pool = (shared + rng.normal(0, 0.5, (maps, 1)))[:, 0]
        interval = estimate([as_units(mine)], LEVEL, minus=[as_units(pool)], estimand="recipes").interval
        covered += bool(interval.low <= 1.0 <= interval.high)
        widths.append(interval.high - interval.low)
    what = f"recipes, {seeds} training seeds"
    return {"what": what, "maps": maps, "runs": runs, "coverage": covered / runs, "width": float(np.mean(widths))}


# ---- families without a difference ------------------------------------------------------------------------


def false_verdicts(runs: int, rng: np.random.Generator, candidates: int = 5) -> list[dict[str, object]]:
    """The share of families of equal candidates with any verdict "better" or "worse"."""
    rows: list[dict[str, object]] = []
    names = [f"c{number}" for number in range(candidates)]
    for maps in MAPS:
        for reference in ("replacement", None):
            policies = [*names, "replacement"] if reference else names
            config = DAFComparisonConfig.from_dict(
                {"policies": policies, "missions": ["m"], "reference": reference, "num_resamples": 400}
            )
            false = 0
            for _ in range(runs):
                shared = rng.normal(0.0, 1.0, maps)
                scores = {name: shared + rng.gamma(2.0, 0.5, maps) for name in policies}
                records = compare_pairs(units_of(scores), config)
                false += any(record.verdict in ("better", "worse") for record in records)
            what = f"{candidates} equal candidates, " + ("against the replacement" if reference else "all pairs")
            rows.append({"what": what, "maps": maps, "runs": runs, "false": false / runs})
    return rows


def units_of(scores: dict[str, Array]) -> Units:
    cells = {
        (policy, "m"): Cell(
            rewards_ec=values[:, None], seeds=tuple(range(values.size)), training_seeds=(None,),
            successes=(nan, 0), failures=0, timeouts=0,
        )
        for policy, values in scores.items()
    }  # fmt: skip
    return Units(policies=tuple(scores), missions=("m",), cells=cells, notes=())


def false_ranks(runs: int, rng: np.random.Generator, candidates: int = 5) -> list[dict[str, object]]:
    """By method the share of families of equal candidates in which any rank set excludes a rank."""
    rows: list[dict[str, object]] = []
    for maps in MAPS:
        false: dict[str, int] = {}
        for run in range(runs):
            scores = rng.normal(0.0, 1.0, (maps, candidates))
            gaps = scores[:, :, None] - scores[:, None, :]
            wins = np.where(np.eye(candidates) > 0, np.nan, (gaps > 0) + 0.5 * (gaps == 0))
            votes = Preferences(
                policies=tuple(map(str, range(candidates))), missions=np.zeros(maps, dtype=np.int64), wins=wins,
                gaps=np.where(np.eye(candidates) > 0, np.nan, gaps),
            )  # fmt: skip
            excluded: dict[str, bool] = {}
            for record in comparison_rankings(votes, LEVEL, 100, run):
                shown = (record.rank_low, record.rank_high) != (1, candidates)
                excluded[record.method] = excluded.get(record.method, False) or shown
            for method, is_false in excluded.items():
                false[method] = false.get(method, 0) + is_false
        rows += [
            {"what": f"rank sets of {candidates} equal candidates: {method}", "maps": maps, "runs": runs,
             "false": count / runs}
            for method, count in false.items() if method != "openskill"
        ]  # fmt: skip
    return rows


# ---- seats ------------------------------------------------------------------------------------------------


def balance(runs: int, rng: np.random.Generator) -> list[dict[str, object]]:
    """Widths of intervals with random seats, as multiples of those with balanced seats, at equal episodes."""
    line_ups, rewards = read_episodes()
    held = seats_held(line_ups)
    rows: list[dict[str, object]] = []
    for maps in MAPS:
        balanced, same_maps, more_maps = [], [], []
        for _ in range(runs):
            drawn = rewards[rng.integers(0, len(rewards), maps)]
            balanced.append(_width(drawn, held))
            same_maps.append(_width(_with_drawn_seats(drawn, held, rng), held))
            # One seating per number of seats and map, on as many more maps as make the episodes equal.
            count = round(maps * held.size / np.unique(held).size)
            more = _with_drawn_seats(rewards[rng.integers(0, len(rewards), count)], held, rng)
            first = [int(np.flatnonzero(held == seats)[0]) for seats in np.unique(held)]
            more_maps.append(_width(more[:, first], held[first]))
        for what, widths in (("the same maps", same_maps), ("more maps, one seating on each", more_maps)):
            ratio = float(np.mean(widths) / np.mean(balanced))
            rows.append({"what": f"width with random seats: {what}", "maps": maps, "runs": runs, "ratio": ratio})
    return rows + _expected_ratios(rewards, held)


def _expected_ratios(rewards: Array, held: NDArray[np.int64]) -> list[dict[str, object]]:
    """The root of the variance of a map's value with random seats, over that with balanced ones, which leave only the
    differences between maps: no choice of seats removes these."""
    rows: list[dict[str, object]] = []
    for seats in (None, *(int(count) for count in np.unique(held) if 0 < count < held.max())):
        mine, pool = value_over_pool(rewards, held, seats)
        between, within = float((mine - pool).var()), 0.0
        for count in np.unique(held[held > 0]) if seats is None else [seats]:
            of_count = rewards[:, held == count]
            weight = count * of_count.shape[1] / held.sum() if seats is None else 1.0
            within += weight**2 * float(of_count.var(axis=1).mean()) / of_count.shape[1]
        name = "all seats" if seats is None else f"{seats} of 4 seats"
        rows.append({"what": f"expected width with random seats: {name}", "maps": len(rewards), "runs": 1,
                     "ratio": (1 + within / between) ** 0.5})  # fmt: skip
    return rows


def _with_drawn_seats(drawn: Array, held: NDArray[np.int64], rng: np.random.Generator) -> Array:
    """The rewards of as many drawn seatings of every number of seats."""
    result = drawn.copy()
    for seats in np.unique(held):
        columns = np.flatnonzero(held == seats)
        chosen = rng.choice(columns, (len(drawn), columns.size))
        result[:, columns] = np.take_along_axis(drawn, chosen, axis=1)
    return result


def _width(rewards: Array, held: NDArray[np.int64]) -> float:
    mine, pool = value_over_pool(rewards, held)
    interval = estimate([as_units(mine)], LEVEL, minus=[as_units(pool)]).interval
    return interval.high - interval.low if interval.known else nan


# ---- main -------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few data sets, to see that it runs")
    parser.add_argument("--runs", type=int, default=2000, help="data sets of every kind")
    parser.add_argument("--json", action="store_true", help="print the figures as one line of JSON at the end")
    parts = {
        "real": real_coverage, "simulated": simulated_coverage, "balance": balance, "verdicts": false_verdicts,
        "ranks": false_ranks,
    }  # fmt: skip
    parser.add_argument("--only", choices=parts, help="one part")
    arguments = parser.parse_args()
    rows = []
    for name, measure in parts.items():
        if arguments.only in (None, name):
            runs = 20 if arguments.quick else arguments.runs
            runs = max(2, runs // 10) if name == "ranks" else runs  # a family takes half a second
            found = measure(runs, np.random.default_rng(18))
            for row in found:
                figure = next(key for key in ("coverage", "false", "ratio") if key in row)
                value = f"{figure} {row[figure]:.3f}"
                print(f"{row['what']:62s} {row['maps']:3d} maps  {value}  ({row['runs']} data sets)", flush=True)
            rows += found
    if arguments.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
