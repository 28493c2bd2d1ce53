"""What a script of the workflow does around its body: logs, exit codes, what user code prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from daf.errors import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_INTERRUPTED, DafError
from daf.system import failure_report
from daf.system.failure_report import FailureReport, is_user_file
from daf.system.files import PROJECT
from daf.system.tables import read_parquet, write_parquet
from daf.workflow.script import script_context


def job(folder: Path) -> Any:
    return SimpleNamespace(config={}, rule="evaluate_policy", log=[str(folder / "rule.log")], input=[], output=[])


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
