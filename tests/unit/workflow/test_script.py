"""What a script of the workflow does around its body: logs, exit codes, what user code prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from daf.config import ExperimentConfig
from daf.config.package_recipes import package_recipe
from daf.errors import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_INTERRUPTED, DafError
from daf.search.recipe import strategy_code
from daf.system import failure_report
from daf.system.failure_report import FailureReport, is_user_file
from daf.system.files import PROJECT
from daf.system.job_states import JobState
from daf.system.provenance import provenance
from daf.system.tables import read_parquet, write_parquet
from daf.system.user_code import KEY
from daf.training.launch import TrainingInterruptedError
from daf.workflow.code_changes import code_unchanged
from daf.workflow.plan import Plan
from daf.workflow.script import cores_of_job, evaluation_device, script_context


def job(folder: Path) -> Any:
    log = [str(folder / "rule.log")]
    return SimpleNamespace(config={}, rule="evaluate_policy", log=log, threads=1, input=[], output=[], params=[])


@pytest.mark.parametrize(
    ("resources", "device", "cores"),
    [
        ({}, "cpu", None),
        ({"gpu": 0, "cores_per_gpu": 1}, "cpu", 4),
        ({"gpu": 1, "cores_per_gpu": 4}, "auto", 4),
        ({"gres": "gpu:1", "cores_per_gpu": 2}, "auto", 4),
        ({"gres": ""}, "cpu", None),
        ({"gres": "none"}, "cpu", None),
    ],
)
def test_a_job_uses_the_gpu_and_the_cores_that_it_asked_for(
    resources: dict[str, Any], device: str, cores: int | None
) -> None:
    snakemake = SimpleNamespace(resources=resources, threads=4)
    assert evaluation_device(snakemake, "auto") == device
    assert cores_of_job(snakemake) == cores


def test_what_user_code_prints_is_in_the_log_and_on_the_terminal(tmp_path: Path, capsys: Any) -> None:
    with script_context(job(tmp_path)):
        print("step", 1)
    assert "step 1\n" in (tmp_path / "rule.log").read_text()
    assert capsys.readouterr().out == "step 1\n"


def test_ctrl_c_is_one_line_and_its_exit_code(tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(SystemExit) as caught, script_context(job(tmp_path)):
        raise KeyboardInterrupt
    assert caught.value.code == EXIT_INTERRUPTED
    assert "interrupted by Ctrl-C" in capsys.readouterr().err
    assert "Traceback" not in (tmp_path / "rule.log").read_text()


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (ValueError("no"), "failed", 1),
        (KeyboardInterrupt(), "interrupted", 130),
        (TrainingInterruptedError("a", "b", "c"), "interrupted", 75),
    ],
)
def test_a_job_leaves_its_state_until_it_has_succeeded(
    tmp_path: Path, raised: BaseException, status: str, code: int
) -> None:
    seen: list[JobState] = []

    def body() -> None:
        seen.append(JobState.read(tmp_path / "rule.state.json"))
        raise raised

    with pytest.raises(SystemExit), script_context(job(tmp_path)):
        body()
    (state,) = seen
    assert (state.rule, state.status, state.process.runs()) == ("evaluate_policy", "running", True)
    ended = JobState.read(tmp_path / "rule.state.json")
    assert (ended.status, ended.exit_code, ended.began) == (status, code, state.began)
    with script_context(job(tmp_path)):
        pass
    assert not (tmp_path / "rule.state.json").exists()


def test_results_of_a_job_say_which_keys_were_overridden(tmp_path: Path) -> None:
    overrides = {"file": "my.yaml", "keys": {"daf.seed": {"before": 42, "after": 1}}}
    started = job(tmp_path)
    started.config = {"overrides": overrides}
    with script_context(started):
        assert provenance({}, {})["overrides"] == overrides
    with script_context(job(tmp_path)):
        assert "overrides" not in provenance({}, {})


def test_any_other_exception_is_logged_with_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught, script_context(job(tmp_path)):
        raise ValueError("wrong")
    assert caught.value.code == EXIT_FAILED
    assert "Traceback" in (tmp_path / "rule.log").read_text()


@pytest.mark.parametrize("name", ["scripts/x.py", ".snakemake/scripts/tmp1.x.py"])
def test_a_script_of_a_rule_is_not_the_users_code(name: str) -> None:
    """Snakemake runs it from a copy in its own folder; an error of DAF there needs no traceback."""
    path = (PROJECT if name.startswith("scripts") else Path.cwd()) / name
    with pytest.raises(DafError) as caught:
        exec(compile("from daf.errors import DafError\nraise DafError('a', 'b', 'c')", str(path), "exec"), {})
    caught.value.__traceback__ = caught.value.__traceback__.tb_next  # type: ignore[union-attr]  # without this file
    assert not FailureReport.of(caught.value).in_user_code


def test_a_damaged_result_ends_without_a_traceback(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The frames of a compiled library, such as `pyarrow/error.pxi`, are not the user's code."""
    monkeypatch.setattr(failure_report, "_DAF", (*failure_report._DAF, __file__))  # as if this file were a script
    path = tmp_path / "episodes.parquet"
    write_parquet(path, pd.DataFrame({"reward": range(100)}))
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(SystemExit) as caught, script_context(job(tmp_path)):
        read_parquet(path)
    assert caught.value.code == EXIT_BAD_INPUT
    shown = (tmp_path / "rule.log").read_text()
    assert "a damaged file" in shown
    assert "Traceback" not in shown + capsys.readouterr().err


def test_a_users_own_compiled_module_is_user_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert not is_user_file("fast.pyx")
    (tmp_path / "fast.pyx").touch()
    assert is_user_file("fast.pyx")


@pytest.mark.parametrize("handled", [True, False])
def test_an_interrupt_can_be_handled_and_otherwise_ends_a_program_in_one_line(handled: bool) -> None:
    body = "raise KeyboardInterrupt"
    program = f"from daf.errors import ending_in_one_line\nwith ending_in_one_line('kept'): {body}"
    if handled:
        lines = program.splitlines()
        program = f"{lines[0]}\ntry:\n    {lines[1]}\nexcept KeyboardInterrupt: print('handled')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr == "\nkept\n"
    assert (done.returncode, done.stdout) == ((0, "handled\n") if handled else (EXIT_INTERRUPTED, ""))


# ---- code that changes while the workflow runs -------------------------------------------------------------------

MINE = "mine_here.Policy"
EXPERIMENT = {
    "missions": {"hall": {"source": "arena.py"}},
    "sweeps": {
        "s": {
            "mission": "assembler_2",
            "policy_class_path": MINE,
            "strategy": "strategy_here.Strategy",
            "search_space": {"init_kwargs.table": {"type": "categorical", "choices": ["a.txt", "b.txt"]}},
        }
    },
    "training": {"t": {"mission": "assembler_2", "policy_class_path": MINE, "num_steps": 100}},
    "policies": {"p": {"class_path": MINE, "init_kwargs": {"map": "a.txt"}}, "trained": {"training": "t"}},
    "comparisons": {"c": {"policies": ["p", "random"], "missions": ["hall"], "episodes_per_mission": 2}},
    "deployment": {"policy": "trained", "version": "1.0.0", "validation_mission": "assembler_2"},
}


def params_of(kind: str) -> dict[str, Any]:
    experiment = ExperimentConfig.from_dict(EXPERIMENT)
    plan = Plan(experiment)
    match kind:
        case "evaluation":
            return plan.episodes.recipe("p", "hall", 0).to_dict()
        case "trial":
            return plan.learning.sweep_plan("s").trial_settings().to_dict()
        case "training":
            return plan.learning.training("t", experiment.training["t"].seeds[0]).to_dict()
        case "package":
            return package_recipe(experiment, plan.checkpoints.packaged().recipe()).to_dict()
    return {KEY: strategy_code(experiment.sweeps["s"]).model_dump(mode="json")}


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Code of a user, none of which may be imported."""
    monkeypatch.chdir(tmp_path)
    boom = "raise RuntimeError('imported')\n"
    for name, text in {
        "mine_here": "import way_here", "way_here": "WAY = 1", "arena": "import size_here", "size_here": "",
        "strategy_here": "",
    }.items():  # fmt: skip
        (tmp_path / f"{name}.py").write_text(f"{text}\n{boom}")
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("1")
    return tmp_path


def planned(folder: Path, kind: str) -> Any:
    made = job(folder)
    made.config, made.params = EXPERIMENT, [params_of(kind)]
    return made


FILES = {
    "evaluation": ["way_here.py", "size_here.py", "a.txt"],
    "trial": ["way_here.py", "b.txt"],
    "training": ["mine_here.py", "way_here.py"],
    "package": ["way_here.py"],
    "strategy": ["strategy_here.py"],
}


@pytest.mark.parametrize(("kind", "file"), [(kind, file) for kind, files in FILES.items() for file in files])
def test_a_job_fails_if_its_code_changed_before_or_while_it_ran(mine: Path, capsys: Any, kind: str, file: str) -> None:
    """Restored later, its results would be taken for those of the restored code."""
    made = planned(mine, kind)
    original, record = (mine / file).read_text(), mine / "edits.txt"
    with pytest.raises(SystemExit) as caught, script_context(made):
        (mine / file).write_text("WAY = 333\n")
    assert caught.value.code == EXIT_FAILED
    with pytest.raises(SystemExit), script_context(made):
        record.touch()
    assert not record.exists()
    assert capsys.readouterr().err.count(f"{file} changed while the workflow ran") == 2
    (mine / file).write_text(original)
    with script_context(made):
        pass


def test_a_change_is_an_error_in_four_parts(mine: Path) -> None:
    made = planned(mine, "training")
    (mine / "way_here.py").unlink()
    with pytest.raises(DafError) as caught, code_unchanged(made.params, EXPERIMENT, "job train_policy"):
        pass
    assert caught.value.expected == "the code that the workflow was planned with"
    assert caught.value.found == "way_here.py was removed while the workflow ran"
    assert caught.value.where == "job train_policy"
    assert caught.value.hint.startswith("run the same command again")


def test_folders_that_user_code_puts_on_the_path_are_no_change(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = planned(mine, "training")
    other = mine / "other"
    other.mkdir()
    (other / "way_here.py").write_text("another")
    monkeypatch.setattr(sys, "path", list(sys.path))
    with code_unchanged(made.params, EXPERIMENT, "job train_policy"):
        sys.path.insert(0, str(other))
    assert sys.path[0] == str(other)


def test_a_job_ends_without_a_search_of_its_memory_and_with_its_exit_handlers(tmp_path: Path) -> None:
    program = """
import atexit, gc, sys
from types import SimpleNamespace
atexit.register(lambda: print("frozen at the end:", gc.get_freeze_count() > 1000))
from daf.workflow.script import script_context
job = SimpleNamespace(config={}, rule="r", log=[sys.argv[1]], threads=1, input=[], output=[], params=[])
with script_context(job):
    atexit.register(lambda: print("handler of the body"))
    print("frozen in the body:", gc.get_freeze_count() > 1000)
    if sys.argv[2:]:
        raise ValueError("wrong")
"""
    expected = "frozen in the body: False\nhandler of the body\nfrozen at the end: True\n"
    for failing in ([], ["failing"]):
        command = [sys.executable, "-c", program, str(tmp_path / "rule.log"), *failing]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stdout == expected
        assert done.returncode == (EXIT_FAILED if failing else 0)
