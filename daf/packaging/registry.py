"""A folder of deployed packages with a pointer to the current version.

    {registry}/{name}/{version}/{name}-{version}.zip + .manifest.json, and .sig if it is signed
    {registry}/{name}/current.json      which version is in use, and the event that made it so; replaced in one step
    {registry}/{name}/history.jsonl     every deployment and rollback, oldest first

Replacing current.json is the one moment at which a deployment or rollback happens; its event is added to the history
right after that. If a process dies in between, a line is torn, or the pointer is lost, the next writer repairs one from
the other. What was copied but never committed was never deployed, and is replaced.

A version never changes once it was deployed. Writers take turns through a lock file.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import Version

from daf.errors import BadInputError, DeploymentError, did_you_mean
from daf.packaging.journal import Event, Journal
from daf.packaging.manifest import Manifest, manifest_path_of, read_manifest, require_version
from daf.packaging.signing import signature_path_of
from daf.system.files import file_sha256, write_bytes
from daf.system.readers import read_bytes
from daf.system.shown import Shown
from daf.system.validated import is_name, require_name

# What a writer leaves when it dies: the temporary files of `atomic_path`, and copies of packages.
_LEFTOVER = re.compile(r"\..+\.\d+-[0-9a-f]+\.tmp(\..+)?|\.\d+\.\d+\.\d+.*-\w{8}")


@dataclass(frozen=True, kw_only=True, repr=False)
class DeployedPolicy(Shown):
    """A policy in a registry.

    Attributes:
        name: of the package.
        version: the version in use.
        sha256: of its zip.
        since: when it came into use, UTC.
        versions: all that were ever in use, in the order of versions.
        history: every deployment and rollback, oldest first: what, when, who, on which machine, and why.
    """

    name: str
    version: str
    sha256: str
    since: str
    versions: list[str]
    history: list[dict[str, Any]]

    def _headline(self) -> str:
        return f"{self.name} {self.version} since {self.since}, one of {len(self.versions)} versions"


Examine = Callable[[Path, Event | None], dict[str, Any]]
_NEW_VERSION = "a version never changes: give the package a new version"


class FolderRegistry:
    """Deployments under one folder."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def deploy(
        self,
        package: Path,
        manifest: Manifest,
        *,
        reason: str = "",
        dry_run: bool = False,
        examine: Examine | None = None,
    ) -> Path:
        """Add a validated package and make it current; repeating this with the same content changes nothing.

        Args:
            examine: looks at the copy and at the event that made another version current, just before the copy becomes
                current; returns evidence for the history, or raises.

        Raises:
            DeploymentError: this version already exists with different content.
        """
        home = self._home(manifest.name)
        self._require_distinct(manifest.name)
        with self._writing(home, dry_run) as journal:
            known = journal.sha256_of(manifest.version)
            stored = self.zip_of(manifest.name, manifest.version)
            if known is not None:
                self._require(known, manifest.sha256, f"{stored.parent}", _NEW_VERSION)
                self._require(known, _sha256(stored), str(stored), "restore the file from the package")
                self._add_signature(package, stored, dry_run)
            elif not dry_run:
                self._copy(package, stored.parent, manifest)
            current = journal.last
            if not dry_run and (current is None or current.version != manifest.version):
                evidence = examine(stored, current) if examine else {}
                journal.commit("deploy", manifest.version, manifest.sha256, reason, evidence)
            return stored

    def rollback(
        self, name: str, to_version: str | None = None, *, reason: str = "", dry_run: bool = False,
        examine: Callable[[Path], None] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Make an earlier version current; default: the one that was in use before the current one.

        Rolling back to the current version changes nothing.

        Args:
            examine: looks at the zip that is about to serve; raises if it must not.

        Raises:
            DeploymentError: unknown name or version, no earlier version, or a changed zip in the registry.
        """
        home = self._home(name)
        if not Journal(home).exists():
            hint = did_you_mean(name, self.names()) or "nothing is deployed here"
            raise DeploymentError("a deployed policy", f"'{name}'", str(self.folder), hint)
        with self._writing(home, dry_run) as journal:
            current = journal.last
            if current is None:
                raise DeploymentError("a deployed policy", f"'{name}'", str(self.folder), "nothing was deployed")
            target = to_version or journal.previous()
            if target is None:
                raise _nothing_earlier(current.version, journal.versions(), home)
            known = journal.sha256_of(target)
            if known is None:
                raise DeploymentError(
                    "a deployed version", f"'{target}'", str(home), did_you_mean(target, journal.versions())
                )
            stored = self.zip_of(name, target)
            self._require(known, _sha256(stored), str(stored), "restore the file, or choose another version")
            if examine is not None:
                examine(stored)
            if target == current.version:
                return self._pointer(current, name)
            if dry_run:
                return self._pointer(current, name) | {
                    "version": target,
                    "sha256": known,
                    "package": self._relative(stored),
                }
            return self._pointer(journal.commit("rollback", target, known, reason), name)

    def names(self) -> list[str]:
        """Names of the deployed policies."""
        if self.folder.exists() and not self.folder.is_dir():
            raise DeploymentError("the folder of a registry", "a file", str(self.folder), "name a folder")
        folders = [path for path in self.folder.glob("*") if path.is_dir() and is_name(path.name)]
        return sorted(path.name for path in folders if Journal(path).last is not None)

    def deployed(self, name: str | None = None) -> list[DeployedPolicy]:
        """The deployed policies, by name; DeploymentError if there is none of this name."""
        names = self.names()
        if name is not None and require_name(name, "name") not in names:
            hint = did_you_mean(name, names) or "nothing is deployed here"
            raise DeploymentError("a deployed policy", f"'{name}'", str(self.folder), hint)
        return [self._describe(known) for known in names if name in (None, known)]

    def _describe(self, name: str) -> DeployedPolicy:
        journal = Journal(self._home(name))
        last = journal.last
        assert last is not None
        return DeployedPolicy(
            name=name, version=last.version, sha256=last.sha256, since=last.time, versions=self.versions(name),
            history=self.history(name),
        )  # fmt: skip

    def versions(self, name: str) -> list[str]:
        """Every version that was ever in use, in the order of versions."""
        return sorted(Journal(self._home(name)).versions(), key=Version)

    def current(self, name: str) -> dict[str, Any] | None:
        """The pointer: {name, version, sha256, package, since, …}; None if nothing is deployed."""
        last = Journal(self._home(name)).last
        return None if last is None else self._pointer(last, name)

    def history(self, name: str) -> list[dict[str, Any]]:
        """Every deployment and rollback, oldest first."""
        return [event.to_dict() for event in Journal(self._home(name)).events]

    def zip_of(self, name: str, version: str) -> Path:
        """Where the zip of a version is, or would be."""
        where = f"{self.folder}: version"
        try:
            require_version(version, where)
        except BadInputError as error:
            known = Journal(self._home(name)).versions()
            raise DeploymentError("a deployed version", error.found, where, did_you_mean(version, known)) from None
        return self._inside(self.folder / name / version / f"{name}-{version}.zip")

    def intact(self, name: str, version: str) -> Path:
        """The zip of a version that was deployed; DeploymentError if its content is another."""
        stored = self.zip_of(name, version)
        known = Journal(self._home(name)).sha256_of(version) or ""
        self._require(known, _sha256(stored), str(stored), "restore the file from the package")
        return stored

    def _home(self, name: str) -> Path:
        return self._inside(self.folder / require_name(name, f"{self.folder}: name"))

    def _require_distinct(self, name: str) -> None:
        """Some file systems do not distinguish upper and lower case: two such names would share a folder there."""
        alike = [other for other in self.names() if other != name and other.casefold() == name.casefold()]
        if alike:
            expected = "a name that differs from all others in more than upper and lower case"
            found = f"'{name}' besides '{alike[0]}'"
            raise DeploymentError(expected, found, str(self.folder), "package the policy under another name")

    def _inside(self, path: Path) -> Path:
        if not path.resolve().is_relative_to(self.folder.resolve()):
            hint = "remove the link"
            raise DeploymentError("a path inside the registry", str(path.resolve()), str(path), hint)
        return path

    def _relative(self, stored: Path) -> str:
        return str(stored.relative_to(self.folder))

    def _pointer(self, event: Event, name: str) -> dict[str, Any]:
        stored = self.zip_of(name, event.version)
        return {
            "name": name, "version": event.version, "sha256": event.sha256, "package": self._relative(stored),
            "since": event.time, "number": event.number,
        }  # fmt: skip

    def _require(self, expected: str, found: str, where: str, hint: str) -> None:
        if found != expected:
            shown = f"{found[:12]}…" if len(found) == len(expected) else found
            raise DeploymentError(f"content {expected[:12]}… that was deployed", f"other content: {shown}", where, hint)

    def _add_signature(self, package: Path, stored: Path, dry_run: bool) -> None:
        """Take along the signature of a package that was signed after it was deployed; a stored one stays."""
        given, kept = signature_path_of(package), signature_path_of(stored)
        if given.is_file() and not kept.exists() and not dry_run:
            write_bytes(kept, read_bytes(given, "a signature"))

    def _copy(self, package: Path, target: Path, manifest: Manifest) -> None:
        """Both files appear together: they are copied to a temporary folder, which is then renamed.

        The copy is checked, so that what is deployed is what was validated.
        """
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            copied = staging / f"{target.parent.name}-{target.name}.zip"  # whatever the file was called before
            _copy_file(package, copied)
            self._require(manifest.sha256, file_sha256(copied), str(package), "it changed meanwhile: package it again")
            _copy_file(manifest_path_of(package), manifest_path_of(copied))
            if read_manifest(copied) != manifest:
                raise DeploymentError("the manifest that was checked", "another one", str(package), "package it again")
            if signature_path_of(package).is_file():
                _copy_file(signature_path_of(package), signature_path_of(copied))
            staging.chmod(0o755)
            if target.exists():  # copied by a process that died before it was deployed
                shutil.rmtree(target)
            os.rename(staging, target)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise

    @contextmanager
    def _writing(self, home: Path, dry_run: bool) -> Iterator[Journal]:
        """The journal, to write to: alone, and repaired; a dry run only reads."""
        if dry_run:
            yield Journal(home)
            return
        with _told(home):
            home.mkdir(parents=True, exist_ok=True)
            for name in (".lock", "current.json", "history.jsonl"):
                if (home / name).is_symlink():
                    raise DeploymentError("a file of the registry", "a symbolic link", str(home / name), "remove it")
            with open(home / ".lock", "a", opener=_no_links) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                for path in home.iterdir():  # its writer is dead, since it does not hold the lock
                    if _LEFTOVER.fullmatch(path.name):
                        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
                journal = Journal(home)
                journal.repair()
                yield journal


@contextmanager
def _told(home: Path) -> Iterator[None]:
    """Say in our words what the file system refuses."""
    try:
        yield
    except OSError as error:
        where = str(error.filename or home)
        found = error.strerror or str(error)
        hint = "are its permissions right, is its disk full, is something else in the way?"
        raise DeploymentError("a registry that can be read and written", found, where, hint) from error


def _no_links(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o644)


def _sha256(stored: Path) -> str:
    return file_sha256(stored) if stored.is_file() else "no package"


def _copy_file(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    with open(target, "rb+") as stream:
        os.fsync(stream.fileno())


def _nothing_earlier(serving: str, versions: Sequence[str], home: Path) -> DeploymentError:
    """A rollback without a version has none to go to: there is a single one, or rollbacks have used up the earlier."""
    others = sorted((version for version in versions if version != serving), key=Version)
    if not others:
        found = f"{serving} alone, which goes on serving"
        hint = "deploy another version first; a rollback then lets this one serve again"
    else:
        found = f"none before {serving}, which goes on serving; the registry also holds {', '.join(others)}"
        hint = f"name the version that is to serve: --version {others[-1]}"
    return DeploymentError("an earlier version to go back to", found, str(home), hint)
