"""What each check finds on prepared machines, and what follows from it."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from daf.config import DAFConfig, MissionConfig
from daf.environment_checks import (
    EnvironmentCheckResult,
    daf_check_cuda,
    daf_check_dependencies,
    daf_check_disk_space,
    daf_check_environment,
    daf_check_memory,
    daf_check_mission_configs,
    daf_get_recommended_device,
)
from daf.system import devices, limits, machine
from daf.system.checks import CheckResult
from daf.system.limits import _own_cgroups, _read_limit

Usage = namedtuple("Usage", "total used free")


def test_errors_make_it_unhealthy_and_warnings_do_not() -> None:
    ok = CheckResult(name="a", status="ok", found="1", expected="1")
    warning = CheckResult(name="b", status="warning", found="1", expected="2", hint="do this")
    error = CheckResult(name="c", status="error", found="x", expected="y")
    assert EnvironmentCheckResult(checks=[ok, warning]).is_healthy()
    result = EnvironmentCheckResult(checks=[ok, warning, error])
    assert not result.is_healthy()
    assert result.warnings == ["b: 1 (expected 2); do this"]
    assert result.errors == ["c: x (expected y)"]
    assert result.to_dict()["healthy"] is False
    assert [check["name"] for check in result.to_dict()["checks"]] == ["a", "b", "c"]


def test_the_example_of_the_specification(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "cuda_available", lambda: False)
    config = DAFConfig(output_dir=tmp_path / "o", min_free_memory_gb=0)
    result = daf_check_environment(missions=["tutorial.miner"], check_cuda=True, check_disk=True, config=config)
    assert result.is_healthy(), str(result)
    names = [check.name for check in result.checks]
    assert {"python", "cuda", "disk", "memory", "mission tutorial.miner"} <= set(names)
    assert not (tmp_path / "o").exists()
    only = daf_check_environment(check_cuda=False, check_disk=False, check_memory=False, check_dependencies=False)
    assert [check.name for check in only.checks] == ["python", "cpus"]


@pytest.mark.parametrize(("device", "there", "status"), [
    ("auto", False, "ok"), ("cpu", False, "ok"), ("cuda", False, "error"), ("cuda:0", False, "error"),
])  # fmt: skip
def test_no_gpu_is_an_error_only_if_one_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, device: str, there: bool, status: str
) -> None:
    monkeypatch.setattr(machine, "cuda_available", lambda: there)
    check = daf_check_cuda(device)
    assert check.status == status
    assert bool(check.hint) is (status == "error")


def test_recommended_device(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, device in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(devices, "cuda_available", lambda there=there: there)
        assert daf_get_recommended_device() == device


def test_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10e9, 7e9, 3e9))
    assert daf_check_disk_space(tmp_path / "not" / "there", 2.9).status == "ok"
    short = daf_check_disk_space(tmp_path, 3.1)
    assert (short.status, short.expected) == ("error", "at least 3.1 GB")
    assert short.found.startswith("3.0 GB free")
    (tmp_path / "file").write_text("")
    assert daf_check_disk_space(tmp_path / "file" / "below", 0).status == "error"


def test_the_configuration_says_how_much_must_be_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10e9, 9e9, 1e9))
    monkeypatch.setattr(machine, "available_memory", lambda: (1e9, "machine"))
    assert daf_check_disk_space().expected == f"at least {DAFConfig().min_free_disk_gb:g} GB"
    assert daf_check_memory().expected == f"at least {DAFConfig().min_free_memory_gb:g} GB"


def cgroup(monkeypatch: pytest.MonkeyPatch, folders: list[Path]) -> None:
    monkeypatch.setattr(limits, "_own_cgroups", lambda *_: folders)


def test_memory_is_the_smaller_of_machine_and_cgroup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.max").write_text("300000000\n")
    (tmp_path / "memory.current").write_text("250000000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 100000000\n")
    cgroup(monkeypatch, [tmp_path])
    assert limits.available_memory() == (150000000.0, "cgroup")  # the file cache can be taken back
    assert daf_check_memory(0.1).status == "ok"
    short = daf_check_memory(0.2)
    assert (short.status, short.found) == ("error", "0.1 GB available (cgroup)")
    (tmp_path / "memory.max").write_text("max\n")
    assert limits.available_memory()[1] == "machine"


def test_cgroup_version_1_without_a_limit(tmp_path: Path) -> None:
    (tmp_path / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert _read_limit(tmp_path, ("memory.max", "memory.limit_in_bytes")) is None


def test_cpu_quotas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parent, child = tmp_path / "parent", tmp_path / "child"
    for folder, text in ((parent, "150000 100000"), (child, "max 100000")):
        folder.mkdir()
        (folder / "cpu.max").write_text(text)
    cgroup(monkeypatch, [child])
    assert limits.cgroup_cpu_limit() is None
    cgroup(monkeypatch, [child, parent])
    assert limits.cgroup_cpu_limit() == 1.5


def test_a_process_is_bound_by_its_cgroup_and_all_above(tmp_path: Path) -> None:
    membership = tmp_path / "membership"
    membership.write_text("0::/slurm/job_7\n")
    (tmp_path / "root" / "slurm" / "job_7").mkdir(parents=True)
    root = tmp_path / "root"
    assert _own_cgroups(root, "memory", membership) == [root / "slurm" / "job_7", root / "slurm", root]
    membership.write_text("4:memory:/job\n3:cpu,cpuacct:/other\n")
    (root / "memory" / "job").mkdir(parents=True)
    assert _own_cgroups(root, "memory", membership) == [root / "memory" / "job", root / "memory"]


def test_dependencies() -> None:
    assert [check.status for check in daf_check_dependencies()] == ["ok"]
    requirements = ["mettagrid==0.0.1", "numpy<1", "no-such-package>=1", "tomli; python_version < '3.11'", "pytest"]
    found = {check.name: (check.status, check.found) for check in daf_check_dependencies(requirements)}
    assert found["package mettagrid"][0] == "error"
    assert found["package numpy"][0] == "warning"
    assert found["package no-such-package"] == ("error", "not installed")
    assert len(found) == 3


def test_missions_are_reported_one_by_one(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise RuntimeError('boom')\n")
    pair = MissionConfig(source="tutorial.miner", num_agents=2)
    good, changed, unknown, crashing = daf_check_mission_configs(["tutorial.miner", pair, "tutorial.minr", str(broken)])
    assert (good.name, good.status, good.found) == ("mission tutorial.miner", "ok", "4 agents")
    assert (changed.name, changed.found) == ("mission tutorial.miner, num_agents=2", "2 agents")
    assert unknown.status == "error"
    assert "tutorial.miner" in unknown.hint
    assert crashing.status == "error"
    assert "boom" in crashing.found
