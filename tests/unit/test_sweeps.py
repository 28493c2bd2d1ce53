"""Sweeps: in process with the user's own function, the content of their files, and their analysis."""

import importlib
import json
import math
import shutil
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from daf import sweeps
from daf.config import DAFSweepConfig, ExperimentConfig
from daf.errors import BadInputError, ConfigError, DafError
from daf.reporting.sweep_page import sweep_page
from daf.search import files as sweep_files
from daf.search import paths as sweep_paths
from daf.search import plan as sweep_plan
from daf.search.analysis import analyze
from daf.sweeps import SweepResults, TrialResult
from daf.system import files

SPACE = {"learning_rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True}, "gamma": [0.9, 0.95, 0.99]}


def sweep(space=None, **changes):
    return DAFSweepConfig(
        search_space=space or SPACE, **{"name": "lr", "strategy": "random", "num_trials": 6, **changes}
    )


def score(trial):
    return -abs(math.log10(trial.hyperparameters["learning_rate"]) + 2) + trial.hyperparameters["gamma"]


def result(number, objective, *, rate=1e-3, **changes):
    base = {"status": "completed", "reason": None, "seconds": 2.0, "agent_steps": 100, "seed": 1}
    return base | {"trial": number, "objective": objective, "hyperparameters": {"learning_rate": rate}} | changes


def line_of(text):
    """file:line of the first line of this file that ends with this text."""
    lines = Path(__file__).read_text().splitlines()
    number = next(number for number, line in enumerate(lines, start=1) if line.endswith(text))
    return f"{Path(__file__).relative_to(Path.cwd())}:{number}"


def results_of(config, contents, confirmations=()):
    trials, again = ([TrialResult.from_dict(content) for content in part] for part in (contents, confirmations))
    return sweep_files.sweep_results(config, trials, again)


# ---- history ---------------------------------------------------------------------------------------------------


def test_history_is_what_finished_a_lag_ago():
    config = sweep(strategy="bayesian", lag=2)
    assert [list(sweep_plan.results_seen(config, n)) for n in range(5)] == [[], [], [0], [0, 1], [0, 1, 2]]
    assert list(sweep_plan.results_seen(sweep(strategy="bayesian", lag=1), 3)) == [0, 1, 2]
    assert list(sweep_plan.results_seen(sweep(lag=1), 3)) == []


def test_the_module_is_light():
    """The Snakefile imports it at parse time."""
    heavy = ("torch", "optuna", "pandas", "scipy", "numpy", "matplotlib", "cogames", "mettagrid")
    program = f"import sys, daf.sweeps; print([m for m in {heavy} if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", program], cwd=Path(sweeps.__file__).parents[1], capture_output=True)
    assert answer.stdout == b"[]\n"


# ---- in process ------------------------------------------------------------------------------------------------


def test_a_grid_runs_each_point_once_and_the_best_is_found():
    config = sweep({"learning_rate": [1e-3, 1e-2, 1e-1], "gamma": [0.9, 0.99]}, strategy="grid", num_trials=None)
    results = sweeps.daf_launch_sweep(config, score)
    points = [(t.hyperparameters["gamma"], t.hyperparameters["learning_rate"]) for t in results.trials]
    assert points == [(g, lr) for g in (0.9, 0.99) for lr in (1e-3, 1e-2, 1e-1)]
    best = sweeps.daf_sweep_best_config(results)
    assert best.hyperparameters["learning_rate"] == 1e-2
    assert best.hyperparameters["gamma"] == 0.99
    assert best.objective == pytest.approx(0.99)


def test_minimize_turns_the_order_round_and_the_earliest_of_equals_wins():
    values = iter([3.0, 1.0, 2.0, 1.0])
    results = sweeps.daf_launch_sweep(sweep(num_trials=4, optimize_direction="minimize"), lambda trial: next(values))
    assert results.best is not None
    assert results.best.trial == 1


def test_any_names_are_allowed_for_a_function_and_none_for_the_workflow():
    config = sweep({"x": {"type": "float", "low": 0, "high": 1}})
    assert len(sweeps.daf_launch_sweep(config, lambda trial: trial.hyperparameters["x"]).completed) == 6
    with pytest.raises(ConfigError, match=r"search_space\.x"):
        sweeps.daf_launch_sweep(config)


def test_an_objective_that_raises_or_returns_nan_is_a_failed_trial():
    def objective(trial):
        if trial.number == 1:
            raise ZeroDivisionError("no agents")  # named by its line
        return math.nan if trial.number == 2 else math.inf if trial.number == 3 else 1.0

    results = sweeps.daf_launch_sweep(sweep(), objective)
    reasons = {trial.trial: trial.reason for trial in results.failed}
    assert reasons.pop(1) == f"ZeroDivisionError: no agents ({line_of('# named by its line')} in objective)"
    assert reasons == {2: "objective is nan", 3: "objective is inf"}
    assert [trial.objective for trial in results.trials] == [1.0, None, None, None, 1.0, 1.0]


def test_a_sweep_ends_after_lag_failures_of_one_cause():
    def objective(trial):
        calls.append(trial.number)
        raise KeyError("reward")

    calls = []
    results = sweeps.daf_launch_sweep(sweep(lag=3, num_trials=8), objective)
    assert calls == [0, 1, 2, 3, 4]  # trial 5 is the first that may see three results
    assert [trial.status for trial in results.trials] == ["failed"] * 5 + ["skipped"] * 3
    assert {trial.reason for trial in results.skipped} == {
        "the sweep ended, since 3 trials failed in the same way and none completed"
    }


def test_two_failures_are_needed_to_be_the_same_whatever_the_lag():
    def objective(trial):
        sys.exit(0)

    results = sweeps.daf_launch_sweep(sweep(lag=1), objective)
    assert [trial.status for trial in results.trials] == ["failed"] * 2 + ["skipped"] * 4
    assert results.failed[0].reason.startswith("SystemExit: 0 (tests/unit/test_sweeps.py:")


@pytest.mark.parametrize("kind", ["other causes", "diverged", "one completed"])
def test_a_sweep_goes_on_where_something_can_be_learned(kind):
    def objective(trial):
        if kind == "diverged":
            return math.nan
        if kind == "one completed" and trial.number == 0:
            return 1.0
        raise ValueError(f"trial {trial.number}" if kind == "other causes" else "wrong")

    results = sweeps.daf_launch_sweep(sweep(lag=2), objective)
    assert not results.skipped


def test_a_sweep_that_goes_on_after_a_correction_does_not_count_earlier_failures():
    def broken(trial):
        raise ValueError("wrong")

    config = sweep(lag=2, num_trials=6)
    first = sweeps.daf_launch_sweep(sweep(lag=2, num_trials=3), broken)
    results = sweeps.daf_launch_sweep(config, score, earlier=first)
    assert len(results.completed) == 3


@pytest.mark.parametrize(("returned", "found"), [(None, "None"), ("good", "'good'"), ({"reward": 1}, "['reward']")])
def test_an_objective_that_returns_no_number_is_a_mistake_not_a_failed_trial(returned, found):
    with pytest.raises(BadInputError) as caught:
        sweeps.daf_launch_sweep(sweep(), lambda trial: returned)
    assert found in caught.value.found
    assert caught.value.where == "sweep 'lr', trial 0: objective function"


def test_a_mapping_holds_the_objective_and_other_figures():
    config = sweep(objective_metric="hearts")
    results = sweeps.daf_launch_sweep(config, lambda trial: {"hearts": trial.number, "entropy": 0.5})
    assert [trial.objective for trial in results.trials] == [0, 1, 2, 3, 4, 5]
    assert results.trials[0].extra == {"figures": {"entropy": 0.5}}
    assert "best is trial 5, hearts 5 (maximized)" in repr(results)


def test_the_objective_of_a_function_is_called_so_unless_the_configuration_names_it():
    results = sweeps.daf_launch_sweep(sweep(), lambda trial: trial.number)
    analysis = sweeps.daf_sweep_analysis(results)
    assert "best is trial 5, objective 5 (maximized)" in repr(results)
    assert analysis.objective_metric == "objective"
    page = sweep_page(results, analysis)
    assert "Trial 5 is the best of 6: objective 5.00." in page
    assert "mean_reward" not in page
    workflow = sweep_files.sweep_results(sweep(), list(results.trials))
    assert "best is trial 5, mean_reward 5 (maximized)" in repr(workflow)


def test_every_trial_has_a_seed_of_its_own_and_cannot_change_what_is_recorded():
    def objective(trial):
        seeds.append(trial.seed)
        trial.hyperparameters["learning_rate"] = 0.0
        return 1.0

    seeds = []
    results = sweeps.daf_launch_sweep(sweep(), objective)
    assert len(set(seeds)) == 6
    assert [trial.seed for trial in results.trials] == seeds
    assert all(trial.hyperparameters["learning_rate"] > 0 for trial in results.trials)


def test_in_process_and_files_make_the_same_proposals_under_the_same_lag():
    config = sweep(strategy="bayesian", lag=3, num_trials=12)
    results = sweeps.daf_launch_sweep(config, score)
    for number in (0, 8, 11):
        seen = [results.trials[i] for i in sweep_plan.results_seen(config, number)]
        proposal = sweep_files.propose_trial(config, number, seen)
        assert proposal["hyperparameters"] == results.trials[number].hyperparameters
        assert proposal["seed"] == results.trials[number].seed
        assert proposal["results_seen"] == max(0, number - 2)


def test_extending_a_sweep_runs_only_what_is_new():
    calls = []

    def objective(trial):
        calls.append(trial.number)
        return score(trial)

    short = sweeps.daf_launch_sweep(sweep(num_trials=4), objective)
    long = sweeps.daf_launch_sweep(sweep(num_trials=6), objective, earlier=short)
    assert calls == [0, 1, 2, 3, 4, 5]
    assert long.trials[:4] == short.trials
    with pytest.raises(BadInputError, match="another seed"):
        sweeps.daf_launch_sweep(sweep(num_trials=6, seed=7), objective, earlier=short)


def test_results_of_an_edited_objective_function_are_refused(tmp_path, monkeypatch):
    """Its module, or a module that it imports: a function in a file, like one of a strategy's class."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "scores_helper.py").write_text("FACTOR = 1")
    (tmp_path / "own_scores.py").write_text(
        "from scores_helper import FACTOR\n\ndef objective(trial):\n    return FACTOR * trial.number\n"
    )
    objective = importlib.import_module("own_scores").objective

    short = sweeps.daf_launch_sweep(sweep(num_trials=2), objective)
    assert set(short.code.files) == {"own_scores.py", "scores_helper.py"}
    again = sweeps.SweepResults.from_dict(short.to_dict())
    assert sweeps.daf_launch_sweep(sweep(num_trials=3), objective, earlier=again).trials[:2] == short.trials
    (tmp_path / "scores_helper.py").write_text("FACTOR = 10")
    with pytest.raises(BadInputError, match="the code that this process has imported"):
        sweeps.daf_launch_sweep(sweep(num_trials=3), objective)
    importlib.reload(sys.modules["scores_helper"])
    objective = importlib.reload(sys.modules["own_scores"]).objective
    with pytest.raises(BadInputError, match=r"scores_helper\.py changed since") as caught:
        sweeps.daf_launch_sweep(sweep(num_trials=3), objective, earlier=short)
    assert "leave out `earlier`" in caught.value.hint
    with pytest.raises(BadInputError, match=r"test_sweeps\.py is new"):
        sweeps.daf_launch_sweep(sweep(num_trials=3), score, earlier=short)


def test_results_of_an_edited_strategy_are_refused(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    text = (
        "class Middle:\n    adaptive = False\n    def suggest(self, request):\n"
        "        return request.space.from_unit([0.5] * len(request.space.free))\n"
    )
    (tmp_path / "own_middle.py").write_text(text)
    short = sweeps.daf_launch_sweep(sweep(num_trials=2, strategy="own_middle.Middle"), score)
    recorded = sweep_files.propose_trial(sweep(strategy="own_middle.Middle"), 0, [])["code"]["files"]
    assert set(recorded) == {"own_middle.py"}
    (tmp_path / "own_middle.py").write_text(text + "# edited")
    with pytest.raises(BadInputError, match=r"own_middle\.py changed since"):
        sweeps.daf_launch_sweep(sweep(num_trials=3, strategy="own_middle.Middle"), score, earlier=short)


def test_a_spent_budget_skips_the_trials_that_see_it_and_no_other():
    def objective(trial):
        calls.append(trial.number)
        return 1.0

    calls = []
    # Every trial takes some time, so one result is enough; trials 0 … lag - 1 see none.
    results = sweeps.daf_launch_sweep(sweep(num_trials=6, lag=3, max_total_seconds=1e-9), objective)
    assert calls == [0, 1, 2]
    assert [trial.status for trial in results.trials] == ["completed"] * 3 + ["skipped"] * 3
    assert "max_total_seconds" in (results.trials[3].reason or "")
    assert results.failed == ()
    assert sweeps.daf_sweep_analysis(results).num_skipped == 3
    proposal = sweep_files.propose_trial(results.config, 5, results.trials[:3])
    assert proposal["skip"] == results.trials[3].reason
    assert sweep_files.propose_trial(sweep(lag=3), 5, [])["skip"] is None


def test_skipped_trials_say_nothing_about_their_hyperparameters():
    config = sweep(strategy="bayesian", lag=2, num_trials=12)
    trials = sweeps.daf_launch_sweep(config, score).trials
    skipped, failed = (
        [replace(trial, status=status, objective=None) if trial.trial == 6 else trial for trial in trials]
        for status in ("skipped", "failed")
    )
    answers = [sweep_files.propose_trial(config, 10, seen)["hyperparameters"] for seen in (trials, skipped, failed)]
    assert answers[1] not in (answers[0], answers[2])


def test_finalists_run_on_fresh_seeds_and_the_best_of_them_is_taken():
    """A lucky trial: its score in the search does not come back on other seeds."""

    def objective(trial):
        seen.append((trial.number, trial.seed))
        lucky = trial.number == 2 and len(seen) <= 6
        return 10.0 if lucky else -float(trial.number)

    seen: list = []
    results = sweeps.daf_launch_sweep(sweep(num_finalists=2, confirmation_seeds=2), objective)
    assert [number for number, _ in seen[6:]] == [2, 2, 0, 0]  # by rank: trial 2 first
    fresh = [seed for _, seed in seen[6:]]
    assert fresh[:2] == fresh[2:]  # the same for all finalists
    assert len({seed for _, seed in seen}) == 8
    assert results.best is not None
    assert results.best.trial == 0
    assert results.best_of_search is not None
    assert results.best_of_search.trial == 2
    confirmation = sweeps.daf_sweep_analysis(results).confirmation
    assert confirmation is not None
    assert (confirmation["trial"], confirmation["mean"], confirmation["optimism"]) == (0, 0.0, 12.0)
    assert SweepResults.from_dict(results.to_dict()) == results
    best = sweep_files.select_best(results)
    assert (best["trial"], best["confirmation"]["finalists"][0]["confirmed_mean"]) == (0, -2.0)


def test_a_finalist_that_fails_on_a_fresh_seed_comes_after_one_that_does_not():
    def objective(trial):
        calls.append(trial.number)
        return math.nan if len(calls) == 7 else float(trial.number)

    calls = []
    results = sweeps.daf_launch_sweep(sweep(num_finalists=2, confirmation_seeds=2), objective)
    assert calls[6:] == [5, 5, 4, 4]  # trial 5 fails once, and has the better mean otherwise
    assert results.best is not None
    assert results.best.trial == 4


def test_optimism_is_positive_when_minimizing_promised_too_little():
    calls = []

    def objective(trial):
        calls.append(trial)
        return 1.0 if len(calls) <= 6 else 3.0

    results = sweeps.daf_launch_sweep(
        sweep(num_finalists=1, confirmation_seeds=1, optimize_direction="minimize"), objective
    )
    confirmation = sweeps.daf_sweep_analysis(results).confirmation
    assert confirmation is not None
    assert confirmation["optimism"] == 2.0


def test_another_sweeps_trials_take_the_place_of_the_design():
    config = sweep(strategy="bayesian", num_trials=8, lag=1)
    first = sweeps.daf_launch_sweep(config, score)
    again = config.model_copy(update={"name": "again", "seed": 7})
    cold = sweeps.daf_launch_sweep(again, score)
    warm = sweeps.daf_launch_sweep(again, score, warm_start=first)
    assert warm.trials[0].hyperparameters != cold.trials[0].hyperparameters
    assert min(trial.objective for trial in warm.trials) > min(trial.objective for trial in cold.trials)
    with pytest.raises(BadInputError, match="optimize_direction 'minimize'"):
        sweeps.daf_launch_sweep(again.model_copy(update={"optimize_direction": "minimize"}), score, warm_start=first)


def test_a_warm_start_from_files_is_the_same_and_wants_the_same_metric(tmp_path):
    first = sweeps.daf_launch_sweep(sweep(num_trials=4), score)
    files.write_json(tmp_path / "trials.json", sweep_files.trials_json(first))
    config = sweep(strategy="bayesian", num_trials=4, lag=1, seed=3)
    from_results = sweeps.daf_launch_sweep(config, score, warm_start=first)
    from_files = sweeps.daf_launch_sweep(config.model_copy(update={"warm_start": str(tmp_path)}), score)
    assert [trial.hyperparameters for trial in from_files.trials] == [
        trial.hyperparameters for trial in from_results.trials
    ]
    with pytest.raises(BadInputError, match="objective_metric 'hearts'"):
        sweep_files.read_prior(tmp_path / "trials.json", sweep(objective_metric="hearts"))
    narrow = sweep({"learning_rate": [1e-3], "gamma": [0.5]})
    with pytest.raises(BadInputError, match=r"(?s)none of 4 in .*the ranges differ"):
        sweep_files.read_prior(tmp_path / "trials.json", narrow)
    more = sweep({**SPACE, "adam_eps": [1e-8]})
    with pytest.raises(BadInputError, match="only one of the two has adam_eps"):
        sweeps.daf_launch_sweep(more, score, warm_start=first)
    with pytest.raises(BadInputError, match="objective_metric 'hearts'"):
        sweeps.daf_launch_sweep(sweep(objective_metric="hearts"), score, warm_start=first)


@pytest.mark.parametrize("key", ["halving", "early_stopping"])
def test_a_function_cannot_be_trained_in_parts(key):
    with pytest.raises(BadInputError, match="a function is called only once per trial"):
        sweeps.daf_launch_sweep(DAFSweepConfig.from_dict(sweep().to_dict() | {key: {}}), score)


class Corner:
    """A user's own strategy."""

    adaptive = False

    def suggest(self, request):
        return request.space.from_unit([0.0] * len(request.space.free))


class NotAStrategy:
    pass


class OldName:
    adaptive = False

    def propose(self, question):
        return {}


class BreaksDown:
    def __init__(self):
        raise ValueError("no licence")


class Answers(Corner):
    """Strategies that give no point."""

    answer = None

    def suggest(self, request):
        return self.answer


class AnswersMore(Answers):
    answer = MappingProxyType({"gamma": 0.9, "learning_rate": 1e-4, "gama": 1.0})


def test_a_strategy_of_ones_own_by_its_path(monkeypatch):
    module = types.ModuleType("my_search")
    for strategy in (Corner, NotAStrategy, OldName, BreaksDown, Answers, AnswersMore):
        setattr(module, strategy.__name__, strategy)
    monkeypatch.setitem(sys.modules, "my_search", module)
    results = sweeps.daf_launch_sweep(sweep(strategy="my_search.Corner", num_trials=2), score)
    assert [trial.hyperparameters for trial in results.trials] == [{"gamma": 0.9, "learning_rate": 1e-4}] * 2
    for path in ("my_search.NotAStrategy", "my_search.Missing", "no_such_module.Class"):
        with pytest.raises(BadInputError, match="strategy"):
            sweeps.daf_launch_sweep(sweep(strategy=path), score)
    with pytest.raises(BadInputError) as renamed:
        sweeps.daf_launch_sweep(sweep(strategy="my_search.OldName"), score)
    assert (renamed.value.found, renamed.value.hint) == (
        "class OldName with `propose`",
        "`propose` is now called `suggest`",
    )
    for path, words in (
        (".Corner", "Empty module name"),
        ("my_search.BreaksDown", "no licence"),
        ("my_search.Answers", "a mapping of parameters to values, found None"),
        ("my_search.AnswersMore", "found 'gama'"),
    ):
        with pytest.raises(BadInputError) as refused:
            sweeps.daf_launch_sweep(sweep(strategy=path, num_trials=2), score)
        assert words in f"{refused.value.expected}, found {refused.value.found}"
    with pytest.raises(ConfigError) as caught:
        DAFSweepConfig.from_dict({"search_space": SPACE, "strategy": "bayesain"})
    assert caught.value.hint == "did you mean 'bayesian'?"


# ---- files -------------------------------------------------------------------------------------------------------


def test_a_proposal_says_what_it_is_part_of_and_num_trials_is_not_in_it():
    config = sweep()
    proposal = sweep_files.propose_trial(config, 2, [])
    assert json.loads(files.canonical_json(proposal)) == proposal
    assert (proposal["sweep"], proposal["trial"], proposal["strategy"]) == ("lr", 2, "random")
    assert set(proposal["hyperparameters"]) == set(SPACE)
    longer = sweep_files.propose_trial(sweep(num_trials=60, output_dir="elsewhere"), 2, [])
    assert longer == proposal
    assert sweep_files.propose_trial(sweep(steps_per_trial=7), 2, [])["recipe_digest"] != proposal["recipe_digest"]


def test_best_json_counts_what_it_was_the_best_of():
    trials = [result(0, 1.0), result(1, None, status="failed", reason="diverged"), result(2, 3.0, rate=0.01)]
    best = sweep_files.select_best(results_of(sweep(), trials))
    assert (best["trial"], best["objective"], best["hyperparameters"]) == (2, 3.0, {"learning_rate": 0.01})
    assert (best["num_trials"], best["num_completed"], best["num_failed"]) == (3, 2, 1)


def test_no_completed_trial_is_an_error_with_the_commonest_reason():
    failed = [result(n, None, status="failed", reason=why) for n, why in enumerate(["NaN", "diverged", "diverged"])]
    with pytest.raises(DafError) as caught:
        sweep_files.select_best(results_of(sweep(), failed))
    assert caught.value.found == "none of 3 trials completed"
    assert caught.value.hint == "most common reason (2 of 3): diverged"


def test_a_completed_trial_without_a_finite_objective_is_failed():
    for objective in (None, math.nan, math.inf):
        trial = TrialResult.from_dict(result(0, objective))
        assert trial.status == "failed"
        assert trial.objective is None
        assert "objective is" in (trial.reason or "")


def test_a_damaged_result_is_named():
    with pytest.raises(BadInputError, match="trial result: hyperparameters"):
        TrialResult.from_dict({"trial": 0, "status": "completed"})
    with pytest.raises(BadInputError, match="'running'"):
        TrialResult.from_dict(result(0, 1.0, status="running"))


def test_results_survive_json():
    results = sweeps.daf_launch_sweep(sweep(), score)
    again = SweepResults.from_dict(json.loads(json.dumps(results.to_dict())))
    assert again == results
    assert again.to_dict() == results.to_dict()


def test_trials_csv_and_frame(tmp_path):
    contents = [result(0, 0.1), result(1, None, status="failed", reason="diverged, twice")]
    trials = results_of(sweep(), contents)
    sweep_files.write_trials_csv(tmp_path / "trials.csv", trials)
    assert (tmp_path / "trials.csv").read_text() == (
        "trial,status,objective,reason,seconds,agent_steps,seed,rung,hyperparameters.learning_rate\n"
        "0,completed,0.1,,2.0,100,1,0,0.001\n"
        '1,failed,,"diverged, twice",2.0,100,1,0,0.001\n'
    )
    frame = trials.trials_frame()
    assert frame["objective"].isna().tolist() == [False, True]
    assert frame["hyperparameters.learning_rate"].tolist() == [0.001, 0.001]


def write_sweep(config, folder, finished):
    for number in range(config.num_trials):
        trial = folder / sweep_paths.trial_name(number)
        proposal = sweep_files.propose_trial(config, number, [])
        files.write_json(trial / "proposal.json", proposal)
        if number < finished:
            content = result(number, float(number)) | {"hyperparameters": proposal["hyperparameters"]}
            files.write_json(trial / "result.json", content)


def test_a_folder_is_read_back_finished_or_not(tmp_path):
    config = sweep(num_trials=12)
    write_sweep(config, tmp_path, finished=11)
    results = sweeps.read_sweep(tmp_path)
    assert [trial.trial for trial in results.trials] == list(range(11))
    assert results.config.search_space == config.search_space
    assert sweeps.daf_sweep_best_config(tmp_path).trial == 10
    assert sweeps.daf_sweep_analysis(tmp_path).num_trials == 11
    assert len(sweeps.read_sweep(tmp_path, sweep(num_trials=4)).trials) == 4
    for number in (3, 4, 5):  # trials that do not wait for each other are begun in any order
        shutil.rmtree(tmp_path / sweep_paths.trial_name(number))
    assert [trial.trial for trial in sweeps.read_sweep(tmp_path).trials] == [0, 1, 2, *range(6, 11)]
    assert sweeps.daf_sweep_best_config(tmp_path).trial == 10
    with pytest.raises(BadInputError, match="run the sweep first"):
        sweeps.read_sweep(tmp_path / "nowhere")


def test_without_an_objective_the_workflow_runs_the_sweep_as_an_experiment(tmp_path, monkeypatch):
    calls = []

    def run_workflow(*, config_path, targets, cores):
        calls.append((targets, cores))
        experiment = ExperimentConfig.from_yaml(config_path)
        assert experiment.sweeps["lr"].search_space == config.search_space
        assert experiment.daf.output_dir == tmp_path
        write_sweep(experiment.sweeps["lr"], config_path.parent, finished=6)

    fake: Any = types.ModuleType("daf.workflow.runner")
    fake.run_workflow = run_workflow
    monkeypatch.setitem(sys.modules, "daf.workflow.runner", fake)
    config = sweep(output_dir=tmp_path)
    results = sweeps.daf_launch_sweep(config, cores=2)
    assert calls == [(["sweep"], 2)]
    assert (tmp_path / "sweeps" / "lr" / "experiment.yaml").is_file()
    assert sweeps.daf_sweep_best_config(results).trial == 5


# ---- analysis ----------------------------------------------------------------------------------------------------


def test_analysis_of_progress_failures_and_cost():
    trials = [
        result(0, 1.0, seconds=5.0),
        result(1, None, status="failed", reason="diverged", seconds=1.0),
        result(2, 3.0, seconds=9.0, rate=0.1),
        result(3, 2.0, seconds=4.0, rate=0.01),
        result(4, None, status="failed", reason="NaN", seconds=1.0),
        result(5, None, status="failed", reason="diverged", seconds=1.0),
    ]
    analysis = sweeps.daf_sweep_analysis(SweepResults.of(sweep(), [TrialResult.from_dict(t) for t in trials]))
    assert [point["best"] for point in analysis.best_so_far] == [1.0, 1.0, 3.0, 3.0, 3.0, 3.0]
    assert analysis["failures"] == {"diverged": [1, 5], "NaN": [4]}
    assert analysis.cost["seconds_total"] == 21.0
    assert analysis.cost["seconds_of_failed_trials"] == 3.0
    assert analysis.cost["agent_steps_total"] == 600
    assert analysis.pareto_trials == [3, 2]  # trial 0 costs more than trial 3 and scores less
    assert [point["value"] for point in analysis.slices["learning_rate"]] == [1e-3] * 4 + [1e-2, 1e-1]
    assert analysis.importance is None
    assert "are needed" in (analysis.importance_note or "")
    assert json.loads(json.dumps(analysis.to_dict())) == analyze(results_of(sweep(), trials)).to_dict()


def test_of_trials_with_equal_scores_only_the_fastest_is_on_the_pareto_front():
    trials = [result(0, 1.0, seconds=5.0), result(1, 1.0, seconds=4.0), result(2, 0.5, seconds=3.0)]
    assert analyze(results_of(sweep(), trials)).pareto_trials == [2, 1]
    costs = [result(0, -1.0, seconds=5.0), result(1, -2.0, seconds=9.0)]
    minimized = analyze(results_of(sweep(optimize_direction="minimize"), costs))
    assert minimized.pareto_trials == [0, 1]
    assert [point["best"] for point in minimized.best_so_far] == [-1.0, -2.0]


def test_failed_trials_are_part_of_what_a_search_could_have_cost():
    failed = result(1, None, status="failed", reason="diverged") | {"agent_steps": 20}
    cost = analyze(results_of(sweep(steps_per_trial=100), [result(0, 1.0), failed])).cost
    assert cost["agent_steps_share"] == 0.6


def test_the_mean_of_a_finalist_is_that_of_its_runs_with_a_score():
    lost = result(0, None, status="failed", reason="diverged")
    runs = [result(0, 3.0), lost, result(0, 5.0)]
    found = results_of(sweep(num_finalists=1, confirmation_seeds=3), [result(0, 9.0)], runs)
    confirmation = sweeps.daf_sweep_analysis(found).confirmation
    assert confirmation is not None
    (finalist,) = confirmation["finalists"]
    assert (finalist["confirmed_mean"], finalist["num_failed"], finalist["optimism"]) == (4.0, 1, 5.0)


def test_importance_finds_the_parameter_that_matters():
    config = sweep({name: {"type": "float", "low": 0, "high": 1} for name in ("a", "b", "c")}, num_trials=60)
    results = sweeps.daf_launch_sweep(config, lambda trial: -((trial.hyperparameters["b"] - 0.3) ** 2))
    importance = sweeps.daf_sweep_analysis(results).importance
    assert importance is not None
    assert sum(importance.values()) == pytest.approx(1.0)
    assert max(importance, key=importance.__getitem__) == "b"
    assert importance["b"] > 0.6


def test_analysis_of_a_sweep_without_a_completed_trial():
    failed = [TrialResult.from_dict(result(0, None, status="failed", reason="diverged"))]
    analysis = sweeps.daf_sweep_analysis(SweepResults.of(sweep(), failed))
    assert analysis.best is None
    assert analysis.best_so_far == [{"trial": 0, "objective": None, "best": None}]


def test_interactions_find_the_pair_that_matters():
    config = sweep({name: {"type": "float", "low": 0, "high": 1} for name in ("a", "b", "c")}, num_trials=40)

    def objective(trial):
        h = trial.hyperparameters
        return (h["a"] - 0.5) * (h["c"] - 0.5) + 0.1 * h["b"]

    pairs = sweeps.daf_sweep_analysis(sweeps.daf_launch_sweep(config, objective)).interactions
    assert pairs is not None
    assert pairs[0]["parameters"] == ["a", "c"]
    assert pairs[0]["explained"] > 0.5
    assert all(pair["explained"] < 0.1 for pair in pairs[1:])
    few = sweeps.daf_launch_sweep(config.model_copy(update={"num_trials": 6}), objective)
    assert sweeps.daf_sweep_analysis(few).interactions is None


def test_parallel_coordinates_place_every_trial_on_every_axis():
    space = {
        "learning_rate": {"type": "float", "low": 1e-4, "high": 1e-2, "log": True},
        "optimizer": ["adam", "sgd"],
        "adam_eps": {"type": "float", "low": 0.0, "high": 1.0, "when": {"optimizer": "adam"}},
    }
    values = [
        {"learning_rate": 1e-3, "optimizer": "adam", "adam_eps": 0.25},
        {"learning_rate": 1e-2, "optimizer": "sgd"},
    ]
    trials = [result(number, 1.0) | {"hyperparameters": point} for number, point in enumerate(values)]
    analysis = analyze(results_of(sweep(space), trials))
    assert analysis["parallel_coordinates"]["axes"] == ["adam_eps", "learning_rate", "optimizer"]
    positions = [trial["positions"] for trial in analysis["parallel_coordinates"]["trials"]]
    assert positions == [[0.25, pytest.approx(0.5), 0.25], [None, 1.0, 0.75]]
    ticks = analysis["parallel_coordinates"]["ticks"]
    assert ticks == [[[0.0, 0.0], [1.0, 1.0]], [[0.0, 1e-4], [1.0, 1e-2]], [[0.25, "adam"], [0.75, "sgd"]]]


def test_the_budget_is_what_was_trained_not_what_was_planned():
    stopped = result(1, 0.5) | {"agent_steps": 25, "stopped_early": "check 1: 0.5 is worse than 0.7"}
    trials = [result(0, 1.0) | {"agent_steps": 100}, stopped]
    analysis = analyze(results_of(sweep(steps_per_trial=100), trials))
    assert analysis["stopped_early"] == [1]
    assert analysis["cost"]["agent_steps_total"] == 125
    assert analysis["cost"]["agent_steps_share"] == 0.625


def test_confirmation_is_part_of_the_cost_and_what_was_skipped_is_not_a_usual_trial():
    skipped = result(2, None) | {"status": "skipped", "reason": "the budget is spent", "seconds": 0.0, "agent_steps": 0}
    again = [result(0, 1.0) | {"seconds": 7.0, "agent_steps": 50}] * 2
    config = sweep(num_trials=4, num_finalists=1, confirmation_seeds=2)
    trials = [result(0, 1.0), result(1, 0.5), skipped, skipped | {"trial": 3}]
    cost = analyze(results_of(config, trials, again)).cost
    assert (cost["confirmation_seconds"], cost["confirmation_agent_steps"]) == (14.0, 100)
    assert cost["seconds_median"] == 2.0
    assert cost["agent_steps_total"] == 200


def test_a_function_that_forgets_its_answer_once_fails_that_trial_only():
    results = sweeps.daf_launch_sweep(sweep(), lambda trial: None if trial.number == 3 else score(trial))
    assert [trial.trial for trial in results.failed] == [3]
    assert "found None" in results.failed[0].reason
    assert len(results.completed) == len(results.trials) - 1
    with pytest.raises(BadInputError, match="without `return`"):
        sweeps.daf_launch_sweep(sweep(), lambda trial: None)
