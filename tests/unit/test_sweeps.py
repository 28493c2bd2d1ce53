"""Sweeps: in process with a function of one's own, the content of their files, and what they say afterwards."""

import json
import math
import subprocess
import sys
import types
from pathlib import Path

import pytest

from daf import files, sweeps
from daf.config import DAFSweepConfig, ExperimentConfig
from daf.errors import BadInputError, ConfigError, DafError
from daf.sweeps import SweepResults, TrialResult

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


# ---- history ---------------------------------------------------------------------------------------------------


def test_history_is_what_finished_a_lag_ago():
    assert [list(sweeps.history_indices(n, 2)) for n in range(5)] == [[], [], [0], [0, 1], [0, 1, 2]]
    assert list(sweeps.history_indices(3, 1)) == [0, 1, 2]
    assert list(sweeps.history_indices(3, 1, "random")) == []


def test_the_module_is_light():
    """The Snakefile imports it at parse time."""
    heavy = ("torch", "optuna", "pandas", "scipy", "numpy", "matplotlib", "cogames", "mettagrid")
    program = f"import sys, daf.sweeps; print([m for m in {heavy} if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", program], cwd=Path(sweeps.__file__).parents[1], capture_output=True)
    assert answer.stdout == b"[]\n"


# ---- in process ------------------------------------------------------------------------------------------------


def test_a_grid_runs_each_point_once_and_the_best_is_found():
    config = sweep({"learning_rate": [1e-3, 1e-2, 1e-1], "gamma": [0.9, 0.99]}, strategy="grid", num_trials=2)
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
            raise ZeroDivisionError("no agents")
        return math.nan if trial.number == 2 else math.inf if trial.number == 3 else 1.0

    results = sweeps.daf_launch_sweep(sweep(), objective)
    reasons = {trial.trial: trial.reason for trial in results.failed}
    assert reasons == {1: "ZeroDivisionError: no agents", 2: "objective is nan", 3: "objective is inf"}
    assert [trial.objective for trial in results.trials] == [1.0, None, None, None, 1.0, 1.0]


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
    contents = [trial.to_dict() for trial in results.trials]
    for number in (0, 8, 11):
        seen = [contents[i] for i in sweeps.history_indices(number, 3)]
        proposal = sweeps.propose_trial(config, number, seen)
        assert proposal["hyperparameters"] == results.trials[number].hyperparameters
        assert proposal["seed"] == results.trials[number].seed
        assert proposal["based_on"] == list(range(max(0, number - 2)))


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


# ---- files -------------------------------------------------------------------------------------------------------


def test_a_proposal_says_what_it_is_part_of_and_num_trials_is_not_in_it():
    config = sweep()
    proposal = sweeps.propose_trial(config, 2, [])
    assert json.loads(files.canonical_json(proposal)) == proposal
    assert (proposal["sweep"], proposal["trial"], proposal["strategy"]) == ("lr", 2, "random")
    assert set(proposal["hyperparameters"]) == set(SPACE)
    longer = sweeps.propose_trial(sweep(num_trials=60, output_dir="elsewhere"), 2, [])
    assert longer == proposal
    assert sweeps.propose_trial(sweep(steps_per_trial=7), 2, [])["recipe_digest"] != proposal["recipe_digest"]


def test_best_json_counts_what_it_was_the_best_of():
    trials = [result(0, 1.0), result(1, None, status="failed", reason="diverged"), result(2, 3.0, rate=0.01)]
    best = sweeps.select_best(sweep(), trials)
    assert (best["trial"], best["objective"], best["hyperparameters"]) == (2, 3.0, {"learning_rate": 0.01})
    assert (best["num_trials"], best["num_completed"], best["num_failed"]) == (3, 2, 1)


def test_no_completed_trial_is_an_error_with_the_commonest_reason():
    failed = [result(n, None, status="failed", reason=why) for n, why in enumerate(["NaN", "diverged", "diverged"])]
    with pytest.raises(DafError) as caught:
        sweeps.select_best(sweep(), failed)
    assert caught.value.found == "none of 3 trials completed"
    assert caught.value.hint == "commonest reason (2 of 3): diverged"


def test_a_completed_trial_without_a_finite_objective_is_failed():
    for objective in (None, math.nan, math.inf):
        trial = TrialResult.from_dict(result(0, objective))
        assert trial.status == "failed"
        assert trial.objective is None
        assert "objective is" in (trial.reason or "")


def test_a_damaged_result_is_named():
    with pytest.raises(BadInputError, match="'hyperparameters'"):
        TrialResult.from_dict({"trial": 0, "status": "completed"})
    with pytest.raises(BadInputError, match="'running'"):
        TrialResult.from_dict(result(0, 1.0, status="running"))


def test_results_survive_json():
    results = sweeps.daf_launch_sweep(sweep(), score)
    again = SweepResults.from_dict(json.loads(json.dumps(results.to_dict())))
    assert again == results
    assert again.to_dict() == results.to_dict()


def test_trials_csv_and_frame(tmp_path):
    trials = [result(0, 0.1), result(1, None, status="failed", reason="diverged, twice")]
    sweeps.write_trials_csv(tmp_path / "trials.csv", trials)
    assert (tmp_path / "trials.csv").read_text() == (
        "trial,status,objective,reason,seconds,agent_steps,seed,hyperparameters.learning_rate\n"
        "0,completed,0.1,,2.0,100,1,0.001\n"
        '1,failed,,"diverged, twice",2.0,100,1,0.001\n'
    )
    frame = SweepResults.of(sweep(), [TrialResult.from_dict(trial) for trial in trials]).trials_frame()
    assert frame["objective"].isna().tolist() == [False, True]
    assert frame["hyperparameters.learning_rate"].tolist() == [0.001, 0.001]


def write_sweep(config, folder, finished):
    for number in range(config.num_trials):
        trial = folder / sweeps.trial_name(number)
        proposal = sweeps.propose_trial(config, number, [])
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

    fake = types.ModuleType("daf.orchestrators")
    fake.run_workflow = run_workflow
    monkeypatch.setitem(sys.modules, "daf.orchestrators", fake)
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
    assert json.loads(json.dumps(analysis.to_dict())) == sweeps.analyze_trials(sweep(), trials)


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
