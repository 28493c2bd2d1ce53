"""What `make audit` fails on, and that everything bandit skips has its reason beside it."""

from __future__ import annotations

import re
import runpy
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

NEW = {"id": "PYSEC-2026-1", "fix_versions": ["1.1"], "aliases": ["CVE-2026-1"], "description": "bad"}
OLD = {"id": "PYSEC-2026-2", "fix_versions": [], "aliases": [], "description": "bad"}


@pytest.fixture
def audit(repository: Path) -> dict[str, Any]:
    return runpy.run_path(str(repository / "setup" / "audit.py"))


def report(*faults: dict[str, Any], unknown: bool = False) -> dict[str, Any]:
    other = {"name": "other", "skip_reason": "not found"} if unknown else {"name": "other", "version": "2", "vulns": []}
    return {"dependencies": [{"name": "p", "version": "1.0", "vulns": [*faults]}, other]}


def test_a_vulnerability_with_a_fix_fails_unless_it_is_accepted_with_a_reason(audit: dict[str, Any]) -> None:
    judge = audit["judge"]
    assert judge(report(NEW), {}) == (["p 1.0: PYSEC-2026-1, fixed in 1.1"], [])
    for name in ("PYSEC-2026-1", "CVE-2026-1"):
        assert judge(report(NEW), {name: "not called"}) == ([], ["p 1.0: PYSEC-2026-1, accepted: not called"])
    assert judge(report(NEW), {"CVE-2026-1": " "})[0] == ["CVE-2026-1 is accepted without a reason"]
    assert judge(report(OLD), {}) == ([], ["p 1.0: PYSEC-2026-2, without a fix so far"])
    assert judge(report(), {"CVE-9": "x"}) == ([], ["CVE-9 is accepted, but is not reported any more: remove it"])


def test_what_was_not_audited_is_said(audit: dict[str, Any]) -> None:
    assert audit["judge"](report(unknown=True), {}) == ([], ["not audited: other"])
    nothing = {"dependencies": [{"name": "p", "skip_reason": "not found"}]}
    assert audit["judge"](nothing, {})[1] == ["NOT AUDITED: the package index here knows nothing of vulnerabilities"]


@pytest.mark.parametrize(("stderr", "code", "text"), [
    ("requests.exceptions.ConnectionError: Failed to resolve 'pypi.org'", 0, "NOT AUDITED: requests.exceptions"),
    ("ERROR: invalid requirements input: requirements.lock", 1, "invalid requirements input"),
])  # fmt: skip
def test_no_connection_is_no_failure_but_another_error_is(
    stderr: str, code: int, text: str, audit: dict[str, Any], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(stdout="", stderr=stderr, returncode=1))
    assert audit["main"]() == code
    assert text in capsys.readouterr().out


def test_everything_that_bandit_skips_has_its_reason_beside_it(repository: Path) -> None:
    section = (repository / "pyproject.toml").read_text().partition("[tool.bandit]")[2].partition("\n]")[0]
    skips = re.findall(r'^ +"(B\d+)",(.*)$', section, flags=re.MULTILINE)
    assert len(skips) == section.count('"') // 2 > 0
    assert [name for name, rest in skips if not re.fullmatch(r" # \w.{10,}", rest)] == []
    folders = [repository / folder for folder in ("daf", "scripts", "setup")]
    marked = [line for folder in folders for path in folder.rglob("*.py") for line in path.read_text().splitlines()]
    bare = [line for line in marked if "nosec" in line and not re.search(r"# nosec B\d+  # \w.{10,}", line)]
    assert bare == []
