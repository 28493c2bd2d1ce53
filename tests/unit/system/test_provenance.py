"""A result's record: stable digests, versions without imports, the state of the checkout."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from daf.system import provenance as module
from daf.system.files import digest
from daf.system.provenance import git_state, host_facts, provenance, versions
from daf.system.user_code import CodeStamp


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_record_is_json_and_its_digest_depends_on_the_recipe_alone() -> None:
    first = provenance({"lr": 0.1, "path": Path("a")}, {"training": 1})
    second = provenance({"path": "a", "lr": 0.1}, {"training": 2})
    assert first["recipe_digest"] == second["recipe_digest"] == digest({"lr": 0.1, "path": "a"})
    assert provenance({"lr": 0.2}, {})["recipe_digest"] != first["recipe_digest"]
    assert first["seeds"] == {"training": 1}
    assert first["created"].endswith("+00:00")
    json.dumps(first, allow_nan=False)


def test_the_record_lists_the_code_in_the_recipe() -> None:
    code = CodeStamp(files={"mine.py": "1" * 64}, unfollowed=("compiled",))
    nothing = {"files": {}, "distributions": {}, "unfollowed": []}
    assert provenance({"lr": 0.1}, {})["code"] == nothing
    assert provenance({"policy": {"code": code.model_dump()}}, {})["code"] == code.model_dump(mode="json")
    assert provenance({}, {}, code=code)["code"] == code.model_dump(mode="json")


def test_versions_come_from_metadata() -> None:
    found = versions()
    assert found["python"] == sys.version.split()[0]
    assert found["mettagrid"] is not None
    code = "import sys; from daf.system.provenance import provenance; provenance({}, {})"
    code += "; print([name for name in ('torch', 'mettagrid', 'cogames') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_git_commit_and_dirty_flag(tmp_path: Path) -> None:
    assert git_state(tmp_path) is None
    git(tmp_path, "init", "-q")
    assert git_state(tmp_path) is None  # no commit yet
    (tmp_path / "code.py").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    assert git_state(tmp_path) == {"commit": git(tmp_path, "rev-parse", "HEAD"), "dirty": False}
    (tmp_path / "result.json").write_text("{}")  # a new file does not change the code
    assert git_state(tmp_path)["dirty"] is False  # type: ignore[index]
    (tmp_path / "code.py").write_text("2")
    assert git_state(tmp_path)["dirty"] is True  # type: ignore[index]


def test_without_git_there_is_no_state(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert module._read_git_state(Path(__file__).parent) is None


def test_host_facts_count_the_cpus_of_the_allocation(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 7})
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    facts = host_facts()
    assert (facts["cpu_count"], facts["slurm_job_id"]) == (3, "77")
    assert facts["memory_bytes"] > 10**8
    assert facts["cpu"]
    if shutil.which("lscpu"):
        shown = subprocess.run(["lscpu"], capture_output=True, text=True, check=False).stdout
        models = [line.partition(":")[2].strip() for line in shown.splitlines() if line.startswith("Model name:")]
        assert not models or facts["cpu"] == models[0]
