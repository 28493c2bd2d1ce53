"""`daf deploy -n` and `daf rollback`: what would be sent, what serves now, and what a single version can do."""

from __future__ import annotations

from pathlib import Path

import pytest

from daf.command.main import main
from daf.command.release import _what_is_sent
from daf.deployment import daf_deploy_policy
from tests.unit.packaging.test_registry import fake

EXPERIMENT = """
name: small
policies: {p: random}
deployment: {policy: p, endpoint: registry, version: 0.2.0}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an experiment, and a registry that holds version 0.1.0 of its policy."""
    monkeypatch.chdir(tmp_path)
    Path("my.yaml").write_text(EXPERIMENT)
    daf_deploy_policy(fake(Path("packages"), "0.1.0"), "registry", validate=False)
    return tmp_path


def test_what_a_deployment_would_change(folder: Path) -> None:
    assert _what_is_sent("q", "0.1.0", "registry") == (
        "It would send q 0.1.0 to registry, where no version of it serves yet."
    )
    assert _what_is_sent("p", "0.1.0", "registry") == "p 0.1.0 serves at registry already: nothing would be sent."
    sent = _what_is_sent("p", "0.2.0", "registry")
    assert sent.startswith("It would send p 0.2.0 to registry, where 0.1.0 serves since 2")
    assert _what_is_sent("p", "0.2.0", "https://example.org") == (
        "It would send p 0.2.0 to https://example.org; a server does not say what it serves now."
    )


def test_a_single_version_goes_on_serving(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rollback", "my.yaml"]) == 1
    printed = capsys.readouterr().err
    assert "expected: an earlier version to go back to" in printed
    assert "found:    0.1.0 alone, which goes on serving" in printed
    assert "hint:     deploy another version first; a rollback then lets this one serve again" in printed
    daf_deploy_policy(fake(Path("packages"), "0.2.0"), "registry", validate=False)
    assert main(["rollback", "my.yaml", "-n"]) == 0
    assert capsys.readouterr().out.startswith("would serve: p 0.1.0")
    assert main(["rollback", "my.yaml"]) == 0
    assert capsys.readouterr().out.startswith("serves: p 0.1.0")


def test_a_second_rollback_names_the_later_version(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    daf_deploy_policy(fake(Path("packages"), "0.2.0"), "registry", validate=False)
    assert main(["rollback", "my.yaml"]) == 0
    assert main(["rollback", "my.yaml"]) == 1
    printed = capsys.readouterr().err
    assert "found:    none before 0.1.0, which goes on serving; the registry also holds 0.2.0" in printed
    assert "hint:     name the version that is to serve: --version 0.2.0" in printed
    assert main(["rollback", "my.yaml", "--version", "0.2.0"]) == 0
    assert capsys.readouterr().out.startswith("serves: p 0.2.0")


def test_a_deployment_takes_the_cores_that_it_is_given(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr("daf.command.release.run_here", lambda command, **_: commands.append(command) or 1)
    assert main(["deploy", "my.yaml", "-j", "1"]) == 1
    (command,) = commands
    assert command[command.index("--cores") + 1] == "1"
