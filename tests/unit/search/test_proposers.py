"""Strategies: the same proposals anywhere, from the allowed history only, and better than chance."""

import functools
import json
import math
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from daf.config import DAFSweepConfig
from daf.errors import BadInputError
from daf.search import proposers
from daf.search.bayesian import GP_LAST_TRIAL, Bayesian, design_size
from daf.search.history import visible_trials
from daf.search.proposers import Random, propose
from daf.search.results import TrialResult
from daf.search.space import build_space

MIXED = {
    "learning_rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
    "epochs": {"type": "int", "low": 1, "high": 8},
    "schedule": ["linear", "cosine", "constant"],
    "init_kwargs.hidden_size": [32, 64, 128],
}
BRANIN = {"x": {"type": "float", "low": -5.0, "high": 10.0}, "y": {"type": "float", "low": 0.0, "high": 15.0}}
UNIT_6 = {f"x{i}": {"type": "float", "low": 0.0, "high": 1.0} for i in range(6)}
TPE_ONLY = Bayesian(gp_last_trial=0)


def branin(h):
    """Minimum 0.397887."""
    a = h["y"] - 5.1 / (4 * math.pi**2) * h["x"] ** 2 + 5 / math.pi * h["x"] - 6
    return a**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(h["x"]) + 10


def hartmann6(h):
    """Minimum -3.32237 (Dixon and Szego 1978)."""
    alpha = np.array([1.0, 1.2, 3.0, 3.2])
    a = np.array(
        [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
    )
    p = 1e-4 * np.array(
        [
            [1312, 1696, 5569, 124, 8283, 5886],
            [2329, 4135, 8307, 3736, 1004, 9991],
            [2348, 1451, 3522, 2883, 3047, 6650],
            [4047, 8828, 8732, 5743, 1091, 381],
        ]
    )
    x = np.array([h[f"x{i}"] for i in range(6)])
    return -float(alpha @ np.exp(-(a * (x - p) ** 2).sum(axis=1)))


def score_of(h):
    return -abs(math.log10(h["learning_rate"]) + 2) + 0.1 * h["epochs"] + (h["schedule"] == "cosine")


def config_of(space, **changes):
    return DAFSweepConfig(search_space=space, **{"strategy": "bayesian", "lag": 2, **changes})


def run(config, function, trials, *, fails=lambda h: False, strategy=None):
    """Results of the first trials, proposed one after another under the sweep's lag."""
    results, proposals = [], []
    for number in range(trials):
        seen = visible_trials(number, config.lag)
        values = propose(config, number, results[:seen], pending=proposals[seen:], strategy=strategy, any_name=True)
        proposals.append(values)
        failed = fails(values)
        results.append(
            TrialResult(
                trial=number,
                status="failed" if failed else "completed",
                objective=None if failed else function(values),
                hyperparameters=values,
            )
        )
    return results


def proposals_of(results):
    return [result.hyperparameters for result in results]


@functools.cache
def mixed_results():
    """Twenty trials on the mixed space by the Gaussian process; ten of them are the design."""
    return run(config_of(MIXED), score_of, 20)


# ---- grid and random -------------------------------------------------------------------------------------------


def test_grid_covers_exactly():
    config = config_of({"epochs": [1, 2, 3], "schedule": ["linear", "cosine"]}, strategy="grid")
    points = [tuple(propose(config, n, []).values()) for n in range(6)]
    assert sorted(points) == sorted((e, s) for e in (1, 2, 3) for s in ("linear", "cosine"))
    with pytest.raises(BadInputError, match="below 6"):
        propose(config, 6, [])


@pytest.mark.parametrize("strategy", [Random(), Random(quasi=True)])
def test_random_is_uniform_in_every_kind_of_parameter(strategy):
    config = config_of(MIXED, strategy="random", seed=3)
    points = [propose(config, n, [], strategy=strategy) for n in range(400)]
    logs = [(math.log10(p["learning_rate"]) + 4) / 3 for p in points]
    assert stats.kstest(logs, "uniform").pvalue > 0.01
    for name, count in (("epochs", 8), ("schedule", 3), ("init_kwargs.hidden_size", 3)):
        counts = np.unique_counts([str(p[name]) for p in points]).counts
        assert len(counts) == count
        assert stats.chisquare(counts).pvalue > 0.01
    # Streams of neighbouring trials are not related.
    assert abs(np.corrcoef(logs[1:], logs[:-1])[0, 1]) < (0.15 if strategy == Random() else 1.0)


def test_quasi_random_points_fill_more_evenly_than_random_ones():
    from scipy.stats import qmc

    config = config_of(UNIT_6, strategy="random")
    spread = {}
    for quasi in (False, True):
        points = [propose(config, n, [], strategy=Random(quasi=quasi), any_name=True) for n in range(64)]
        spread[quasi] = qmc.discrepancy([list(p.values()) for p in points])
    assert spread[True] < spread[False] / 2


def test_random_and_grid_wait_for_no_result():
    assert propose(config_of(MIXED, strategy="random"), 30, [])
    assert propose(config_of({"epochs": [1, 2]}, strategy="grid"), 1, [])


# ---- the same proposals anywhere -------------------------------------------------------------------------------

PROGRAM = """
import json, sys
from daf.config import DAFSweepConfig
from daf.search.bayesian import Bayesian
from daf.search.proposers import Random, propose
from daf.search.results import TrialResult
task = json.load(sys.stdin)
space = task["space"]
history = [TrialResult.from_dict(result) for result in task["history"]]
answers = {}
for name, strategy in (("grid", None), ("random", None), ("bayesian", None), ("quasi", Random(quasi=True)),
                       ("tpe", Bayesian(gp_last_trial=0))):
    chosen = name if strategy is None else "bayesian"
    config = DAFSweepConfig(search_space=space[name == "grid"], strategy=chosen, lag=2)
    answers[name] = [propose(config, n, history, strategy=strategy) for n in (0, 5, 15)]
print(json.dumps(answers))
"""


def test_another_process_proposes_the_same_bytes():
    grid = {
        "epochs": [1, 2, 3, 4, 5],
        "schedule": [
            "linear",
            "cosine",
            "constant",
        ],
        "num_envs": [8, 16],
    }
    backwards = dict(reversed(MIXED.items()))
    history = mixed_results()
    task = json.dumps({"space": [backwards, grid], "history": [result.to_dict() for result in history[::-1]]})
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "12345",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(proposers.__file__).parents[2]),
    }
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=task, env=environment, capture_output=True, text=True, check=True
    )
    assert answer.stderr == ""
    numbers = (0, 5, 15)
    expected = {
        "grid": [propose(config_of(grid, strategy="grid"), n, []) for n in numbers],
        "random": [propose(config_of(MIXED, strategy="random"), n, []) for n in numbers],
        "bayesian": [history[n].hyperparameters for n in numbers],
        "quasi": [propose(config_of(MIXED), n, [], strategy=Random(quasi=True)) for n in numbers],
        "tpe": [propose(config_of(MIXED), n, history, strategy=TPE_ONLY) for n in numbers],
    }
    assert answer.stdout == json.dumps(expected) + "\n"


@pytest.mark.parametrize("strategy", ["random", "bayesian"])
def test_raising_num_trials_leaves_earlier_proposals(strategy):
    history = mixed_results()
    for number in (0, 9, 12):
        few, many = (config_of(MIXED, strategy=strategy, num_trials=n) for n in (13, 1000))
        assert propose(few, number, history) == propose(many, number, history)


@pytest.mark.parametrize("strategy", [None, TPE_ONLY])
def test_a_proposal_depends_on_the_allowed_history_only(strategy):
    config = config_of(MIXED, lag=3)
    results = run(config, score_of, 15, strategy=strategy)
    original = propose(config, 14, results[:12], strategy=strategy)

    later_changed = [replace(r, objective=99.0) if r.trial > 11 else r for r in results]
    assert propose(config, 14, later_changed, strategy=strategy) == original
    allowed_changed = [replace(r, objective=-r.objective) for r in results]
    assert propose(config, 14, allowed_changed, strategy=strategy) != original


def test_the_last_allowed_result_counts():
    config = config_of(MIXED, lag=2)
    changed = [replace(r, objective=9.0) if r.trial == 12 else r for r in mixed_results()]
    assert propose(config, 14, changed) != proposals_of(mixed_results())[14]


@pytest.mark.parametrize("strategy", [None, TPE_ONLY])
def test_trials_in_flight_are_worked_out_again_without_their_files(strategy):
    """What `pending` would say follows from the history: with and without it the proposal is the same."""
    config = config_of(MIXED, lag=4)
    results = run(config, score_of, 16, strategy=strategy)
    for number in (10, 12, 15):
        assert propose(config, number, results[: number - 3], strategy=strategy) == proposals_of(results)[number]


def test_trials_in_flight_repel_each_other():
    """Four proposals from the same results, as four workers would get them, are four different regions."""
    config = config_of(BRANIN, lag=4, optimize_direction="minimize")
    points = np.array([[h["x"] / 15, h["y"] / 15] for h in proposals_of(run(config, branin, 20))[16:]])
    distances = [np.linalg.norm(points[i] - points[j]) for i in range(4) for j in range(i)]
    assert min(distances) > 0.01


def test_another_seed_is_another_search():
    for strategy in ("random", "bayesian"):
        first, second = (config_of(MIXED, strategy=strategy, seed=seed) for seed in (1, 2))
        assert propose(first, 0, []) != propose(second, 0, [])


def test_the_design_covers_the_lag():
    for lag in (1, 4, 40):
        config = config_of(MIXED, lag=lag)
        size = design_size(build_space(config), lag)
        assert size >= lag
        points = [propose(config, n, mixed_results() * 0) for n in range(lag)]
        assert len({json.dumps(point) for point in points}) == lag


def test_skipped_trials_of_another_sweep_take_no_point_of_the_design():
    config = config_of(MIXED, lag=1)
    point = propose(config, 0, [])
    skipped = [
        TrialResult(trial=trial, status="skipped", objective=None, hyperparameters=point, seed=trial)
        for trial in range(50)
    ]
    assert propose(config, 0, [], prior=skipped) == point


def test_skipped_trials_of_another_sweep_decide_neither_model_nor_proposal():
    """However many: the Gaussian process stays, and sees nothing of them."""
    config = config_of(BRANIN, lag=1, optimize_direction="minimize")
    results = run(config, branin, 7)
    skipped = [
        TrialResult(trial=trial, status="skipped", objective=None, hyperparameters=results[0].hyperparameters, seed=1)
        for trial in range(GP_LAST_TRIAL + 1)
    ]
    for trial in (2, 6):
        proposed = propose(config, trial, results[:trial], prior=skipped, any_name=True)
        assert proposed == proposals_of(results)[trial]


# ---- history ---------------------------------------------------------------------------------------------------


def test_a_missing_result_is_named():
    history = [result for result in mixed_results() if result.trial != 7]
    with pytest.raises(BadInputError) as caught:
        propose(config_of(MIXED), 15, history)
    assert caught.value.found == "none of trial 7"
    assert caught.value.where == "sweep 'sweep', trial 15"


def test_results_of_another_space_are_an_error():
    narrower = MIXED | {"epochs": {"type": "int", "low": 1, "high": 2}}
    with pytest.raises(BadInputError, match="was the search space changed"):
        propose(config_of(narrower), 15, mixed_results())


def test_one_value_parameters_are_constant_and_a_space_of_one_point_works():
    config = config_of({"gamma": [0.9], "epochs": {"type": "int", "low": 3, "high": 3}}, lag=1)
    values = {"gamma": 0.9, "epochs": 3}
    history = [TrialResult(trial=n, status="completed", objective=1.0, hyperparameters=values) for n in range(9)]
    assert propose(config, 9, history) == {"epochs": 3, "gamma": 0.9}


# ---- failures --------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize(("strategy", "trials"), [(None, 24), (TPE_ONLY, 50)])
def test_a_crash_region_is_left(strategy, trials):
    """A third of the space crashes, x < 0. Under a quarter of the trials after the design go there."""
    config = config_of(BRANIN, optimize_direction="minimize", seed=5)
    results = run(config, branin, trials, fails=lambda h: h["x"] < 0, strategy=strategy)
    design = design_size(build_space(config, any_name=True), config.lag)
    assert any(result.status == "failed" for result in results[:design])
    crashed = sum(result.status == "failed" for result in results[design:])
    assert crashed < 0.25 * (trials - design)


@pytest.mark.parametrize("strategy", [None, TPE_ONLY])
def test_the_search_goes_on_when_everything_failed(strategy):
    config = config_of(BRANIN)
    results = run(config, branin, 12, fails=lambda h: True, strategy=strategy)
    assert len({json.dumps(values) for values in proposals_of(results)}) == 12


def test_nan_counts_as_failed():
    history = mixed_results()
    nan = TrialResult.from_dict({**history[4].to_dict(), "objective": math.nan})
    as_nan = [nan if r.trial == 4 else r for r in history]
    as_failed = [replace(r, objective=None, status="failed") if r.trial == 4 else r for r in history]
    config = config_of(MIXED)
    assert propose(config, 14, as_nan) == propose(config, 14, as_failed) != propose(config, 14, history)


def test_settings_of_optuna_and_torch_are_given_back():
    import optuna
    import torch

    before = optuna.logging.get_verbosity(), torch.get_num_threads(), list(warnings.filters)
    state = np.random.get_state()[1].copy()
    propose(config_of(MIXED), 14, mixed_results())
    assert (optuna.logging.get_verbosity(), torch.get_num_threads(), list(warnings.filters)) == before
    assert (np.random.get_state()[1] == state).all()


# ---- better than chance ------------------------------------------------------------------------------------------


def median_regret(space, function, minimum, *, strategy, trials, lag, seeds):
    regrets = []
    for seed in seeds:
        config = config_of(space, strategy=strategy, lag=lag, seed=seed, optimize_direction="minimize")
        best = min(result.objective for result in run(config, function, trials))
        regrets.append(best - minimum)
    return float(np.median(regrets))


@pytest.mark.long
@pytest.mark.parametrize(
    ("space", "function", "minimum", "lag"),
    [(BRANIN, branin, 0.397887, 4), (UNIT_6, hartmann6, -3.32237, 1)],
    ids=["branin", "hartmann6"],
)
def test_bayesian_has_at_most_a_third_of_the_regret_of_random(space, function, minimum, lag):
    regret = {
        strategy: median_regret(space, function, minimum, strategy=strategy, trials=50, lag=lag, seeds=range(count))
        for strategy, count in (("random", 20), ("bayesian", 8))
    }
    assert regret["bayesian"] <= regret["random"] / 3


@pytest.mark.long
@pytest.mark.parametrize("strategy", ["bayesian"])
def test_the_unit_of_the_objective_does_not_matter(strategy):
    """Optuna's Gaussian process would take objectives of 1e-12 for equal, and square those of 1e200."""
    from daf.sweeps import daf_launch_sweep, daf_sweep_analysis

    space = {name: {"type": "float", "low": -1, "high": 1} for name in ("x", "y")}
    config = DAFSweepConfig(search_space=space, strategy=strategy, num_trials=20, lag=1)

    def results(unit):
        def objective(trial):
            x, y = trial.hyperparameters["x"], trial.hyperparameters["y"]
            return unit * (x * y - x**2 + 0.3)

        return daf_launch_sweep(config, objective)

    plain = results(1.0)
    for unit in (2.0**-300, 2.0**-40, 2.0**600):
        scaled = results(unit)
        assert [t.hyperparameters for t in scaled.trials] == [t.hyperparameters for t in plain.trials]
        assert daf_sweep_analysis(scaled).interactions == daf_sweep_analysis(plain).interactions
