"""Folders that no other user can read, or have prepared."""

import os
import stat
import tempfile
from pathlib import Path

import pytest

from daf.errors import UnfitEnvironmentError
from daf.system import private_folders
from daf.system.devices import lease_devices
from daf.system.private_folders import private_folder, remove_abandoned, require_own_folder


def test_a_private_folder_is_its_processes_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    private_folders._private_folder.cache_clear()
    folder = private_folder("x")
    assert private_folder("x") == folder != private_folder("y")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    pid = os.fork()
    if pid == 0:  # a copy of the process has its own
        os._exit(private_folder("x") == folder)
    assert os.waitpid(pid, 0)[1] == 0
    private_folders._private_folder.cache_clear()


def test_bundles_are_unpacked_where_no_other_user_can_have_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from daf.deployment import daf_package_policy
    from daf.engine.missions import resolve_mission
    from daf.engine.policies import build_policy, resolve_policy
    from daf.engine.simulation import SimulationFactory
    from daf.system.files import file_sha256

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    private_folders._private_folder.cache_clear()
    path = daf_package_policy("starter", None, tmp_path / "out").path
    trap = tmp_path / "daf-bundles" / file_sha256(path)[:32]
    trap.mkdir(parents=True)
    (trap / ".extraction_complete").touch()
    (trap / "policy_spec.json").write_text('{"class_path": "trap.Trap"}')
    interface = SimulationFactory(resolve_mission("tutorial.miner").env_config).interface
    from daf.config import PolicyConfig

    built = build_policy(resolve_policy(PolicyConfig(data_path=path)), interface)
    assert type(built).__name__ == "StarterPolicy"
    private_folders._private_folder.cache_clear()


def test_abandoned_folders_go_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("daf-validate-old", "daf-validate-new", "other"):
        (tmp_path / name).mkdir()
    for name in ("daf-validate-old", "other"):
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / "daf-validate-link").symlink_to(tmp_path / "other")
    remove_abandoned("daf-validate-")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["daf-validate-link", "daf-validate-new", "other"]


def test_a_folder_that_someone_else_could_have_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    assert require_own_folder(tmp_path / "new").stat().st_mode & 0o777 == 0o700
    for name, found in (("link", "a symbolic link"), ("open", "mode 777")):
        with pytest.raises(UnfitEnvironmentError, match=found), lease_devices(1, tmp_path / name, devices=["0"]):
            pass


def test_a_lease_follows_no_links(tmp_path: Path) -> None:
    (tmp_path / "gate.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"), lease_devices(1, tmp_path, devices=["0"]):
        pass
    assert not (tmp_path / "victim").exists()
