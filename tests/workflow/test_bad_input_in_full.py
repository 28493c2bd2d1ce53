"""Every mistake of the list, all in one experiment: each is named once, at its key, with what would be right.

One call of the real command line, because the engine takes seconds to load. The short version, mistake by mistake,
is in test_bad_input.py.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from tests.workflow.tools import SMALL, snakemake, write_experiment

PROBLEM = re.compile(
    r"^experiment\.yaml: (\S+).*\n  expected: (.+)\n  found: +(.+)\n(?:  hint: +(.+)\n)?", re.MULTILINE
)
Problem = tuple[str, str, str, str]


def changed(**values: Any) -> dict[str, Any]:
    """The small experiment with values at dotted keys (`a__b` means a.b)."""
    experiment = copy.deepcopy(SMALL)
    for key, value in values.items():
        *path, last = key.split("__")
        place = experiment
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return experiment


def refused(folder: Path, experiment: dict[str, Any], *arguments: str) -> list[Problem]:
    """Run a wrong experiment: its problems as (key, expected, found, hint)."""
    write_experiment(folder, experiment)
    before = {path.name for path in folder.iterdir()} | {".snakemake"}
    done = snakemake(folder, *arguments, "-j1")  # no dry-run: nothing may be started even so
    assert done.returncode == 2, done.stderr
    output = done.stdout + done.stderr
    assert "Traceback" not in output
    assert "Building DAG" not in output
    assert {path.name for path in folder.iterdir()} <= before
    problems = PROBLEM.findall(output.replace(str(folder) + "/", ""))
    assert output.count("  expected: ") == len(problems), output
    assert len(set(problems)) == len(problems)
    return problems


def test_what_the_file_alone_tells(tmp_path: Path) -> None:
    experiment = changed(
        trainnig={},
        daf__seed="many",
        daf__log_level="inof",
        sweeps__knobs__num_trails=4,
        training__hall__num_steps=-1,
        comparisons__main__confidence_level=95,
        missions__hall__max_step=4,
    )
    assert sorted(refused(tmp_path, experiment)) == [
        (
            "comparisons.main.confidence_level",
            "less than 1.0",
            "95 (int)",
            "`confidence_level` is: confidence level of the intervals",
        ),
        ("daf.log_level", "'debug', 'info', 'warning' or 'error'", "'inof' (str)", "did you mean 'info'?"),
        ("daf.seed", "an integer", "'many' (str)", "write a plain number, without quotes, unit or colons"),
        ("missions.hall.max_step", "a known key", "'max_step'", "did you mean 'max_steps'?"),
        ("sweeps.knobs.num_trails", "a known key", "'num_trails'", "did you mean 'num_trials' or 'num_finalists'?"),
        (
            "training.hall.num_steps",
            "at least 1",
            "-1 (int)",
            "`num_steps` is: agent-steps to train for, rounded up to whole updates",
        ),
        ("trainnig", "a known key", "'trainnig'", "did you mean 'training'?"),
    ]


def test_references_inside_the_file(tmp_path: Path) -> None:
    experiment = changed(
        training__hall__sweep="knob", policies__trained={"training": "hal"}, deployment__policy="trainde"
    )
    assert refused(tmp_path, experiment) == [
        ("training.hall.sweep", "the name of a sweep in this file", "'knob'", "did you mean 'knobs'?"),
        ("policies.trained.training", "the name of a training run in this file", "'hal'", "did you mean 'hall'?"),
        ("deployment.policy", "the name of a policy in this file", "'trainde'", "did you mean 'trained' or 'random'?"),
    ]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"comparisons__b": {"policies": ["random"], "missions": ["hall"], "evaluation_seed": 5}}, "comparisons.b"),
        (
            {"policies__trained-seed-1": "noop", "comparisons__main__policies": ["trained", "trained-seed-1"]},
            "policies",
        ),
    ],
)
def test_two_things_that_would_write_the_same_files(tmp_path: Path, changes: dict[str, Any], place: str) -> None:
    write_experiment(tmp_path, changed(**changes))
    done = snakemake(tmp_path, "-n")
    assert done.returncode == 2
    assert f"\n{place}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_what_only_the_engine_can_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "module_of_a_user.py").write_text("class NoPolicy:\n    pass\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "code"))
    (tmp_path / "damaged.pt").write_bytes(b"this is not a checkpoint")
    (tmp_path / "damaged.zip").write_bytes(b"this is not a bundle")
    (tmp_path / "room.yaml").write_text("sucess: length < 3\nenv: {}\n")

    def plays(mission: str, *policies: str) -> dict[str, Any]:
        return {"policies": list(policies or ["random"]), "missions": [mission], "episodes_per_mission": 2}

    experiment = changed(
        sweeps__knobs__mission="training_facility1",
        sweeps__knobs__search_space={"learning_rat": [0.1]},
        policies__unknown="basline",
        policies__no_policy="module_of_a_user.NoPolicy",
        policies__no_class="module_of_a_user.Policy",
        policies__no_module="modul_of_a_user.Policy",
        policies__missing={"class_path": "grid", "data_path": "modle.pt"},
        policies__damaged={"class_path": "grid", "data_path": "damaged.pt"},
        policies__damaged_bundle={"data_path": "damaged.zip"},
        policies__misspelt={"class_path": "grid", "init_kwargs": {"hiden_size": 3}},
        missions__no_file={"source": "none.yaml"},
        missions__no_variant={"source": "arena", "variants": ["smal_50"]},
        missions__crowd={"source": "tutorial.miner", "num_agents": 500},
        comparisons__a=plays("tutorial.minre"),
        comparisons__b=plays("no_file"),
        comparisons__c=plays("no_variant"),
        comparisons__d=plays("room.yaml"),
        comparisons__e=plays("crowd"),
        comparisons__f=plays("assembler_2", "trained", "undeclarde"),
        comparisons__main__policies=["trained", "random", "damaged"],
        training__hall__processes_per_machine=3,
        training__hall__trackers=["tensorboard", "wamdb"],
        deployment__validation_mission="tutorial.miner",
    )
    problems = refused(tmp_path, experiment)

    expected = [
        ("sweeps.knobs.mission", "the name of a mission", "'training_facility1'", "did you mean 'training_facility_1'"),
        ("sweeps.knobs.search_space", "", "'learning_rat'", "'learning_rate'"),
        ("policies.unknown", "a policy's shorthand or class path", "'basline'", "did you mean 'baseline'"),
        ("policies.no_policy", "a subclass of MultiAgentPolicy or AgentPolicy", "class NoPolicy", ""),
        ("policies.no_class", "a class in module_of_a_user", "no 'Policy'", "did you mean 'NoPolicy'?"),
        ("policies.no_module", "a module that can be imported", "No module named 'modul_of_a_user'", "PYTHONPATH"),
        ("policies.missing", "weights", "no such file", ""),
        ("policies.damaged", "weights", "an unreadable file", ""),
        ("policies.damaged_bundle", "a submission bundle (.zip)", "a damaged file", "copy or download"),
        ("policies.misspelt", "an argument of GridPolicy", "'hiden_size'", "did you mean 'hidden_size'?"),
        ("comparisons.a.missions", "the name of a mission", "'tutorial.minre'", "did you mean 'tutorial.miner'"),
        ("missions.no_file", "a mission file", "no such file", ""),
        ("missions.no_variant", "the name of a CoGames variant", "'smal_50'", "did you mean 'small_50'"),
        ("comparisons.d.missions", "a known key", "'sucess'", "did you mean 'success'?"),
        ("missions.crowd", "a mission that the engine can build", "500 exceeds available spawn", "room"),
        ("comparisons.f.policies", "a policy's shorthand or class path", "'undeclarde'", ""),
        ("policies.trained", "the same observation shape on both missions (128 x 3)", "64 x 3", "evaluate it on"),
        ("training.hall.hyperparameters.num_envs", "a multiple of the 3 training processes", "16", ""),
        ("training.hall.trackers", "a library that can be imported", "No module named 'wamdb'", ""),
        ("deployment.validation_mission", "the same", "", "trained on"),
    ]
    for wanted in expected:
        found = [
            all(a in b for a, b in zip(wanted[1:], one[1:], strict=True)) for one in problems if one[0] == wanted[0]
        ]
        assert any(found), f"{wanted} not in {problems}"
    assert len(problems) == len(expected)  # and nothing else is complained about
