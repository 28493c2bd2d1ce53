"""Importance equals Optuna's, and its intervals say how far the trials determine it."""

import numpy as np
import pytest

from daf.search.bayesian import distribution_of, encoded, quiet_optuna
from daf.search.importance import TOP_QUANTILE, importance_of
from daf.search.results import TrialResult
from daf.search.space import Dimension, Space

DIMENSIONS = (
    Dimension(name="a", low=1e-5, high=1e-1, log=True),
    Dimension(name="b", low=0.0, high=3.0),
    Dimension(name="c", low=1, high=300, integer=True, log=True),
    Dimension(name="d", low=-3, high=9, integer=True),
    Dimension(name="e", values=("x", True, 1, None), ordered=False),
    Dimension(name="f", values=(8, 16, 32)),
    Dimension(name="g", low=1, high=10**7, integer=True),
)
SPACE = Space(dimensions=DIMENSIONS)


def trials_of(count, seed, objective, leave_out=()):
    rng = np.random.default_rng(seed)
    points = [SPACE.from_unit(rng.random(len(DIMENSIONS))) for _ in range(count)]
    return [
        TrialResult(
            trial=number,
            status="completed",
            hyperparameters={name: value for name, value in point.items() if number % 3 or name not in leave_out},
            objective=objective(point, rng),
        )
        for number, point in enumerate(points)
    ]


def by_optuna(trials, direction):
    with quiet_optuna():
        import optuna

        study = optuna.create_study(direction=direction)
        distributions = {dimension.name: distribution_of(dimension) for dimension in DIMENSIONS}
        study.add_trials(
            [
                optuna.trial.create_trial(
                    value=trial.objective, params=encoded(SPACE, trial.hyperparameters), distributions=distributions
                )
                for trial in trials
            ]
        )
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=TOP_QUANTILE)
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize("count", [16, 57, 300])
def test_shares_equal_optunas(count, direction):
    def objective(point, rng):
        return round(point["b"] + (point["e"] == "x") + 0.3 * rng.random(), 1)  # rounded: ties at the quantile

    trials = trials_of(count, count, objective, leave_out=("c", "e"))
    found = importance_of(DIMENSIONS, trials, direction, seed=1, resamples=2).shares
    reference = by_optuna(trials, direction)
    assert found == pytest.approx(reference, abs=1e-9)
    assert sum(found.values()) == pytest.approx(1.0)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_more_trials_narrow_the_intervals_around_the_share():
    def objective(point, rng):
        return point["b"] + 0.5 * rng.random()

    few, many = (
        importance_of(DIMENSIONS[:4], trials_of(count, 3, objective), "maximize", seed=1) for count in (40, 640)
    )
    for found in (few, many):
        low, high = found.intervals["b"]
        assert 0 <= low <= found.shares["b"] <= high <= 1
        assert next(iter(found.shares)) == "b"
    width = [high - low for low, high in (few.intervals["b"], many.intervals["b"])]
    assert width[1] < 0.5 * width[0]


def test_the_same_trials_and_seed_give_the_same_intervals():
    trials = trials_of(40, 5, lambda point, rng: rng.random())
    first, second = (importance_of(DIMENSIONS, trials, "maximize", seed=7) for _ in range(2))
    assert first == second
    other = importance_of(DIMENSIONS, trials, "maximize", seed=8)
    assert other.shares == first.shares
    assert other.intervals != first.intervals
