"""What is wrong with a command line, in four parts; and what bash, zsh and fish complete."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from daf.command.completion import SCRIPTS
from daf.command.main import main


@pytest.mark.parametrize(
    ("words", "where", "expected", "found", "hint"),
    [
        ("statsu", "daf", "a command", "'statsu'", "did you mean 'stats' or 'status'?"),
        ("run --jos", "daf run", "arguments that it takes", "--jos", "did you mean"),
        ("status a b", "daf status", "arguments that it takes", "b", "`daf status --help` shows what it takes"),
        ("run -j many", "daf run --jobs", "a whole number", "'many'", "`daf run --help` shows what it takes"),
        ("compare a.csv --margin x", "daf compare --margin", "a number", "'x'", "`daf compare --help` shows"),
        ("run -j", "daf run --jobs", "a value", "none", "`daf run --help` shows what it takes"),
        ("stats", "daf stats", "MISSION", "nothing", "`daf stats --help` shows what it takes"),
        ("completion tcsh", "daf completion SHELL", "one of bash, zsh, fish", "'tcsh'", "`daf completion --help`"),
        ("--verison", "daf", "arguments that it takes", "--verison", "did you mean '--version'?"),
    ],
)
def test_a_wrong_command_line_has_an_error_in_four_parts(
    words: str, where: str, expected: str, found: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[:3] == [where, f"  expected: {expected}", f"  found:    {found}"]
    assert lines[3].startswith(f"  hint:     {hint}")
    assert len(lines) == 4


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_shell_understands_its_script(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell}")
    assert main(["completion", shell]) == 0
    script = tmp_path / "completion"
    script.write_text(capsys.readouterr().out)
    subprocess.run([shell, "--no-execute" if shell == "fish" else "-n", script], check=True)


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish")
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("daf st", ["stats", "status", "stop"]), ("daf run swe", ["sweep"]), ("daf run --profile s", ["slurm"]),
        ("daf status --j", ["--json"]), ("daf completion ", ["bash", "fish", "zsh"]),
    ],
)  # fmt: skip
def test_fish_completes_it(typed: str, completed: list[str], tmp_path: Path) -> None:
    program = f"{SCRIPTS['fish']()}\ncomplete -C '{typed}'"
    done = subprocess.run(["fish", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert sorted(line.partition("\t")[0] for line in done.stdout.splitlines()) == completed


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh")
def test_zsh_completes_it(tmp_path: Path) -> None:
    """Typed into a zsh, with a tab at the end of each line; a function shows the words that it calls."""
    script = tmp_path / "completion"
    script.write_text(SCRIPTS["zsh"]() + '\ndaf() { print -r -- "called<$*>" }\nPS1=\n')
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "dumb"}
    child = subprocess.Popen(["zsh", "-f", "-i"], cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    guard = threading.Timer(120, child.kill)  # a shell that waits would keep the test waiting
    guard.start()
    typed = ("daf sto", "daf run swe", "daf run --profile loc", "daf status --j", "daf completion z")
    os.write(ours, "\n".join(["source ./completion", *(f"{line}\t" for line in typed), "exit\n"]).encode())
    printed = b""
    while True:
        try:
            printed += os.read(ours, 65536)
        except OSError:  # it has ended
            break
    os.close(ours)
    guard.cancel()
    assert child.wait() == 0
    called = re.findall("called<(.*)>", printed.decode())  # what was typed is echoed, too, but not this word
    assert called == ["stop", "run sweep", "run --profile local-gpu", "status --json", "completion zsh"]
