"""Point estimates, p values, intervals and power against rliable 1.2.0 and statsmodels 0.15.0, to 1e-9.

Their answers are in references/statistics.json with the numbers they were given; references/make_statistics.py made it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from daf.statistics import bootstrap, effects, hypothesis_tests, intervals, resampled_counts

REFERENCE = json.loads((Path(__file__).parent / "references" / "statistics.json").read_text())
DATA = {name: np.array(values) for name, values in REFERENCE["data"].items()}
RLIABLE, STATSMODELS = REFERENCE["rliable"], REFERENCE["statsmodels"]


def close(expected: object) -> object:
    return pytest.approx(expected, abs=1e-9)


def tasks(name: str) -> list[np.ndarray]:
    """Runs x tasks as a vector of runs per task."""
    return list(DATA[name].T)


@pytest.mark.parametrize("statistic", ["iqm", "mean", "optimality_gap"])
def test_aggregates_are_rliables(statistic: str) -> None:
    found = [resampled_counts.PooledStatistic(statistic, tasks(name)).estimate for name in "xy"]
    assert found == close(RLIABLE[statistic])


def test_probability_of_improvement_is_rliables() -> None:
    x, y = tasks("x"), tasks("y")
    assert effects.probability_of_improvement(x, y) == close(RLIABLE["improvement"][0])
    assert effects.probability_of_improvement(y, x) == close(RLIABLE["improvement"][1])


def test_performance_profile_is_rliables() -> None:
    share, _, _ = bootstrap.profile_band(
        tasks("x"), DATA["thresholds"], num_resamples=100, rng=np.random.default_rng(0)
    )
    assert share.tolist() == close(RLIABLE["profile"])


def test_corrections_are_statsmodels() -> None:
    assert hypothesis_tests.holm(DATA["p"]).tolist() == close(STATSMODELS["holm"])
    assert hypothesis_tests.benjamini_hochberg(DATA["p"]).tolist() == close(STATSMODELS["benjamini_hochberg"])


def test_intervals_are_statsmodels() -> None:
    for (k, n), expected in zip(((0, 9), (4, 9), (30, 32)), STATSMODELS["wilson"], strict=True):
        found = intervals.wilson_interval(k, n)
        assert [found.low, found.high] == close(expected)
    student = intervals.student_t_interval([DATA["a"]])
    assert [student.low, student.high] == close(STATSMODELS["t_interval"])
    welch = hypothesis_tests.welch_interval(DATA["a"], DATA["c"])
    assert [welch.low, welch.high] == close(STATSMODELS["welch_interval"])


def test_welch_and_equivalence_are_statsmodels() -> None:
    a, b, c = (DATA[name] for name in "abc")
    assert hypothesis_tests.welch_test(a, c).p == close(STATSMODELS["welch_p"])
    d = a - b
    error, df = intervals.standard_error([d])
    assert hypothesis_tests.equivalence_p(float(d.mean()), error, df, 0.9) == close(STATSMODELS["tost_paired"])
    error, df = hypothesis_tests.welch_parts(a, c)
    assert hypothesis_tests.equivalence_p(float(a.mean() - c.mean()), error, df, 1.5) == close(
        STATSMODELS["tost_welch"]
    )


def test_power_and_sample_sizes_are_statsmodels() -> None:
    assert effects.paired_power(0.5, 20) == close(STATSMODELS["paired_power"])
    assert effects.two_sample_power(0.7, 12) == close(STATSMODELS["two_sample_power"])
    # statsmodels solves for n less closely than to 1e-9.
    assert effects.paired_sample_size(0.5) == pytest.approx(STATSMODELS["paired_n"], abs=1e-5)
    assert effects.two_sample_size(0.7) == pytest.approx(STATSMODELS["two_sample_n"], abs=1e-5)
