"""A registry whose files were damaged or moved about: it believes only what it wrote, and names the rest."""

from __future__ import annotations

import logging
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from daf.deployment import daf_deploy_policy, daf_list_deployments, daf_rollback_deployment
from daf.errors import BadInputError, DafError, DeploymentError
from daf.packaging.journal import Journal
from daf.packaging.registry import FolderRegistry
from tests.unit.packaging.test_registry import fake

FLIPS = 60


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A registry with versions 0.1.0, 0.2.0 and 0.3.0 of `p`."""
    for number in (1, 2, 3):
        daf_deploy_policy(fake(tmp_path / "packages", f"0.{number}.0"), tmp_path / "registry", validate=False)
    return tmp_path / "registry" / "p"


def events(home: Path) -> list[tuple[int, str, str | None]]:
    return [(event["number"], event["version"], event["from"]) for event in FolderRegistry(home.parent).history("p")]


ALL = [(1, "0.1.0", None), (2, "0.2.0", "0.1.0"), (3, "0.3.0", "0.2.0")]


@pytest.mark.parametrize("name", ["current.json", "history.jsonl"])
def test_no_flipped_bit_is_believed(name: str, home: Path) -> None:
    path, rng, registry = home / name, random.Random(name), FolderRegistry(home.parent)
    intact, pointer, history = path.read_bytes(), registry.current("p"), registry.history("p")
    for _ in range(FLIPS):
        content = bytearray(intact)
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
        assert registry.current("p") == pointer  # what serves is known from the other file
        found = registry.history("p")
        assert all(event in history for event in found)
        assert found == history or Journal(home)._damage


@pytest.mark.parametrize(("order", "expected"), [
    ((0, 1, 1, 2), ALL), ((0, 1, 2, 2), ALL), ((1, 0, 2), ALL), ((2, 1, 0), ALL), ((0, 2), [ALL[0], ALL[2]]),
    ((1, 2), ALL[1:]),
], ids=["middle twice", "last twice", "swapped", "reversed", "middle lost", "first lost"])  # fmt: skip
def test_lines_that_stand_twice_or_not_at_all_are_told_once(
    order: tuple[int, ...], expected: list[tuple[int, str, str | None]], home: Path, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    lines = (home / "history.jsonl").read_text().splitlines(keepends=True)
    (home / "history.jsonl").write_text("".join(lines[number] for number in order))
    assert events(home) == expected
    with caplog.at_level(logging.WARNING):
        for version in ("0.4.0", "0.5.0"):
            daf_deploy_policy(fake(tmp_path / "packages", version), home.parent, validate=False)
    (told,) = caplog.records
    lost = [number for number, _, _ in ALL if number not in {number for number, _, _ in expected}]
    assert ("is lost" if lost else "twice or in another order") in told.getMessage()
    assert events(home) == [*expected, (4, "0.4.0", "0.3.0"), (5, "0.5.0", "0.4.0")]
    recorded = [event.get("lost") for event in FolderRegistry(home.parent).history("p")[-2:]]
    assert recorded == [lost or None, None]


def test_the_pointer_and_history_of_another_policy_are_not_followed(home: Path, tmp_path: Path) -> None:
    for number in range(1, 6):
        package = fake(tmp_path / "packages", f"1.{number}.0", b"other", name="q")
        daf_deploy_policy(package, home.parent, validate=False)
    shutil.copy(home.parent / "q" / "current.json", home / "current.json")
    assert events(home) == ALL
    assert FolderRegistry(home.parent).current("p")["version"] == "0.3.0"  # type: ignore[index]
    assert daf_rollback_deployment("p", home.parent).version == "0.2.0"


def linked(home: Path) -> None:
    (home / "history.jsonl").rename(home.parent.parent / "elsewhere")
    (home / "history.jsonl").symlink_to(home.parent.parent / "elsewhere")


def pointer_linked(home: Path) -> None:
    (home / "current.json").rename(home.parent.parent / "elsewhere")
    (home / "current.json").symlink_to(home.parent.parent / "elsewhere")


def lock_linked(home: Path) -> None:
    (home / ".lock").unlink()
    (home / ".lock").symlink_to(home.parent.parent / "elsewhere")


def folder_in_the_way(home: Path) -> None:
    (home / "current.json").unlink()
    (home / "current.json").mkdir()


def file_in_the_way(home: Path) -> None:
    shutil.rmtree(home.parent)
    home.parent.write_text("x")


@pytest.mark.parametrize(("damage", "message"), [
    (linked, "a symbolic link"), (pointer_linked, "a symbolic link"), (lock_linked, "a symbolic link"),
    (folder_in_the_way, "Is a directory"), (file_in_the_way, "a file"),
])  # fmt: skip
def test_what_stands_in_the_way_is_named(
    damage: Callable[[Path], None], message: str, home: Path, tmp_path: Path
) -> None:
    damage(home)
    elsewhere = tmp_path / "elsewhere"
    before = elsewhere.read_bytes() if elsewhere.exists() else None
    with pytest.raises(DeploymentError, match=message) as caught:
        daf_deploy_policy(fake(tmp_path / "packages", "0.4.0"), home.parent, validate=False)
    assert str(home.parent) in caught.value.where
    assert (elsewhere.read_bytes() if elsewhere.exists() else None) == before


def test_a_file_is_no_registry(tmp_path: Path) -> None:
    (tmp_path / "registry").write_text("x")
    with pytest.raises(DeploymentError, match="the folder of a registry"):
        daf_list_deployments(tmp_path / "registry")


def test_folders_that_are_no_policies_are_passed_over(home: Path) -> None:
    shutil.copytree(home, home.parent / "no name")
    shutil.copytree(home, home.parent / ("a" * 200))
    assert [deployed.name for deployed in daf_list_deployments(home.parent)] == ["p"]


def test_names_that_are_too_long_or_differ_in_case_only_are_refused(home: Path, tmp_path: Path) -> None:
    for call in (
        lambda: daf_rollback_deployment("a" * 300, home.parent),
        lambda: daf_list_deployments(home.parent, "a" * 300),
    ):
        with pytest.raises(BadInputError, match="at most 128 characters"):
            call()
    other = fake(tmp_path / "packages", "0.1.0", name="P")
    for dry_run in (True, False):
        with pytest.raises(DeploymentError, match="'P' besides 'p'"):
            daf_deploy_policy(other, home.parent, validate=False, dry_run=dry_run)
    assert [path.name for path in home.parent.iterdir()] == ["p"]


@pytest.mark.parametrize(
    "version", ["01.0.0", "1.0.0rc01", "1.0.0.dev00", "v1.0.0", "1.0", "1.0.0+x", "\u0661.0.0", "1.0.0\n"]
)
def test_no_two_versions_are_the_same(version: str, home: Path, tmp_path: Path) -> None:
    with pytest.raises(DafError):
        daf_rollback_deployment("p", home.parent, version)
    if "\n" not in version:
        with pytest.raises(DeploymentError, match="matches"):
            daf_deploy_policy(fake(tmp_path / "packages", version), home.parent, validate=False)
