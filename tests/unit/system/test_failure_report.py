"""What a failure says of itself."""

from __future__ import annotations

from pathlib import Path

from daf.system.failure_report import FailureReport


def test_the_place_of_a_syntax_error_is_named_once(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    try:
        compile("x = 1\ny = = 2\n", str(path), "exec")
    except SyntaxError as error:
        report = FailureReport.of(error)
    assert str(report.error) == "SyntaxError: invalid syntax"
    assert "mine.py:2" in report.cause
