"""A folder of deployed packages with a pointer to the current version.

    {registry}/{name}/{version}/{name}-{version}.zip + .manifest.json
    {registry}/{name}/current.json      which version is in use; replaced in one step
    {registry}/{name}/history.jsonl     every deployment and rollback, oldest first

A version never changes once it exists. Writers take turns through a lock file.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypedDict

from daf.errors import DeploymentError, did_you_mean
from daf.packaging.manifest import Manifest, manifest_path_of, read_manifest
from daf.system.files import file_sha256, write_json
from daf.system.json_files import read_json_lines
from daf.system.provenance import utc_now
from daf.system.validated import read_record, validated

_MENDED = "restore the file, or delete it and deploy the package again"


class Pointer(TypedDict):
    """The content of current.json.

    Attributes:
        name: name of the package.
        version: the version in use.
        sha256: of its zip.
        package: path of its zip, relative to the registry.
        since: when it came into use.
    """

    name: str
    version: str
    sha256: str
    package: str
    since: str


class _Event(TypedDict):
    """What readers of a line of history.jsonl rely on."""

    action: Literal["deploy", "rollback"]
    version: str


class FolderRegistry:
    """Deployments under one folder."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def deploy(self, package: Path, manifest: Manifest) -> Path:
        """Add a validated package and make it current; repeating this with the same content changes nothing.

        Raises:
            DeploymentError: this version already exists with different content.
        """
        home = self.folder / manifest.name
        with self._locked(home):
            target = home / manifest.version
            if target.exists():
                self._refuse_other_content(target, manifest)
            else:
                self._copy(package, target)
            stored = self._zip_of(manifest.name, manifest.version)
            current = self._current(home)
            if current is None or current["version"] != manifest.version:
                self._point(
                    home, manifest.name, manifest.version, "deploy", None if current is None else current["version"]
                )
            return stored

    def rollback(self, name: str, to_version: str | None = None) -> dict[str, Any]:
        """Make an earlier version current; default: the one that was in use before the current one.

        Raises:
            DeploymentError: unknown name or version, no earlier version, or a changed zip in the registry.
        """
        home = self.folder / name
        if not (home / "current.json").is_file():
            known = [path.parent.name for path in self.folder.glob("*/current.json")]
            hint = did_you_mean(name, known) or "nothing is deployed here"
            raise DeploymentError("a deployed policy", f"'{name}'", str(self.folder), hint)
        with self._locked(home):
            current = read_record(home / "current.json", Pointer, "a registry's pointer", _MENDED)
            target = to_version or self._previous(home, current["version"])
            where = f"{home}"
            if target is None:
                raise DeploymentError(
                    "an earlier version", f"only {current['version']}", where, "deploy another version first"
                )
            if not self._zip_of(name, target).is_file():
                hint = did_you_mean(target, self.versions(name))
                raise DeploymentError("a deployed version", f"'{target}'", where, hint)
            if target == current["version"]:
                raise DeploymentError(
                    "another version than the current one", f"'{target}'", where, "nothing to roll back"
                )
            return self._point(home, name, target, "rollback", current["version"])

    def versions(self, name: str) -> list[str]:
        return sorted(path.parent.name for path in (self.folder / name).glob("*/*.manifest.json"))

    def current(self, name: str) -> dict[str, Any] | None:
        """The pointer: {name, version, sha256, package, since}; None if nothing is deployed."""
        return self._current(self.folder / name)

    def history(self, name: str) -> list[dict[str, Any]]:
        path = self.folder / name / "history.jsonl"
        if not path.is_file():
            return []
        events = read_json_lines(path, "the history of a registry")
        validated(list[_Event], events, str(path), _MENDED)
        return events

    def _current(self, home: Path) -> dict[str, Any] | None:
        path = home / "current.json"
        return dict(read_record(path, Pointer, "a registry's pointer", _MENDED)) if path.is_file() else None

    def _previous(self, home: Path, current: str) -> str | None:
        """Replays the history as a stack: deploying pushes, rolling back pops down to its target."""
        stack: list[str] = []
        for event in self.history(home.name):
            if event["action"] == "rollback" and event["version"] in stack:
                del stack[len(stack) - stack[::-1].index(event["version"]) :]
            elif not stack or stack[-1] != event["version"]:
                stack.append(event["version"])
        while stack and stack[-1] == current:
            stack.pop()
        return stack[-1] if stack else None

    def _zip_of(self, name: str, version: str) -> Path:
        return self.folder / name / version / f"{name}-{version}.zip"

    def _refuse_other_content(self, target: Path, manifest: Manifest) -> None:
        stored = self._zip_of(manifest.name, manifest.version)
        sha256 = file_sha256(stored) if stored.is_file() else "no package"
        if sha256 != manifest.sha256:
            hint = "a version never changes: give the package a new version"
            raise DeploymentError(f"content {manifest.sha256[:12]}…", f"{sha256[:12]}…", str(target), hint)

    def _copy(self, package: Path, target: Path) -> None:
        """Both files appear together: they are copied to a temporary folder, which is then renamed."""
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            for source in (package, manifest_path_of(package)):
                # Named by the manifest's content, whatever the file was called before.
                suffix = ".zip" if source == package else ".manifest.json"
                copied = staging / f"{target.parent.name}-{target.name}{suffix}"
                shutil.copyfile(source, copied)
                with open(copied, "rb+") as stream:
                    os.fsync(stream.fileno())
            staging.chmod(0o755)
            os.rename(staging, target)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise

    def _point(self, home: Path, name: str, version: str, action: str, before: str | None) -> dict[str, Any]:
        stored = self._zip_of(name, version)
        recorded = read_manifest(stored).sha256
        if file_sha256(stored) != recorded:
            hint = "restore the file, or choose another version"
            raise DeploymentError(f"content {recorded[:12]}… of its manifest", "other content", str(stored), hint)
        event = {"action": action, "version": version, "from": before, "sha256": recorded, "time": utc_now()}
        # The history first: a crash in between leaves the old version current, and repeating the command repairs it.
        with open(home / "history.jsonl", "a") as stream:
            stream.write(json.dumps(event, sort_keys=True) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        relative = str(stored.relative_to(self.folder))
        pointer = {"name": name, "version": version, "sha256": recorded, "package": relative, "since": event["time"]}
        write_json(home / "current.json", pointer)
        return pointer

    @contextmanager
    def _locked(self, home: Path) -> Iterator[None]:
        home.mkdir(parents=True, exist_ok=True)
        with open(home / ".lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
