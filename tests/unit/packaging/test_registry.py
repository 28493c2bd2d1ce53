"""The registry: what is committed is served, what is in the history was in use, whatever was killed or torn."""

import json
import logging
import multiprocessing
import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daf.deployment import daf_deploy_policy, daf_list_deployments, daf_rollback_deployment
from daf.errors import BadInputError, DeploymentError
from daf.packaging.endpoints import AS_RECORDED, served_state, validation_path_of
from daf.packaging.manifest import Manifest, manifest_path_of, read_manifest
from daf.packaging.registry import FolderRegistry
from daf.packaging.validation import ValidationResult
from daf.system.files import CONTENT_DIGEST, file_sha256, write_json
from tests.unit.packaging import registry_writer
from tests.unit.packaging.attacks import plain_manifest


def fake(folder: Path, version: str, content: bytes = b"x", name: str = "p") -> Path:
    """A package that is never played, and the record that it is valid."""
    import zipfile

    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{version}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("policy_spec.json"), content)  # made at no time: equal bytes
    write_json(manifest_path_of(path), plain_manifest(path, name, version, class_path="x.Y", engine={}))
    write_json(validation_path_of(path), {"is_valid": True, "sha256": file_sha256(path)})
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A registry with versions 0.1.0 and 0.2.0 of `p`."""
    for version in ("0.1.0", "0.2.0"):
        daf_deploy_policy(fake(tmp_path / "packages", version), tmp_path / "registry", validate=False)
    return tmp_path / "registry" / "p"


def registry(home: Path) -> FolderRegistry:
    return FolderRegistry(home.parent)


def events(home: Path) -> list[tuple[str, str, str | None]]:
    return [(event["action"], event["version"], event["from"]) for event in registry(home).history("p")]


BOTH = [("deploy", "0.1.0", None), ("deploy", "0.2.0", "0.1.0")]


def test_the_history_says_who_did_what_when_where_and_why(home: Path) -> None:
    daf_rollback_deployment("p", home.parent, reason="0.2.0 loses")
    last = registry(home).history("p")[-1]
    assert (last["number"], last["action"], last["version"], last["from"]) == (3, "rollback", "0.1.0", "0.2.0")
    assert last["reason"] == "0.2.0 loses"
    assert last["user"]
    assert last["host"]
    lines = [json.loads(line) for line in (home / "history.jsonl").read_text().splitlines()]
    assert [{key: line[key] for key in line if key != CONTENT_DIGEST} for line in lines] == registry(home).history("p")
    assert json.loads((home / "current.json").read_text())["event"] == last


def test_rolling_back_to_the_current_version_changes_nothing(home: Path) -> None:
    before = (home / "current.json").read_bytes(), (home / "history.jsonl").read_bytes()
    again = daf_rollback_deployment("p", home.parent, "0.2.0")
    assert (again.version, again.details["unchanged"]) == ("0.2.0", True)
    assert ((home / "current.json").read_bytes(), (home / "history.jsonl").read_bytes()) == before


def test_versions_sort_as_versions(home: Path, tmp_path: Path) -> None:
    for version in ("0.10.0", "0.9.0", "0.10.0rc2"):
        daf_deploy_policy(fake(tmp_path / "packages", version), home.parent, validate=False)
    assert registry(home).versions("p") == ["0.1.0", "0.2.0", "0.9.0", "0.10.0rc2", "0.10.0"]
    (listed,) = daf_list_deployments(home.parent)
    assert (listed.name, listed.version, len(listed.history)) == ("p", "0.10.0rc2", 5)
    with pytest.raises(DeploymentError, match="did you mean 'p'"):
        daf_list_deployments(home.parent, "pp")


def test_a_dry_run_tells_and_changes_nothing(home: Path, tmp_path: Path) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in home.rglob("*"))
    new = fake(tmp_path / "packages", "0.3.0")
    told = daf_deploy_policy(new, home.parent, validate=False, dry_run=True)
    assert (told.version, told.details) == ("0.3.0", {"dry_run": True, "current": "0.2.0"})
    back = daf_rollback_deployment("p", home.parent, dry_run=True)
    assert (back.version, back.details) == ("0.1.0", {"dry_run": True, "current": "0.2.0"})
    assert sorted((path, path.stat().st_mtime_ns) for path in home.rglob("*")) == before
    assert not (tmp_path / "none").exists()
    daf_deploy_policy(new, tmp_path / "none", validate=False, dry_run=True)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", "", ".hidden", "a/b"])
def test_names_and_versions_are_no_paths(name: str, home: Path, tmp_path: Path) -> None:
    package = fake(tmp_path / "packages", "0.3.0")
    manifest = read_manifest(package)
    for forged in (manifest.model_copy(update={"name": name}), manifest.model_copy(update={"version": name})):
        with pytest.raises((BadInputError, DeploymentError)):
            registry(home).deploy(package, forged)
    with pytest.raises(BadInputError):
        daf_rollback_deployment(name, home.parent)
    with pytest.raises((BadInputError, DeploymentError)):
        registry(home).rollback("p", name or "x")
    content = manifest.model_dump(mode="json") | {"name": name}
    write_json(manifest_path_of(package), content)
    with pytest.raises(DeploymentError, match="matches"):
        daf_deploy_policy(package, home.parent, validate=False)
    assert not (tmp_path / "escaped").exists()


def test_links_do_not_lead_out_of_the_registry(home: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (home.parent / "q").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DeploymentError, match="inside the registry"):
        daf_deploy_policy(fake(tmp_path / "packages", "0.1.0", name="q"), home.parent, validate=False)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_only_what_was_validated_is_deployed(tmp_path: Path) -> None:
    package = fake(tmp_path / "packages", "0.1.0")
    record = validation_path_of(package)
    for content, message in (
        (None, "a validated package"), ({"is_valid": False, "sha256": file_sha256(package)}, "failed its validation"),
        ({"is_valid": True, "sha256": "0" * 64}, "a validation of 000000000000"),
    ):  # fmt: skip
        record.unlink(missing_ok=True)
        if content:
            write_json(record, content)
        with pytest.raises(DeploymentError, match=message):
            daf_deploy_policy(package, tmp_path / "registry", validate=False)
    assert not (tmp_path / "registry").exists()
    write_json(tmp_path / "record.json", {"is_valid": True, "sha256": file_sha256(package)})
    assert daf_deploy_policy(package, tmp_path / "registry", validate=tmp_path / "record.json").version == "0.1.0"


def test_a_validation_counts_for_its_content_only(tmp_path: Path) -> None:
    package = fake(tmp_path / "packages", "0.1.0")
    result = ValidationResult(package="p", sha256=file_sha256(package), mission="m", checks=[], rewards=[])
    other = replace(result, sha256="0" * 64)
    with pytest.raises(DeploymentError, match="a validation of other content"):
        daf_deploy_policy(package, tmp_path / "registry", validate=other)
    assert daf_deploy_policy(package, tmp_path / "registry", validate=result).version == "0.1.0"


def test_zip_and_manifest_replaced_together_are_refused(home: Path, tmp_path: Path) -> None:
    other = fake(tmp_path / "other", "0.1.0", b"other")
    for source in (other, manifest_path_of(other)):
        (home / "0.1.0" / source.name).write_bytes(source.read_bytes())
    with pytest.raises(DeploymentError, match="other content"):
        daf_rollback_deployment("p", home.parent)
    with pytest.raises(DeploymentError, match="a version never changes"):
        daf_deploy_policy(other, home.parent, validate=False)
    with pytest.raises(DeploymentError, match="restore the file"):
        daf_deploy_policy(tmp_path / "packages" / "p-0.1.0.zip", home.parent, validate=False)
    assert registry(home).current("p")["version"] == "0.2.0"  # type: ignore[index]


def test_a_target_notices_that_something_else_serves(home: Path, tmp_path: Path) -> None:
    from dataclasses import asdict

    record, package = tmp_path / "p.deployed.json", tmp_path / "packages" / "p-0.2.0.zip"
    assert served_state(str(home.parent), "p", record) == AS_RECORDED  # nothing to compare
    write_json(record, asdict(daf_deploy_policy(package, home.parent, validate=False)))
    assert served_state(str(home.parent), "p", record) == AS_RECORDED
    daf_rollback_deployment("p", home.parent)
    assert served_state(str(home.parent), "p", record) == "0.1.0 is in use since event 3"
    assert served_state(str(tmp_path / "other"), "p", record) == "nothing is deployed"
    assert served_state("https://example.org", "p", record) == served_state(None, "p", record) == AS_RECORDED


# ---- damage ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["torn line", "no line", "empty pointer", "no pointer", "old pointer", "no history"])
def test_one_damaged_file_is_repaired_by_the_next_writer_and_told_once(
    damage: str, home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    history, pointer = home / "history.jsonl", home / "current.json"
    lines = history.read_text().splitlines(keepends=True)
    if damage == "torn line":
        history.write_text(lines[0] + lines[1][:40])
    elif damage == "no line":
        history.write_text(lines[0])
    elif damage == "empty pointer":
        pointer.write_text("")
    elif damage == "no pointer":
        pointer.unlink()
    elif damage == "old pointer":
        old = json.loads(lines[0])
        pointer.write_text(json.dumps({"name": "p", "version": "0.1.0", "event": old}))
    else:
        history.write_text("")
    expected = BOTH if damage != "no history" else BOTH[1:]
    assert events(home) == expected  # readers know at once
    with caplog.at_level(logging.WARNING):
        daf_deploy_policy(fake(tmp_path / "packages", "0.3.0"), home.parent, validate=False)
        daf_deploy_policy(fake(tmp_path / "packages", "0.4.0"), home.parent, validate=False)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert events(home) == [*expected, ("deploy", "0.3.0", "0.2.0"), ("deploy", "0.4.0", "0.3.0")]


def test_a_history_that_an_earlier_daf_wrote_too_early_is_corrected(home: Path, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in (home / "history.jsonl").read_text().splitlines()]
    old = [{key: line[key] for key in ("action", "version", "from", "sha256", "time")} for line in lines]
    (home / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in old))
    pointer = {"name": "p", "version": "0.1.0", "sha256": old[0]["sha256"], "package": "x", "since": old[0]["time"]}
    write_json(home / "current.json", pointer)
    assert events(home) == BOTH[:1]
    daf_deploy_policy(fake(tmp_path / "packages", "0.3.0"), home.parent, validate=False)
    assert events(home) == [BOTH[0], ("deploy", "0.3.0", "0.1.0")]


def test_leftovers_of_dead_writers_go_and_uncommitted_copies_are_replaced(home: Path, tmp_path: Path) -> None:
    (home / ".current.json.123-0a1b2c3d.tmp.json").write_text("{")
    (home / ".0.3.0-abcd1234").mkdir()
    fake(tmp_path / "dead", "0.3.0", b"never deployed")
    (home / "0.3.0").mkdir()
    (home / "0.3.0" / "p-0.3.0.zip").write_bytes((tmp_path / "dead" / "p-0.3.0.zip").read_bytes())
    with pytest.raises(DeploymentError, match=r"'0\.3\.0'"):
        daf_rollback_deployment("p", home.parent, "0.3.0")
    package = fake(tmp_path / "packages", "0.3.0")
    daf_deploy_policy(package, home.parent, validate=False)
    assert (home / "0.3.0" / "p-0.3.0.zip").read_bytes() == package.read_bytes()
    assert sorted(path.name for path in home.iterdir()) == [
        ".lock", "0.1.0", "0.2.0", "0.3.0", "current.json", "history.jsonl",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "crash_at", ["os.rename", "daf.packaging.journal.write_json", "daf.packaging.journal.json_line"]
)
def test_a_crash_at_any_step_is_before_or_after_the_commit(
    crash_at: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(crash_at, crash)
        with pytest.raises(DeploymentError, match="disk full"):
            daf_deploy_policy(fake(tmp_path / "packages", "0.3.0"), home.parent, validate=False)
    committed = crash_at == "daf.packaging.journal.json_line"
    assert events(home) == BOTH + ([("deploy", "0.3.0", "0.2.0")] if committed else [])
    assert daf_rollback_deployment("p", home.parent).version == ("0.2.0" if committed else "0.1.0")


# ---- kills and concurrency ---------------------------------------------------------------------------------


def require_true_history(target: FolderRegistry, served: list[str]) -> None:
    """Numbers without gaps, `from` links that meet, and every version that anybody saw being served."""
    history = target.history("p")
    assert [event["number"] for event in history] == list(range(1, len(history) + 1))
    assert [event["from"] for event in history] == [None, *(event["version"] for event in history[:-1])][: len(history)]
    assert set(served) <= {event["version"] for event in history}


def kill_writers(tmp_path: Path, kills: int, longest_s: float) -> None:
    """Kill a writer `kills` times, each time at a random moment, and look at the registry."""
    folder, rng, served = tmp_path / "registry", random.Random(1), []
    for number in range(5):
        fake(tmp_path / "packages", f"0.{number}.0", bytes([number]))
    context = multiprocessing.get_context("fork")
    for number in range(kills):
        arguments = (str(folder), str(tmp_path / "packages"), str(number))
        writer = context.Process(target=registry_writer.main, args=arguments)
        writer.start()
        time.sleep(rng.uniform(0.001, longest_s))
        os.kill(writer.pid or 0, signal.SIGKILL)
        writer.join()
        pointer = folder / "p" / "current.json"
        if pointer.exists():  # as a reader sees it, who knows nothing of repairs
            current = json.loads(pointer.read_text())
            served.append(current["version"])
            assert file_sha256(folder / current["package"]) == current["sha256"]
            assert FolderRegistry(folder).current("p")["version"] == current["version"]  # type: ignore[index]
        require_true_history(FolderRegistry(folder), served)
        if not served:  # a slow machine: let the next writer get further
            longest_s *= 1.5
    assert served


def test_killed_writers_leave_a_true_history(tmp_path: Path) -> None:
    kill_writers(tmp_path, 15, 0.05)


@pytest.mark.long
def test_500_killed_writers_leave_a_true_history(tmp_path: Path) -> None:
    kill_writers(tmp_path, 500, 0.06)


def deploy_one(folder: str, package: str, gate: Any) -> None:
    gate.wait()
    FolderRegistry(folder).deploy(Path(package), read_manifest(package))


def deploy_at_once(tmp_path: Path, count: int) -> None:
    context = multiprocessing.get_context("fork")
    gate = context.Barrier(count)
    made = [fake(tmp_path / "packages", f"0.{number}.0", bytes([number])) for number in range(count)]
    writers = [context.Process(target=deploy_one, args=(str(tmp_path / "r"), str(path), gate)) for path in made]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * count
    target = FolderRegistry(tmp_path / "r")
    assert target.versions("p") == [f"0.{number}.0" for number in range(count)]
    require_true_history(target, [])
    assert len(target.history("p")) == count


def test_deployments_at_once_take_turns(tmp_path: Path) -> None:
    deploy_at_once(tmp_path, 12)


@pytest.mark.long
def test_50_deployments_at_once_take_turns(tmp_path: Path) -> None:
    deploy_at_once(tmp_path, 50)


def test_a_manifest_has_a_name_and_a_version(tmp_path: Path) -> None:
    package = fake(tmp_path / "packages", "0.1.0")
    content = read_manifest(package).model_dump()
    for wrong in (
        {"name": "a\n"},
        {"version": "1.0"},
        {"version": "1.0.0\n"},
        {"version": "01.0.0"},
        {"version": "\u0661.0.0"},
        {"version": "1.0.0rc01"},
        {"sha256": "x"},
    ):
        with pytest.raises(ValueError, match="pattern"):
            Manifest(**(content | wrong))
