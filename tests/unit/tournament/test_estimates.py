"""Values, contributions and cross-play with their intervals, against computations by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from daf.statistics.intervals import mean_interval
from daf.tournament.contributions import contribution_records
from daf.tournament.cross_play import cross_play_records
from daf.tournament.estimates import ValueRecord, seat_records, value_records
from daf.tournament.league import read_league
from daf.tournament.scores import MatchScores
from daf.tournament.units import MapUnits, estimate, ratio_units, value_units
from daf.tournaments import daf_analyze_league
from tests.unit.tournament.simulated import matches_of, noise, played, seats_of, shared, tournament

LEVEL = 0.95
SKILL = {"c": 2.0, "d": 1.0}


def rewards(players: Any, seed: int) -> list[float]:
    """Shared: an effect of the map, what each policy adds in its seat, and noise."""
    added = sum(SKILL.get(player.policy, 0.0) * (seat == 1) for seat, player in enumerate(players))
    seeds = sum((player.train_seed or 0) * 0.1 for player in players)
    return shared(noise(seed).normal() + added + seeds + 0.3 * noise(seed, players).normal(), players)


def one(records: list[ValueRecord], **keys: Any) -> ValueRecord:
    (found,) = [r for r in records if all(getattr(r, name) == value for name, value in keys.items())]
    return found


def test_a_map_is_a_unit_and_counts_by_its_weight() -> None:
    equal = ratio_units([(1, 2.0, 1.0), (1, 4.0, 1.0), (2, 5.0, 2.0)])
    assert equal == {1: 3.0, 2: 2.5}
    unequal = ratio_units([(1, 6.0, 2.0), (2, 10.0, 1.0), (3, 0.0, 0.0)])
    ratio = 16 / 3
    assert unequal == pytest.approx({1: ratio + (6 - 2 * ratio) / 1.5, 2: ratio + (10 - ratio) / 1.5})
    assert np.mean(list(unequal.values())) == pytest.approx(ratio)
    assert ratio_units([]) == {}


def test_values_are_paired_by_map_with_the_replacement() -> None:
    config = tournament(candidates=["c", "d"])
    scores = played(config, matches_of(config), rewards)
    records = value_records(scores, "pickup", LEVEL)
    by_map: dict[str, np.ndarray] = {}
    for name, weight in (
        ("c", lambda r: r.seats * (r.policy == "c")),
        ("pool", lambda r: 4 * (r.seats == 4 and r.in_pool)),
    ):
        total, weights = np.zeros(8), np.zeros(8)
        for row in scores.rows:
            total[row.episode] += weight(row) * row.score
            weights[row.episode] += weight(row)
        by_map[name] = total / weights
    overall = one(records, policy="c", seats=None)
    assert overall.mean == pytest.approx(by_map["c"].mean())
    interval = mean_interval([by_map["c"]], LEVEL)
    assert (overall.low, overall.high) == pytest.approx((interval.low, interval.high))
    difference = by_map["c"] - by_map["pool"]
    interval = mean_interval([difference], LEVEL)
    assert overall.over_replacement == pytest.approx(difference.mean())
    assert (overall.over_low, overall.over_high) == pytest.approx((interval.low, interval.high))
    assert overall.over_high - overall.over_low < (overall.high - overall.low) / 3  # the maps' effect is shared
    assert overall.weighted_score == pytest.approx(overall.mean)
    assert one(records, policy="c", seats=4).over_replacement == pytest.approx(2.0, abs=0.5)
    assert (overall.n_maps, overall.n_episodes) == (8, 8 * (1 + 4 + 6 + 4))


def test_declared_weights_of_numbers_of_seats() -> None:
    config = tournament()
    scores = played(config, matches_of(config), rewards)
    means = {record.seats: record.mean for record in value_records(scores, "pickup", LEVEL)}
    uniform = one(value_records(scores, "uniform", LEVEL), seats=None)
    assert uniform.mean == pytest.approx(np.mean([means[count] for count in (1, 2, 3, 4)]))
    declared = one(value_records(scores, {1: 3.0, 4: 1.0}, LEVEL), seats=None)
    assert declared.mean == pytest.approx((3 * means[1] + means[4]) / 4)


def test_recipes_have_the_interval_of_training_seeds() -> None:
    config = tournament(candidates=["c", "d"], missions=["m", "n"])
    scores = played(config, matches_of(config, train_seeds={"c": [1, 2, 3]}), rewards)
    records = value_records(scores, "pickup", LEVEL)
    recipes = one(records, policy="c", estimand="recipes", mission="overall", seats=None)
    checkpoints = one(records, policy="c", estimand="checkpoints", mission="overall", seats=None)
    assert recipes.n_train_seeds == 3
    assert recipes.method == "crossed random effects, Satterthwaite"
    assert recipes.over_high - recipes.over_low > checkpoints.over_high - checkpoints.over_low
    assert not [record for record in records if record.policy == "d" and record.estimand == "recipes"]
    alone = played(config, matches_of(config, train_seeds={"c": [1]}), rewards)
    single = one(value_records(alone, "pickup", LEVEL), policy="c", estimand="recipes", mission="m", seats=None)
    assert single.method == "insufficient data: only one training seed"
    assert np.isnan(single.low)


def test_a_single_map_has_no_interval() -> None:
    config = tournament(episodes=1)
    record = value_records(played(config, matches_of(config), rewards), "pickup", LEVEL)[0]
    assert record.method == "insufficient data: only one unit"
    assert np.isnan([record.low, record.over_high]).all()


def test_the_error_of_a_difference_on_other_maps_is_that_of_two_samples() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(1, 1, 9), rng.normal(0, 3, 12)
    mine, theirs = (
        MapUnits(tuple(range(start, start + values.size)), (None,), values[:, None])
        for start, values in ((0, x), (100, y))
    )
    found = estimate([mine], LEVEL, minus=[theirs])
    error = np.sqrt(x.var(ddof=1) / 9 + y.var(ddof=1) / 12)
    half = stats.t.ppf(0.975, 20) * error
    assert found.value == pytest.approx(x.mean() - y.mean())
    assert found.interval.low <= found.value - half + 1e-9
    assert found.interval.high >= found.value + half - 1e-9
    assert found.interval.high - found.interval.low < 2.3 * half  # with Hall's, which allows for skewness


def test_numbers_of_seats_on_other_maps_are_as_sure_as_each_of_them() -> None:
    """Means of 8 matches each, no two on the same map: the variance of their mean is the mean of theirs, by 4."""
    rng = np.random.default_rng(1)
    scores = {seats: rng.normal(seats, seats, 8) for seats in (1, 2, 3, 4)}
    rows = [match_row(seats, 10 * seats + n, score) for seats, own in scores.items() for n, score in enumerate(own)]
    units = value_units(read_league(rows), "c", "league", "uniform")
    assert units is not None
    means, variances = ([getattr(own, name)(**how) for own in scores.values()] for name, how in (
        ("mean", {}), ("var", {"ddof": 1})
    ))  # fmt: skip
    assert units.values.mean() == pytest.approx(np.mean(means))
    assert units.values.var(ddof=1) / 32 == pytest.approx(sum(variances) / 8 / 4**2)


def test_a_number_of_seats_on_one_map_varies_as_the_others_do() -> None:
    rows = [match_row(1, n, score) for n, score in enumerate((1.0, 2.0, 6.0))] + [match_row(2, 9, 5.0)]
    units = value_units(read_league(rows), "c", "league", "uniform")
    assert units is not None
    assert units.values.mean() == pytest.approx((3 + 5) / 2)
    variance = 7.0  # of 1, 2, 6, and therefore of the single 5, too
    assert units.values.var(ddof=1) / 4 == pytest.approx((variance / 3 + variance) / 4)


def test_pairs_with_other_maps_differ_as_their_values_do() -> None:
    rng = np.random.default_rng(0)
    alone = [match_row(4, n, 10 + rng.normal(0, 0.1)) for n in range(10)]
    both = [
        match_row(2, 10 + n, 1 + rng.normal(0, 0.1)) | {"policy": policy} for n in range(10) for policy in ("c", "d")
    ]
    results = daf_analyze_league([*alone, *both], num_resamples=200)
    pair = results.candidates.pairs[0]  # type: ignore[union-attr]
    value = {record.policy: record for record in results.values if record.seats is None}
    assert (pair.mean_a, pair.mean_b) == pytest.approx((value["c"].mean, value["d"].mean))
    assert pair.difference == pytest.approx(value["c"].mean - value["d"].mean)
    assert pair.interval_low < pair.difference < pair.interval_high
    assert not results.same_maps
    assert daf_analyze_league(both, num_resamples=200).same_maps


# ---- seats ------------------------------------------------------------------------------------------------


def test_contributions_are_those_of_least_squares_with_map_effects() -> None:
    config = tournament(candidates=["c", "d"])
    matches = matches_of(config)
    seats = seats_of(config, matches, rewards)
    records = {(r.policy, r.seat): r for r in contribution_records(seats, LEVEL)}
    # By hand: indicators of maps and of candidates in seats; the pool is the reference.
    columns = [(policy, seat) for policy in ("c", "d") for seat in range(4)]
    rows, response = [], []
    for (_, episode), group in seats.groupby(["match", "episode"]):
        here = set(zip(group["policy"], group["seat"], strict=True))
        rows.append([float(episode == number) for number in range(8)] + [float(column in here) for column in columns])
        response.append(group["team_reward"].iloc[0])
    solution = np.linalg.lstsq(np.array(rows), np.array(response))[0][8:]
    for column, value in zip(columns, solution, strict=True):
        assert records[column].value == pytest.approx(value)
    assert records["c", None].value == pytest.approx(solution[:4].mean())
    assert records["c", None].reference == "pool"
    truth = {column: SKILL[column[0]] * (column[1] == 1) for column in columns}
    for column in columns:
        assert abs(records[column].value - truth[column]) < records[column].high - records[column].low
    # Each map has the same line-ups: its own estimate is its unit.
    per_map = []
    for number in range(8):
        own = np.array(rows)[:, number] == 1
        design = np.column_stack([np.ones(own.sum()), np.array(rows)[own, 8:]])
        per_map.append(np.linalg.lstsq(design, np.array(response)[own])[0][1:5].mean())
    interval = mean_interval([np.array(per_map)], LEVEL)
    assert (records["c", None].low, records["c", None].high) == pytest.approx((interval.low, interval.high))


def test_contributions_without_a_pool_are_relative_to_the_average() -> None:
    config = tournament(format="pairing", candidates=["c", "d", "e"], pool=[])
    records = contribution_records(seats_of(config, matches_of(config), rewards), LEVEL)
    found = {r.policy: r for r in records if r.seat == 1}
    assert sum(r.value for r in found.values()) == pytest.approx(0.0)
    assert {r.reference for r in records} == {"average"}
    assert found["c"].value == pytest.approx(1.0, abs=0.2)


def test_the_average_weighs_policies_alike_however_many_seeds_they_have() -> None:
    """c, 2 above d in seat 1, is 1 above their average, though three of the four checkpoints are its own."""
    config = tournament(format="pairing", candidates=["c", "d"], pool=[], splits=["3-1", "2-2", "1-3"])

    def paid(players: Any, seed: int) -> list[float]:
        return shared(noise(seed).normal() + 2.0 * sum(player.policy == "c" for player in players), players)

    records = contribution_records(seats_of(config, matches_of(config, train_seeds={"c": [1, 2, 3]}), paid), LEVEL)
    found = {r.policy: r.value for r in records if r.estimand == "checkpoints" and r.seat == 1}
    assert (found["c"], found["d"]) == (pytest.approx(1.0, abs=1e-6), pytest.approx(-1.0, abs=1e-6))


def test_a_map_that_one_number_of_seats_lacks_counts_as_its_mean() -> None:
    """By hand: half of (1, 2, 6), and half of (5, 7), whose missing third map counts as 6. Of the mean of two maps, the
    variance is 2 / 2; as a mean over three, two of them differ from 6 by the root of 3."""
    rows = [match_row(1, number, score) for number, score in ((1, 1.0), (2, 2.0), (3, 6.0))]
    rows += [match_row(2, number, score) for number, score in ((1, 5.0), (2, 7.0))]
    units = value_units(read_league(rows), "c", "league", "uniform")
    assert units is not None
    assert units.values.ravel() == pytest.approx([3.5 - np.sqrt(3) / 2, 4.0 + np.sqrt(3) / 2, 6.0])


def match_row(seats: int, number: int, score: float, **more: Any) -> dict[str, Any]:
    """A match of the candidate c in a league's table."""
    name = "-".join(map(str, (seats, number, *more.values())))
    return {"match": name, "policy": "c", "seats": seats, "score": score, "map": number, **more}


@pytest.mark.parametrize("weights", ["uniform", {1: 1.0, 2: 3.0}])
def test_a_number_of_seats_that_a_training_seed_lacks_takes_nothing_from_its_value(weights: Any) -> None:
    rows = [
        match_row(seats, number, 10.0, train_seed=seed)
        for seed, counts in ((1, (1, 2)), (2, (2,)))
        for seats in counts
        for number in range(4)
    ]
    record = one(value_records(read_league(rows), weights, LEVEL), estimand="checkpoints", seats=None)
    assert record.mean == 10.0


def test_a_training_seed_without_a_mission_leaves_its_value_there_unknown() -> None:
    rows = [
        match_row(2, number, 1.0, mission=mission, train_seed=seed)
        for mission, seed in (("m", 1), ("m", 2), ("n", 1))
        for number in range(4)
    ]
    records = value_records(read_league(rows), "pickup", LEVEL)
    found = {r.mission: r for r in records if r.estimand == "checkpoints" and r.seats is None}
    assert (found["m"].mean, found["m"].weighted_score) == (1.0, 1.0)
    assert np.isnan([found["n"].mean, found["overall"].mean]).all()
    assert found["overall"].weighted_score == 1.0  # of the matches that were played


def test_a_mission_on_which_a_candidate_only_plays_for_the_pool_is_none_of_its_own() -> None:
    rows = [match_row(2, number, 1.0, mission="m") for number in range(4)]
    rows += [match_row(2, number, 5.0, mission="n", pool=True) for number in range(4)]
    assert {record.mission for record in value_records(read_league(rows), "pickup", LEVEL)} == {"m"}


def test_contributions_that_line_ups_do_not_identify_are_unknown() -> None:
    config = tournament(splits=["2-2"], format="pairing", candidates=["c", "d"], pool=[])
    only, *_ = matches_of(config)
    records = contribution_records(seats_of(config, [only], rewards), LEVEL)
    assert {record.method for record in records} == {"insufficient data: the line-ups do not identify it"}
    assert np.isnan([record.value for record in records]).all()


def test_trained_candidates_contribute_as_recipes_too() -> None:
    config = tournament()
    seats = seats_of(config, matches_of(config, train_seeds={"c": [1, 2, 3]}), rewards)
    records = {(r.estimand, r.seat): r for r in contribution_records(seats, LEVEL)}
    assert records["recipes", None].value == pytest.approx(records["checkpoints", None].value)
    assert records["recipes", None].method == "crossed random effects, Satterthwaite"
    assert records["recipes", 1].value == pytest.approx(2.2, abs=0.2)


def test_values_by_seat_and_role() -> None:
    config = tournament()

    def paid(players: Any, seed: int) -> list[float]:
        return [seat + 10.0 * (player.policy == "c") + noise(seed).normal() for seat, player in enumerate(players)]

    seats = seats_of(config, matches_of(config), paid)
    by_seat = {record.role: record for record in seat_records(seats, LEVEL)}
    assert list(by_seat) == ["0", "1", "2", "3"]
    assert [round(record.effect, 6) for record in by_seat.values()] == [-1.5, -0.5, 0.5, 1.5]
    roles = {r.role: r for r in seat_records(seats, LEVEL, ["miner", "scout"])}
    assert roles["scout"].mean == pytest.approx((by_seat["1"].mean + by_seat["3"].mean) / 2)
    assert by_seat["0"].n_episodes == 8 * (1 + 3 + 3 + 1)


# ---- cross-play -------------------------------------------------------------------------------------------


def test_cross_play_is_by_partner_and_split() -> None:
    config = tournament(format="pairing", candidates=["c", "d", "e"], pool=[])
    alone = matches_of(tournament(format="round_robin", candidates=["c"], pool=[]))
    scores = played(config, [*matches_of(config), *alone], rewards)
    cells = {(r.policy, r.partner, r.seats): r for r in cross_play_records(scores, LEVEL)}
    assert {(policy, partner) for policy, partner, _ in cells} == {
        ("c", "c"), ("c", "d"), ("d", "c"), ("c", "e"), ("e", "c"), ("d", "e"), ("e", "d"),
    }  # fmt: skip
    rows = [
        r
        for r in scores.rows
        if r.policy == "c" and r.seats == 3 and ("d", False) in dict(scores.parties[r.mission, r.match, r.episode])
    ]
    assert cells["c", "d", 3].mean == pytest.approx(np.mean([row.score for row in rows]))
    units = [np.mean([row.score for row in rows if row.episode == number]) for number in range(8)]
    interval = mean_interval([np.array(units)], LEVEL)
    assert (cells["c", "d", 3].low, cells["c", "d", 3].high) == pytest.approx((interval.low, interval.high))
    assert cells["c", "d", None].n_episodes == 8 * 14
    assert cells["c", "c", None].n_episodes == 8
    assert cells["c", "e", None].mean > cells["d", "e", None].mean


def test_scores_up_to_an_episode() -> None:
    config = tournament()
    scores = played(config, matches_of(config), rewards)
    assert scores.up_to(3).rows == tuple(row for row in scores.rows if row.episode < 3)
    assert MatchScores(()).up_to(3).rows == ()


def test_pairs_of_many_candidates_identify_contributions() -> None:
    config = tournament(format="pairing", candidates=list("abcdef"), pool=[], episodes=2)
    frame = seats_of(config, matches_of(config), lambda players, seed: [float(ord(p.policy) - 97) for p in players])
    found = {record.policy: record.value for record in contribution_records(frame, 0.95) if record.seat is None}
    assert found == pytest.approx({name: (place - 2.5) / 4 for place, name in enumerate("abcdef")})
