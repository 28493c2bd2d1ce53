"""Search spaces: grids, mappings from the unit interval, and the errors of a wrong space."""

import itertools

import pytest

from daf.config import DAFSweepConfig
from daf.errors import BadInputError, ConfigError
from daf.search.space import LARGEST_GRID, build_space, num_trials_effective


def sweep(space, **changes):
    return DAFSweepConfig(search_space=space, **changes)


def test_a_grid_holds_every_combination_once():
    config = sweep(
        {
            "learning_rate": [1e-4, 1e-3, 1e-2],
            "epochs": {"type": "int", "low": 1, "high": 3},
            "gamma": {"type": "float", "low": 0.9, "high": 0.99, "step": 0.03},
            "init_kwargs.hidden_size": {"type": "int", "low": 32, "high": 128, "step": 48},
        },
        strategy="grid",
        num_trials=1000,
    )
    space = build_space(config)
    points = [space.grid_point(i) for i in range(num_trials_effective(config))]
    expected = itertools.product([1, 2, 3], [0.9, 0.93, 0.96, 0.99], [32, 80, 128], [1e-4, 1e-3, 1e-2])
    names = ("epochs", "gamma", "init_kwargs.hidden_size", "learning_rate")
    assert points == [dict(zip(names, values, strict=True)) for values in expected]


def test_integers_stay_integers_and_steps_do_not_drift():
    space = build_space(
        sweep(
            {
                "value_coef": {"type": "float", "low": 0.1, "high": 0.5, "step": 0.1},
                "num_envs": {"type": "int", "low": 8, "high": 24, "step": 8},
            }
        )
    )
    num_envs, value_coef = space.dimensions
    assert value_coef.values == (0.1, 0.2, 0.3, 0.4, 0.5)
    assert num_envs.values == (8, 16, 24)
    assert all(type(value) is int for value in num_envs.values)
    assert all(type(value) is float for value in value_coef.values)


def test_a_grid_of_a_continuous_parameter_is_an_error_with_a_way_out():
    config = sweep({"learning_rate": {"type": "float", "low": 1e-4, "high": 1e-2, "log": True}}, strategy="grid")
    with pytest.raises(BadInputError) as caught:
        num_trials_effective(config)
    assert caught.value.where == "search_space.learning_rate"
    assert "without a step" in caught.value.found
    assert "`step`" in caught.value.hint


def test_an_absurd_grid_is_an_error():
    config = sweep({name: {"type": "int", "low": 1, "high": 1000} for name in ("epochs", "num_envs")}, strategy="grid")
    with pytest.raises(BadInputError, match="1,000,000 points"):
        num_trials_effective(config)
    fine_steps = sweep({"gamma": {"type": "float", "low": 0, "high": 1, "step": 0.1 / LARGEST_GRID}})
    with pytest.raises(ConfigError, match="larger `step`"):
        build_space(fine_steps)


def test_other_strategies_run_num_trials():
    assert num_trials_effective(sweep({"epochs": [1, 2]}, strategy="random", num_trials=7)) == 7


@pytest.mark.parametrize(
    ("space", "found", "hint"),
    [
        ({"learning_rat": [1e-3]}, "'learning_rat'", "did you mean 'learning_rate'?"),
        ({"hidden_size": [32]}, "'hidden_size'", "'init_kwargs.hidden_size'"),
        ({"init_kwargs.": [32]}, "'init_kwargs.'", ""),
        ({"learning_rate": {"type": "float", "low": -0.1, "high": 0.1}}, "-0.1", ""),
        ({"gamma": {"type": "float", "low": 0.9, "high": 1.1}}, "1.1", ""),
        ({"num_envs": {"type": "float", "low": 8, "high": 64}}, "(float)", "use `type: int`"),
        ({"schedule": ["linear", "cosin"]}, "'cosin'", "did you mean 'cosine'?"),
        ({"epochs": [2, 3, 2]}, "2 twice", ""),
    ],
)
def test_a_parameter_that_nothing_takes_is_an_error_before_anything_runs(space, found, hint):
    with pytest.raises(ConfigError) as caught:
        build_space(sweep(space, name="mine"))
    assert found in caught.value.found
    assert hint in caught.value.hint
    assert caught.value.where == f"sweep 'mine': search_space.{next(iter(space))}"


def test_every_wrong_parameter_is_reported():
    with pytest.raises(ConfigError) as caught:
        build_space(sweep({"gama": [0.9], "epoch": [1], "gamma": [0.9]}))
    assert [problem.where.rpartition(".")[2] for problem in caught.value.problems] == ["epoch", "gama"]


def test_the_unit_interval_maps_onto_the_whole_range():
    config = sweep(
        {
            "learning_rate": {"type": "float", "low": 1e-5, "high": 1e-1, "log": True},
            "epochs": {"type": "int", "low": 1, "high": 4},
            "horizon": {"type": "int", "low": 2, "high": 512, "log": True},
            "schedule": ["linear", "cosine", "constant"],
        }
    )
    dimensions = {dimension.name: dimension for dimension in build_space(config).dimensions}
    almost_one = 1 - 2**-53
    for dimension in dimensions.values():
        assert dimension.from_unit(0.0) in dimension
        assert dimension.from_unit(almost_one) in dimension
    assert dimensions["learning_rate"].from_unit(0.0) == 1e-5
    assert dimensions["learning_rate"].from_unit(0.5) == pytest.approx(1e-3)
    assert [dimensions["epochs"].from_unit((i + 0.5) / 4) for i in range(4)] == [1, 2, 3, 4]
    assert dimensions["horizon"].from_unit(0.0) == 2
    assert dimensions["horizon"].from_unit(almost_one) == 512
    assert [dimensions["schedule"].from_unit((i + 0.5) / 3) for i in range(3)] == ["linear", "cosine", "constant"]


def test_rounding_keeps_a_narrow_range_apart():
    """Digits are counted in the range, not in the value: 1,000,000 to 1,000,001 is still continuous."""
    config = sweep({"x": {"type": "float", "low": 1e6, "high": 1e6 + 1}})
    (dimension,) = build_space(config, any_name=True).dimensions
    values = [dimension.from_unit(i / 1000) for i in range(1000)]
    assert len(set(values)) == 1000


def test_true_and_one_are_two_choices():
    (dimension,) = build_space(sweep({"x": [1, True, None, "1"]}), any_name=True).dimensions
    assert [dimension.index(value) for value in (1, True, None, "1")] == [0, 1, 2, 3]
    assert not dimension.ordered


def test_numbers_in_order_are_ordinal():
    space = build_space(sweep({"a": [32, 64, 128], "b": [3, 1, 2], "c": ["x", "y"]}), any_name=True)
    assert [dimension.ordered for dimension in space.dimensions] == [True, False, False]


# ---- conditions ------------------------------------------------------------------------------------------------

CONDITIONAL = {
    "optimizer": ["adam", "sgd"],
    "adam_eps": {"type": "float", "low": 1e-8, "high": 1e-4, "log": True, "when": {"optimizer": ["adam", "adamw"]}},
    "adam_beta2": {"type": "categorical", "choices": [0.99, 0.999], "when": {"optimizer": "adam"}},
}


def conditional(**changes):
    return sweep({**CONDITIONAL, "optimizer": ["adam", "adamw", "sgd"]}, **changes)


def test_a_parameter_applies_only_where_its_condition_holds():
    space = build_space(conditional())
    assert set(space.from_unit([0.5, 0.5, 0.1])) == {"optimizer", "adam_eps", "adam_beta2"}
    assert set(space.from_unit([0.5, 0.5, 0.5])) == {"optimizer", "adam_eps"}
    assert set(space.from_unit([0.5, 0.5, 0.9])) == {"optimizer"}


def test_conditions_of_conditions():
    space = build_space(
        sweep(
            {
                "optimizer": ["adam", "sgd"],
                "adam_beta2": {"type": "categorical", "choices": [0.9, 0.99], "when": {"optimizer": "adam"}},
                "adam_eps": {"type": "categorical", "choices": [1e-5, 1e-6], "when": {"adam_beta2": 0.99}},
            }
        )
    )
    assert space.applying({"optimizer": "adam", "adam_beta2": 0.99}) == {"optimizer", "adam_beta2", "adam_eps"}
    # The value is there, but does not apply itself.
    assert space.applying({"optimizer": "sgd", "adam_beta2": 0.99}) == {"optimizer"}


def test_a_grid_with_conditions_holds_every_distinct_point_once():
    eps = {"type": "categorical", "choices": [1e-5, 1e-6, 1e-7], "when": {"optimizer": "adam"}}
    config = sweep({**CONDITIONAL, "adam_eps": eps}, strategy="grid")
    space = build_space(config)
    points = [space.grid_point(place) for place in range(space.grid_size())]
    assert len(points) == 3 * 2 + 1
    assert len({tuple(sorted(point.items())) for point in points}) == 7
    assert num_trials_effective(config) == 7


def test_values_that_do_not_apply_are_refused_as_missing_ones_are():
    space = build_space(conditional())
    space.check({"optimizer": "sgd"}, "here")
    with pytest.raises(BadInputError, match="no value for 'adam_eps' here"):
        space.check({"optimizer": "sgd", "adam_eps": 1e-6}, "here")
    with pytest.raises(BadInputError, match="a value of 'adam_eps'"):
        space.check({"optimizer": "adamw"}, "here")
    assert space.holds({"optimizer": "sgd"})
    assert not space.holds({"optimizer": "sgd", "gamma": 0.9})


@pytest.mark.parametrize(
    ("when", "expected", "found"),
    [
        ({"optimiser": "adam"}, "a parameter of this search space", "'optimiser'"),
        ({"optimizer": "rmsprop"}, "values of 'optimizer', ['adam', 'sgd']", "'rmsprop'"),
        ({"adam_beta2": 0.99}, "conditions without a cycle", "a cycle through 'adam_eps'"),
    ],
)
def test_wrong_conditions_are_named(when, expected, found):
    beta = {"type": "categorical", "choices": [0.99, 0.999], "when": {"adam_eps": 1e-8}}
    space = {**CONDITIONAL, "adam_eps": {**CONDITIONAL["adam_eps"], "when": when}}
    with pytest.raises(ConfigError) as caught:
        build_space(sweep(space | ({"adam_beta2": beta} if "adam_beta2" in when else {})))
    (problem,) = [one for one in caught.value.problems if "search_space.adam_eps.when" in one.where]
    assert (problem.expected, problem.found) == (expected, found)


@pytest.mark.parametrize("name", ["learning_rate", "epochs", "schedule", "gamma"])
def test_to_unit_is_where_from_unit_comes_from(name):
    space = {
        "learning_rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
        "epochs": {"type": "int", "low": 1, "high": 8},
        "schedule": ["linear", "cosine", "constant"],
        "gamma": {"type": "float", "low": 0.9, "high": 0.99},
    }
    (dimension,) = [one for one in build_space(sweep(space)).dimensions if one.name == name]
    for u in (0.05, 0.4, 0.99):
        value = dimension.from_unit(u)
        assert dimension.from_unit(min(dimension.to_unit(value), 1 - 1e-12)) == value


# ---- wide ranges, and grids against the budget -----------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["random", "quasi_random", "bayesian"])
@pytest.mark.parametrize(
    "parameter",
    [
        {"type": "int", "low": 0, "high": 2**31 - 1},
        {"type": "int", "low": 1, "high": 2**31 - 1, "log": True},
        {"type": "int", "low": -(2**63), "high": 2**63 - 1},
        {"type": "float", "low": -8e307, "high": 8e307},
        {"type": "float", "low": 0, "high": 1e-320},
        {"type": "float", "low": 1e-150, "high": 1e150, "log": True},
    ],
)
def test_wide_ranges_are_searched_without_listing_them(parameter, strategy, monkeypatch):
    """A Gaussian process lists every value of an integer, here up to 2**64 of them."""
    import numpy as np

    from daf.sweeps import daf_launch_sweep, daf_sweep_analysis

    arange = np.arange

    def small_arange(*args, **options):
        assert all(abs(bound) <= 10 * LARGEST_GRID for bound in args if isinstance(bound, int | float | np.number))
        return arange(*args, **options)

    monkeypatch.setattr(np, "arange", small_arange)
    config = sweep({"x": parameter}, strategy=strategy, num_trials=9, lag=1)
    results = daf_launch_sweep(config, lambda trial: abs(trial.hyperparameters["x"] / parameter["high"] - 0.3))
    (dimension,) = build_space(config, any_name=True).dimensions
    values = [trial.hyperparameters["x"] for trial in results.trials]
    assert all(value in dimension for value in values)
    assert len(set(values)) > 5
    assert {type(value) for value in values} == {int if parameter["type"] == "int" else float}
    daf_sweep_analysis(results)


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ({"type": "float", "low": -1.7e308, "high": 1.7e308}, "high - low must be a finite number"),
        ({"type": "float", "low": 1e-320, "high": 1e308, "log": True}, "high / low must be a finite number"),
        ({"type": "float", "low": 0, "high": float("inf")}, "a finite number"),
        ({"type": "int", "low": 0, "high": 10**400}, "between -2**64 and 2**64"),
        ({"type": "int", "low": -(10**400), "high": 0}, "between -2**64 and 2**64"),
        ({"type": "float", "low": 0, "high": 1e308, "step": 1e-320}, "at most 100,000 values"),
    ],
)
def test_absurd_ranges_are_refused(parameter, expected):
    with pytest.raises(ConfigError) as caught:
        build_space(sweep({"x": parameter}), any_name=True)
    assert expected in caught.value.expected
    assert len(str(caught.value)) < 500


GRID = {"learning_rate": [1e-4, 1e-3, 1e-2], "epochs": [1, 2]}


@pytest.mark.parametrize("space", [GRID, {"gamma": {"type": "float", "low": 0.9, "high": 0.95, "step": 0.01}}])
def test_a_grid_beyond_the_budget_is_refused_with_both_numbers(space):
    for few in (1, 5):
        with pytest.raises(BadInputError) as caught:
            num_trials_effective(sweep(space, strategy="grid", num_trials=few, name="mine"))
        assert "at least 6" in caught.value.expected
        assert caught.value.found == str(few)
        assert caught.value.where == "sweep 'mine': num_trials"
        assert "leave num_trials out" in caught.value.hint
    for enough in (None, 6, 1000):
        assert num_trials_effective(sweep(space, strategy="grid", num_trials=enough)) == 6


def test_a_default_number_of_trials_is_no_contradiction_even_from_a_file():
    big = sweep({"epochs": {"type": "int", "low": 1, "high": 30}}, strategy="grid")
    assert num_trials_effective(DAFSweepConfig.from_dict(big.to_dict())) == 30
    assert num_trials_effective(sweep(GRID, strategy="random")) == 16


def test_every_way_to_run_a_grid_minds_the_budget(tmp_path):
    from daf.search.files import validate_sweep
    from daf.search.plan import SweepPlan
    from daf.sweeps import daf_launch_sweep

    config = sweep(GRID, strategy="grid", num_trials=2, output_dir=tmp_path)
    halved = sweep(GRID, strategy="grid", num_trials=2, halving={"num_rungs": 2})
    for run in (
        lambda: daf_launch_sweep(config, lambda trial: 0.0),
        lambda: daf_launch_sweep(config),
        lambda: validate_sweep(halved),
        lambda: SweepPlan(halved, {}).trials,
    ):
        with pytest.raises(BadInputError, match="num_trials of at least 6"):
            run()
