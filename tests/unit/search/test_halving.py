"""Successive halving and median stopping: entries known beforehand, budgets as promised, mapping from data."""

import pytest

from daf.config import DAFSweepConfig, HalvingConfig, StoppingConfig
from daf.errors import BadInputError, ConfigError
from daf.search.analysis import analyze
from daf.search.assignment import TrialAssignment
from daf.search.budget import pruning_thresholds, seconds_used
from daf.search.files import promote_trials, read_results, sweep_results
from daf.search.halving import bracket_of_entry, brackets, entries_of_bracket, promoted, steps_of_rung
from daf.search.plan import SweepPlan
from daf.search.results import TrialResult, finalists_of
from daf.system.files import write_json
from daf.training.stopping import StopCondition

SPACE = {"learning_rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True}}
HALVING = HalvingConfig(num_rungs=3, reduction_factor=3, bracket_size=9)


def config(**changes):
    return DAFSweepConfig(search_space=SPACE, num_trials=12, **changes)


def result(trial, objective, status="completed", **more):
    values = {"status": status, "objective": objective, "hyperparameters": {}, "seed": trial, **more}
    return TrialResult(trial=trial, **values)


def checked(trial, curve, objective=1.0, **more):
    return result(trial, objective, extra={"curve": curve}, **more)


def test_the_last_rung_trains_in_full_and_each_before_it_a_third():
    assert [steps_of_rung(HALVING, 90_000, rung) for rung in range(3)] == [10_000, 30_000, 90_000]


def test_entries_of_whole_and_partial_brackets():
    assert brackets(HALVING, 12) == [range(0, 9), range(9, 12)]
    assert [entries_of_bracket(HALVING, 12, bracket, 1) for bracket in (0, 1)] == [range(0, 3), range(3, 4)]
    assert [entries_of_bracket(HALVING, 12, bracket, 2) for bracket in (0, 1)] == [range(0, 1), range(1, 2)]
    assert [bracket_of_entry(HALVING, entry, 1) for entry in (0, 2, 3, 5)] == [0, 0, 1, 1]


def test_more_trials_leave_the_entries_of_whole_brackets_alone():
    few, many = (SweepPlan(config(halving=HALVING).model_copy(update={"num_trials": n}), {}) for n in (9, 30))
    assert few.results_before(1, 0) == many.results_before(1, 0)
    assert few.entries(2, 0) == many.entries(2, 0)


def test_the_best_are_promoted_and_entries_left_over_stay_empty():
    results = [result(0, 1.0), result(1, None, "failed"), result(2, 3.0), result(3, 3.0), result(4, None, "skipped")]
    trials = [trial and trial.trial for trial in promoted(results, 4, "maximize")]
    assert trials == [2, 3, 0, None]
    assert [trial and trial.trial for trial in promoted(results, 1, "minimize")] == [0]


def test_a_promotion_file_names_entries_trials_and_what_they_train_with():
    promotion = SweepPlan(config(halving=HALVING), {}).promotion(1, 1)
    content = promote_trials(promotion, [result(9, 0.5), result(10, 0.7), result(11, None, "failed")])
    assert list(content["entries"]) == ["3"]
    entry = content["entries"]["3"]
    assert entry["objective"] == 0.7
    assert TrialAssignment.from_dict(entry) == TrialAssignment(trial=10, seed=10, hyperparameters={}, rung=1)
    nobody = promote_trials(promotion, [result(n, None, "failed") for n in (9, 10, 11)])
    assert nobody["entries"]["3"]["trial"] is None
    assert nobody["entries"]["3"]["skip"]


def test_a_trial_counts_with_its_last_rung_and_the_best_is_of_the_highest():
    results = [result(0, 9.0), result(1, 5.0), result(2, 4.0)]
    entries = [result(1, 6.0, rung=1), result(2, None, "failed", rung=1)]
    merged = sweep_results(config(), results + entries)
    assert [(trial.trial, trial.rung, trial.objective) for trial in merged.trials] == [
        (0, 0, 9.0),
        (1, 1, 6.0),
        (2, 1, None),
    ]
    assert merged.best is not None
    assert merged.best.trial == 1  # trial 0's 9.0 is of a shorter training
    assert sweep_results(config(), entries + results) == merged  # in whatever order they are read
    with pytest.raises(BadInputError, match="two for one number"):
        sweep_results(config(), [*results, result(1, 7.0)])


def test_a_higher_rung_counts_more_than_a_better_objective_among_finalists_and_in_the_best_so_far():
    results = [result(0, 9.0), result(1, 5.0), result(2, 4.0), result(1, 6.0, rung=1), result(2, 7.0, rung=2)]
    merged = sweep_results(config(num_finalists=2), results)
    assert [trial.trial for trial in finalists_of(merged)] == [2, 1]
    assert [point["best"] for point in analyze(merged).best_so_far] == [9.0, 6.0, 7.0]


def test_an_entry_that_no_trial_took_has_no_result(tmp_path):
    taken = result(1, 6.0, rung=1)
    empty = {"trial": None, "status": "skipped", "reason": "no trial", "hyperparameters": {}, "rung": 1}
    for name, content in (("taken.json", taken.to_dict()), ("empty.json", empty)):
        write_json(tmp_path / name, content)
    assert read_results([tmp_path / "taken.json", tmp_path / "empty.json"]) == [taken]


def test_halving_and_early_stopping_exclude_each_other():
    with pytest.raises(ConfigError, match="exclude each other"):
        DAFSweepConfig.from_dict({"search_space": SPACE, "halving": {}, "early_stopping": {}})


# ---- median stopping ----------------------------------------------------------------------------------------------


def test_thresholds_are_medians_of_running_means_over_the_trials_that_came_so_far():
    stopping = StoppingConfig(num_checks=3, min_trials=3)
    seen = [checked(0, [1.0, 3.0, 9.0]), checked(1, [2.0, 2.0, 2.0]), checked(2, [6.0, None]), checked(3, [0.0])]
    # check 1: means 1, 2, 6, 0; check 2: means 2, 2, 6
    assert pruning_thresholds(seen, stopping) == (1.5, 2.0)
    assert pruning_thresholds(seen, StoppingConfig(num_checks=3, min_trials=4)) == (1.5, None)
    assert pruning_thresholds([], stopping) == (None, None)


def test_a_training_pauses_when_its_best_is_worse_than_the_threshold():
    def checks(*values):
        return [{"objective": value} for value in values]

    stop_condition = StopCondition(worse_than=(None, 2.0))
    assert stop_condition.reason(10, checks(0.0)) is None
    assert stop_condition.reason(10, checks(3.0, 0.0)) is None  # its best so far counts
    assert "check 2: 1 is worse" in (stop_condition.reason(10, checks(0.0, 1.0)) or "")
    down = StopCondition(worse_than=(2.0,), optimize_direction="minimize")
    assert down.reason(10, checks(1.0)) is None
    assert "check 1: 3 is worse" in (down.reason(10, checks(3.0)) or "")
    assert StopCondition(worse_than=(2.0,)).reason(10, checks(None)) is None


def test_a_training_pauses_at_a_step():
    assert StopCondition(at_steps=100).reason(99, []) is None
    assert StopCondition(at_steps=100).reason(100, []) == "100 agent-steps reached"
    assert StopCondition().reason(10**9, []) is None


def test_seconds_used():
    assert seconds_used([checked(0, [], seconds=2.0), checked(1, [], seconds=None)]) == 2.0
