"""The check before the first job: what it finds, all at once, and when it may be skipped.

`check_with_engine` is what the check does; here it runs in this process. How its findings reach the terminal is
tested in tests/workflow/test_bad_input.py.
"""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("cogames")

import torch

from daf.config import ExperimentConfig
from daf.engine import model_files
from daf.engine.policy_classes import full_class_path
from daf.errors import EXIT_INTERRUPTED, BadInputError, ConfigError, DafError, InterruptedByUser
from daf.workflow import preflight
from daf.workflow.engine_check import check_with_engine
from daf.workflow.plan import Plan
from daf.workflow.validation_pools import shared_pools

TRAINING = {"mission": "assembler_2", "init_kwargs": {"hidden_size": 8}, "num_steps": 100}
COMPARISON = {"policies": ["random"], "missions": ["assembler_2"], "episodes_per_mission": 2}


def plan(**data):
    return Plan(ExperimentConfig.from_dict(data))


def problems(**data):
    with pytest.raises(ConfigError) as caught:
        check_with_engine(plan(**data), "x.yaml")
    return {(problem.where.split(" (")[0], problem.found): problem for problem in caught.value.problems}


def only(found, key):
    assert len(found) == 1
    problem = next(iter(found.values()))
    assert problem.where.startswith(f"x.yaml: {key} (")
    return problem


# ---- what it finds ---------------------------------------------------------------------------------------------


def test_a_good_experiment_passes(tmp_path):
    check_with_engine(
        plan(
            training={"a": TRAINING},
            sweeps={"s": {"mission": "assembler_2", "search_space": {"init_kwargs.hidden_size": [8, 16]}}},
            policies={"mine": {"training": "a"}},
            missions={"short": {"source": "assembler_2", "max_steps": 5}},
            comparisons={"c": {**COMPARISON, "policies": ["mine", "random"], "missions": ["assembler_2", "short"]}},
            deployment={"policy": "mine", "validation_mission": "short"},
        ),
        "x.yaml",
    )


def test_everything_wrong_at_once():
    found = problems(
        training={
            "a": {**TRAINING, "mission": "assembler_22"},
            "b": {**TRAINING, "policy_class_path": "random", "init_kwargs": {}},
            "c": {**TRAINING, "init_kwargs": {"hidden_sice": 8}},
        },
        sweeps={"s": {"mission": "assembler_2", "search_space": {"learning_rat": [0.1]}}},
        policies={"x": "daf.errors.DafError", "y": "gird", "z": {"class_path": "lstm", "data_path": "none.pt"}},
        comparisons={"c": {**COMPARISON, "policies": ["x", "y", "z"], "missions": ["tutorial.minre"]}},
    )
    assert set(found) == {
        ("x.yaml: training.a.mission", "'assembler_22'"),
        ("x.yaml: training.b.policy_class_path", "'random' has no network"),
        ("x.yaml: training.c.policy_class_path", "'hidden_sice'"),
        ("x.yaml: sweeps.s.search_space", "'learning_rat'"),
        ("x.yaml: policies.x", "class DafError"),
        ("x.yaml: policies.y", "'gird'"),
        ("x.yaml: policies.z", "no such file"),
        ("x.yaml: comparisons.c.missions", "'tutorial.minre'"),
    }
    assert "'grid'" in found["x.yaml: policies.y", "'gird'"].hint


def test_a_declared_mission_is_wrong_where_it_is_declared():
    found = problems(
        missions={"short": {"source": "depott.yaml", "max_steps": 5}},
        training={"a": {**TRAINING, "mission": "short"}},
        comparisons={"c": {**COMPARISON, "policies": ["random"], "missions": ["short"]}},
    )
    assert only(found, "missions.short").found == "no such file"


def test_what_is_wrong_is_said_once():
    """Not again for the policy that the training would make, nor for every mission that it would play."""
    problem = only(
        problems(
            training={"a": {**TRAINING, "mission": "assembler_22"}},
            policies={"mine": {"training": "a"}},
            comparisons={"c": {**COMPARISON, "policies": ["mine"], "missions": ["assembler_2", "tutorial.miner"]}},
            deployment={"policy": "mine", "validation_mission": "assembler_2"},
        ),
        "training.a.mission",
    )
    assert "'assembler_2'" in problem.hint


def test_a_policy_that_nobody_plays_is_checked_too():
    assert only(problems(policies={"y": "gird"}), "policies.y").found == "'gird'"


def test_the_hint_for_an_unknown_mission_knows_the_missions_of_the_experiment():
    missions = {"long_shift": {"source": "assembler_2", "max_steps": 5}}
    found = problems(missions=missions, comparisons={"c": {**COMPARISON, "missions": ["long_shfit"]}})
    assert only(found, "comparisons.c.missions").hint == "did you mean 'long_shift'?"
    source = problems(
        missions={"mine": {"source": "assembler_22"}}, comparisons={"c": {**COMPARISON, "missions": ["mine"]}}
    )
    assert only(source, "missions.mine").hint == "did you mean 'assembler_2'?"


@pytest.mark.parametrize("mission", ["easy_hearts_training", "diagnostic_memory"])
def test_a_mission_without_room_for_its_agents(mission):
    problem = only(problems(comparisons={"c": {**COMPARISON, "missions": [mission]}}), "comparisons.c.missions")
    assert "8 exceeds available spawn points 4" in problem.found
    few = {"few": {"source": mission, "num_agents": 4}}
    if mission == "diagnostic_memory":
        check_with_engine(plan(missions=few, comparisons={"c": {**COMPARISON, "missions": ["few"]}}), "x.yaml")


def test_a_policy_that_was_trained_on_something_else():
    problem = only(
        problems(
            training={"a": TRAINING},
            policies={"mine": {"training": "a"}},
            comparisons={"c": {**COMPARISON, "policies": ["mine"], "missions": ["training_facility_1"]}},
        ),
        "policies.mine",
    )
    assert "observation shape" in problem.expected
    assert "trained on" in problem.hint


def test_a_package_that_could_not_play_its_validation_mission():
    training = {"training": {"a": TRAINING}, "policies": {"mine": {"training": "a"}}}
    bad = {"policy": "mine", "validation_mission": "training_facility_1"}
    assert only(problems(**training, deployment=bad), "deployment.validation_mission").found == "128 x 3"
    check_with_engine(plan(**training, deployment={**bad, "validation_mission": "assembler_2"}), "x.yaml")


def test_weights_are_loaded_before_anything_runs(tmp_path):
    path = tmp_path / "model.pt"
    policies = {"w": {"class_path": "grid", "init_kwargs": {"hidden_size": 8}, "data_path": str(path)}}
    torch.save({"not": torch.zeros(1)}, path)
    found = problems(policies=policies, comparisons={"c": {**COMPARISON, "policies": ["w"]}})
    assert "Missing key" in only(found, "policies.w").found
    path.write_bytes(b"")
    found = problems(policies=policies, comparisons={"c": {**COMPARISON, "policies": ["w"]}})
    assert "damaged" in only(found, "policies.w").found
    found = problems(policies=policies, deployment={"policy": "w", "validation_mission": "assembler_2"})
    assert "damaged" in only(found, "deployment.validation_mission").found


def test_weights_to_start_from_that_do_not_fit():
    found = problems(
        training={
            "a": TRAINING,
            "fits": {**TRAINING, "start_from": "a"},
            "larger": {**TRAINING, "init_kwargs": {"hidden_size": 16}, "start_from": "a"},
            "other": {**TRAINING, "policy_class_path": "stateless", "init_kwargs": {}, "start_from": "a"},
            "elsewhere": {**TRAINING, "mission": "tutorial.miner", "start_from": "a"},
        },
        sweeps={
            "s": {"mission": "assembler_2", "search_space": {"init_kwargs.hidden_size": [8, 16]}, "start_from": "a"},
            "t": {"mission": "assembler_2", "search_space": {"gamma": [0.9, 0.99]}, "start_from": "a"},
        },
    )
    by_key = {where: problem for (where, _), problem in found.items()}
    assert by_key.keys() == {
        "x.yaml: training.larger.start_from", "x.yaml: training.other.start_from",
        "x.yaml: training.elsewhere.start_from", "x.yaml: sweeps.t.start_from",
    }  # fmt: skip
    larger = by_key["x.yaml: training.larger.start_from"]
    assert (larger.expected, larger.found) == (
        "a network with action_head.weight [5, 16]", "one with action_head.weight [5, 8]",
    )  # fmt: skip
    assert "weights of training run 'a'" in larger.where
    assert by_key["x.yaml: training.other.start_from"].found == "those of daf.engine.grid_policy.GridPolicy"
    elsewhere = by_key["x.yaml: training.elsewhere.start_from"]
    assert elsewhere.expected.startswith("the same vibe action names on both missions (7: change_vibe_default")
    assert elsewhere.found.startswith("none (without 'change_vibe_default'")


def test_teachers_that_cannot_teach():
    def taught(by):
        return {**TRAINING, "teacher": {"policy": by, "steps": 10}}

    found = problems(
        training={
            "far": {**TRAINING, "mission": "tutorial.miner"},
            "scripted": taught("baseline"),
            "unknown": taught("baselin"),
            "elsewhere": taught("mine"),
        },
        policies={"mine": {"training": "far"}},
    )
    by_key = {where: problem for (where, _), problem in found.items()}
    assert by_key.keys() == {"x.yaml: training.unknown.teacher", "x.yaml: training.elsewhere.teacher"}
    assert "on both missions" in by_key["x.yaml: training.elsewhere.teacher"].expected


def test_missions_that_cannot_be_learned_together(tmp_path):
    def several(*missions, **more):
        return {**TRAINING, "missions": [{"mission": mission} for mission in missions], **more}

    shipped = Path("config/missions/assembler_2.yaml").read_text()
    quiet = tmp_path / "quiet.yaml"
    quiet.write_text("\n".join(line for line in shipped.splitlines() if not line.startswith("success:")))
    found = problems(
        missions={"short": {"source": "assembler_2", "max_steps": 50}, "pair": {"source": "arena", "num_agents": 2}},
        training={
            "fits": several("short", "assembler_2"),
            "elsewhere": several("short", "tutorial.miner"),
            "fewer": several("pair", "short"),
            "unknown": several("short", "asembler_2"),
            "unmeasured": several("short", str(quiet), objective_metric="success_rate"),
        },
    )
    by_key = {where: problem for (where, _), problem in found.items()}
    assert by_key.keys() == {
        *(f"x.yaml: training.{name}.missions" for name in ("elsewhere", "fewer", "unknown")),
        "x.yaml: training.unmeasured.objective_metric",
    }
    elsewhere = by_key["x.yaml: training.elsewhere.missions"]
    assert elsewhere.expected == "the same vibe action names as on 'assembler_2' (none)"
    assert "mission 'tutorial.miner'" in elsewhere.where
    fewer = by_key["x.yaml: training.fewer.missions"]
    assert (fewer.expected, fewer.found) == ("4 agents, as on 'assembler_2'", "2")
    assert by_key["x.yaml: training.unknown.missions"].hint == "did you mean 'assembler_2'?"


def test_partners_that_cannot_play():
    def beside(**partners):
        return {**TRAINING, "partners": partners}

    found = problems(
        missions={"alone": {"source": "exploration_sparse_search_easy", "max_steps": 5}},
        training={
            "far": {**TRAINING, "mission": "tutorial.miner"},
            "good": beside(pool=["baseline"], history={"every": 9}, validation=["random"]),
            "unknown": beside(pool=["noop", "baselin"]),
            "absent": beside(pool=["noop", "no_such_module.Scout"]),
            "elsewhere": beside(validation=["mine"]),
            "greedy": beside(pool=["noop"], share=0.9),
            "single": {**beside(pool=["noop"]), "mission": "alone"},
        },
        policies={"mine": {"training": "far"}},
        sweeps={
            "wide": {"training": "good", "search_space": {"partners.share": [0.1, 0.9]}},
            "elsewhere": {"training": "good", "mission": "alone", "search_space": {"gamma": [0.9, 0.99]}},
        },
    )
    by_key = {where: problem for (where, _), problem in found.items()}
    assert by_key.keys() == {
        "x.yaml: training.unknown.partners.pool[1]", "x.yaml: training.elsewhere.partners.validation[0]",
        "x.yaml: training.greedy.partners", "x.yaml: training.single.partners",
        "x.yaml: training.absent.partners.pool[1]", "x.yaml: sweeps.wide.search_space",
        "x.yaml: sweeps.elsewhere.search_space",
    }  # fmt: skip
    assert by_key["x.yaml: training.greedy.partners"].expected.startswith("a share of at most 0.75")
    assert by_key["x.yaml: training.single.partners"].found == "1 agent"
    assert "no_such_module" in by_key["x.yaml: training.absent.partners.pool[1]"].found
    assert by_key["x.yaml: sweeps.wide.search_space"].found == "0.9"
    assert by_key["x.yaml: sweeps.elsewhere.search_space"].found == "1 agent"


def test_a_validation_pool_that_also_tests():
    training = {"a": {**TRAINING, "partners": {"validation": ["scripted", "noop"]}}, "b": TRAINING}
    policies = {
        "mine": {"training": "a"}, "other": {"training": "b"}, "scripted": "baseline",
        "team": {"policies": {"mine": 1, "noop": 1}}, "others": {"policies": {"other": 1, "noop": 1}},
    }  # fmt: skip
    pickup = {"format": "pickup", "missions": ["assembler_2"], "episodes": 2}
    tournaments = {
        "cup": {**pickup, "candidates": ["mine"], "pool": [full_class_path("baseline"), "random"]},
        "theirs": {**pickup, "candidates": ["other"], "pool": ["noop"]},
        "fair": {**pickup, "candidates": ["mine"], "pool": ["random"]},
    }
    experiment = plan(
        training=training,
        policies=policies,
        tournaments=tournaments,
        comparisons={"c": {**COMPARISON, "policies": ["team", "others", "mine"]}},
    ).experiment
    warnings = list(shared_pools(experiment, "x.yaml"))
    assert {warning.where for warning in warnings} == {"x.yaml: training.a.partners.validation"}
    assert {(warning.expected.rpartition(" ")[2], warning.found) for warning in warnings} == {
        ("tournaments.cup", "'scripted'"), ("comparisons.c", "'noop'"),
    }  # fmt: skip


def test_a_file_of_weights_to_start_from_is_loaded_before_anything_runs(tmp_path):
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(model_files.weights_bytes({"x": torch.zeros(1)}))
    problem = only(problems(training={"a": {**TRAINING, "start_from": str(weights)}}), "training.a.start_from")
    assert problem.expected == "weights of this network"


def test_environments_that_processes_cannot_share():
    found = problems(training={"a": {**TRAINING, "processes_per_machine": 3}})
    assert ("x.yaml: training.a.hyperparameters.num_envs", "16") in found


def test_tournaments_have_the_seats_that_the_engine_has_agents():
    cup = {"format": "pairing", "candidates": ["random", "noop"], "missions": ["big"], "splits": ["1-1"]}
    found = problems(missions={"big": {"source": "arena", "variants": ["multi_team"]}}, tournaments={"cup": cup})
    problem = only(found, "tournaments.cup.missions")
    assert (problem.expected, problem.found) == ("8 agents, as its matches have seats", "16 agents")


def test_everyone_in_a_tournament_exists():
    cup = {"format": "pickup", "candidates": ["random"], "pool": ["randon"], "missions": ["assembler_2"]}
    problem = only(problems(tournaments={"cup": cup}), "tournaments.cup.pool")
    assert "random" in problem.hint


# ---- when it is skipped ----------------------------------------------------------------------------------------


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Runs in an empty folder, and records calls of the engine's process instead of starting it."""
    monkeypatch.chdir(tmp_path)
    made = []
    passed = {"problems": [], "warnings": []}
    recorded: Any = type(
        "Calls", (), {"made": made, "code": 0, "printed": "", "result": passed, "step": None, "shadow": None}
    )()

    def run(command, stdout, **options):
        made.append(command)
        stdout.write(recorded.printed.encode())
        stdout.flush()
        files = {preflight.RESULT: recorded.result, preflight.STEP: recorded.step, preflight.SHADOW: recorded.shadow}
        for name, content in files.items():
            if content is not None:
                Path(command[-1], name).write_text(json.dumps(content) if name == preflight.RESULT else content)
        return subprocess.CompletedProcess(command, recorded.code)

    monkeypatch.setattr(subprocess, "run", run)
    return recorded


def checked(calls, **data):
    before = len(calls.made)
    preflight.check_once(plan(**data), "x.yaml")
    return len(calls.made) > before


def test_a_passed_check_is_not_repeated(calls):
    assert checked(calls, comparisons={"c": COMPARISON})
    assert not checked(calls, comparisons={"c": COMPARISON})
    assert checked(calls, comparisons={"c": {**COMPARISON, "missions": ["tutorial.miner"]}})


def test_a_changed_file_is_checked_again(calls, tmp_path):
    room, weights = tmp_path / "room.yaml", tmp_path / "w.pt"
    room.write_text("a: 1")
    weights.write_text("1")
    data = {
        "policies": {"w": {"class_path": "lstm", "data_path": "w.pt"}},
        "comparisons": {"c": {**COMPARISON, "missions": ["room.yaml"], "policies": ["w"]}},
    }
    assert checked(calls, **data)
    assert not checked(calls, **data)
    room.write_text("a: 2")
    assert checked(calls, **data)
    weights.write_text("2")
    assert checked(calls, **data)
    assert not checked(calls, **data)


def test_a_trained_model_counts_with_its_description(calls, tmp_path, monkeypatch):
    (tmp_path / "m.safetensors").write_text("weights")
    (tmp_path / "m.json").write_text("grid")
    described = SimpleNamespace(policy_class_path="daf.engine.grid_policy.GridPolicy")
    monkeypatch.setattr(model_files, "load_model_description", lambda path: described)
    data = {
        "policies": {"m": {"data_path": "m.safetensors"}},
        "comparisons": {"c": {**COMPARISON, "policies": ["m"]}},
    }
    assert checked(calls, **data)
    assert not checked(calls, **data)
    (tmp_path / "m.json").write_text("grid, edited")
    assert checked(calls, **data)
    described.policy_class_path = "mine.Policy"
    (tmp_path / "mine.py").write_text("1")
    assert checked(calls, **data)
    assert not checked(calls, **data)
    (tmp_path / "mine.py").write_text("the class of the weights, edited")
    assert checked(calls, **data)


@pytest.mark.parametrize(
    "of",
    [
        {"policies": {"p": "mine.Policy"}},
        {"comparisons": {"c": {**COMPARISON, "policies": ["mine.Policy"]}}},
        {"policies": {"t": {"policies": {"mine.Policy": 1, "random": 1}}}},
        {"training": {"a": {**TRAINING, "policy_class_path": "mine.Policy"}}},
        {"training": {"a": {**TRAINING, "trackers": ["mine"]}}},
        {"sweeps": {"s": {"policy_class_path": "mine.Policy", "search_space": {"learning_rate": [0.1, 0.2]}}}},
        {"sweeps": {"s": {"strategy": "mine.Strategy", "search_space": {"learning_rate": [0.1, 0.2]}}}},
        {"missions": {"m": {"source": "mine.py"}}, "comparisons": {"c": {**COMPARISON, "missions": ["m"]}}},
    ],
    ids=["policy", "compared", "member", "training", "tracker", "sweep", "strategy", "mission"],
)
def test_a_users_own_code_is_checked_once_until_it_changes(calls, tmp_path, of):
    (tmp_path / "mine.py").write_text("import helper")
    (tmp_path / "helper.py").write_text("1")
    assert checked(calls, **of)
    assert not checked(calls, **of)
    (tmp_path / "helper.py").write_text("1, edited")
    assert checked(calls, **of)
    assert not checked(calls, **of)


def test_code_without_a_source_is_always_checked(calls):
    data = {"policies": {"p": "nowhere.Policy"}}
    assert checked(calls, **data)
    assert checked(calls, **data)


def test_problems_come_back_as_they_are_and_leave_no_stamp(calls, tmp_path):
    calls.result = {"problems": [{"expected": "a", "found": "b", "where": "c", "hint": "d"}], "warnings": []}
    calls.printed = "}{ whatever user code prints"
    for _ in range(2):
        with pytest.raises(ConfigError) as caught:
            checked(calls, comparisons={"c": COMPARISON})
        assert str(caught.value) == str(BadInputError("a", "b", "c", "d"))
    assert len(calls.made) == 2
    assert [path.name for path in (tmp_path / ".snakemake" / "daf").iterdir()] == [preflight.LOG]


def test_an_engine_that_does_not_load(calls):
    calls.code, calls.result = preflight.ENGINE_MISSING, None
    calls.printed = "Traceback …\nModuleNotFoundError: No module named 'mettagrid'\n"
    with pytest.raises(DafError) as caught:
        checked(calls, comparisons={"c": COMPARISON})
    assert caught.value.found == "ModuleNotFoundError: No module named 'mettagrid'"
    assert caught.value.exit_code == 1


def test_an_engine_that_does_not_load_because_of_a_users_file(calls):
    calls.code, calls.result, calls.shadow = preflight.ENGINE_MISSING, None, "/home/me/colorsys.py"
    calls.printed = "Traceback …\nImportError: cannot import name 'x' from 'colorsys'\n"
    with pytest.raises(BadInputError) as caught:
        checked(calls, comparisons={"c": COMPARISON})
    assert caught.value.found.endswith("from 'colorsys', because of /home/me/colorsys.py")
    assert caught.value.hint.startswith("rename /home/me/colorsys.py: ")


def test_a_check_that_fails_in_a_way_nobody_foresaw_blames_neither_the_user_nor_the_environment(calls):
    calls.code, calls.result, calls.step = 1, None, "comparisons.c"
    calls.printed = "Traceback …\nKeyError: 'x'\n"
    with pytest.raises(DafError) as caught:
        checked(calls, comparisons={"c": COMPARISON})
    assert (caught.value.found, caught.value.exit_code) == ("exit code 1: KeyError: 'x'", 1)
    assert caught.value.hint == f"the messages and the traceback are in {preflight.STAMPS / preflight.LOG}"


@pytest.mark.parametrize(("code", "ended"), [(0, "exit code 0"), (3, "exit code 3"), (-11, "SIGSEGV")])
def test_a_check_that_user_code_ends(calls, code, ended):
    """Whatever its exit code, without a result it has not passed; the step names the culprit."""
    calls.code, calls.result, calls.step = code, None, "sweeps.s.search_space"
    calls.printed = "bye\n"
    with pytest.raises(BadInputError) as caught:
        checked(calls, comparisons={"c": COMPARISON})
    assert caught.value.where == "x.yaml: sweeps.s.search_space"
    assert caught.value.found == f"its process ended with {ended}: bye"
    assert "check.log" in caught.value.hint


def test_ctrl_c_during_the_check_is_one_line(calls, capsys, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", interrupted)
    with pytest.raises(InterruptedByUser) as caught:
        checked(calls, comparisons={"c": COMPARISON})
    assert caught.value.code == EXIT_INTERRUPTED
    said = capsys.readouterr().err.splitlines()[1:]  # after the line that the check began
    assert said == ["", f"interrupted by Ctrl-C while {preflight.CHECKING}; nothing ran"]


def test_warnings_are_printed_and_do_not_stop(calls, capsys):
    calls.result = {"problems": [], "warnings": [{"expected": "a", "found": "b", "where": "c", "hint": "d"}]}
    assert checked(calls, comparisons={"c": COMPARISON})
    assert "Warning: c\n  expected: a" in capsys.readouterr().err


def test_a_passed_check_repeats_its_warnings(calls, capsys):
    calls.result = {"problems": [], "warnings": [{"expected": "a", "found": "b", "where": "c", "hint": "d"}]}
    checked(calls, comparisons={"c": COMPARISON})
    announced, first = capsys.readouterr().err.split("\n", 1)
    assert announced == "Checking the experiment with the engine, once for each change of it"
    for _ in range(2):
        assert not checked(calls, comparisons={"c": COMPARISON})
        assert capsys.readouterr().err == first == f"Warning: {BadInputError('a', 'b', 'c', 'd')}\n"
    preflight.check_once(plan(comparisons={"c": COMPARISON}), "x.yaml", warn=False)
    assert not capsys.readouterr().err


def test_a_stamp_that_cannot_be_read_is_no_passed_check(calls, tmp_path):
    checked(calls, comparisons={"c": COMPARISON})
    (stamp,) = (tmp_path / ".snakemake" / "daf").glob("checked-*")
    stamp.write_text("")
    assert checked(calls, comparisons={"c": COMPARISON})


def test_a_sweep_of_an_argument_that_the_policy_lacks():
    sweeps = {"s": {"search_space": {"init_kwargs.hiden_size": [32, 64]}, "num_trials": 2}}
    found = only(problems(sweeps=sweeps), "sweeps.s.search_space")
    assert found.found == "'hiden_size'"
    assert "did you mean 'hidden_size'" in found.hint


def test_a_sweep_for_a_success_that_its_mission_does_not_have():
    space = {"learning_rate": [0.001, 0.002]}
    sweeps = {"s": {"mission": "tutorial", "search_space": space, "objective_metric": "success_rate"}}
    assert only(problems(sweeps=sweeps), "sweeps.s.objective_metric").expected == "a mission that defines success"
