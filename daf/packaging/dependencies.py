"""The distributions that a package needs: those it names, and all that these need in turn, with the hashes of the lock.

The closure follows what installed distributions declare, on every system, so that it does not depend on the machine;
of a distribution for another system, which is not installed, what it needs in turn is unknown and left to the lock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from daf.system.files import PROJECT
from daf.system.readers import read_text

LOCK = PROJECT / "requirements.lock"
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)(?P<extras>\[[^\]]*\])?==(?P<version>[^\s\\;]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, kw_only=True)
class Dependency:
    """One distribution.

    Attributes:
        name: its canonical name.
        version: the installed version; of one for another system, that of the lock.
        hashes: sha256 of its files, sorted; empty if the lock does not hold this version.
        entry: its text in the lock.
        needs: names of the distributions that it needs directly.
        license: what its metadata say; empty if nothing.
    """

    name: str
    version: str
    hashes: tuple[str, ...] = ()
    entry: str = ""
    needs: tuple[str, ...] = ()
    license: str = ""


def closure(names: Iterable[str], lock: Path = LOCK) -> list[Dependency]:
    """These distributions and all that they need, by name; those neither installed nor locked are left out."""
    locked = _entries(lock)
    found: dict[str, Dependency] = {}
    waiting = [(canonicalize_name(name), frozenset[str]()) for name in names]
    seen: dict[str, frozenset[str]] = {}
    while waiting:
        name, extras = waiting.pop()
        if name in seen and extras <= seen[name]:
            continue
        seen[name] = extras = extras | seen.get(name, frozenset())
        wanted = _wanted(name, extras)
        entry = locked.get(name, "")
        pin = _PIN.match(entry)
        version = _installed(name) or (pin["version"] if pin else None)
        if version is None:
            continue
        fits = pin is not None and pin["version"] == version
        found[name] = Dependency(
            name=name, version=version, hashes=tuple(sorted(_HASH.findall(entry))) if fits else (),
            entry=entry if fits else "", needs=tuple(sorted({other for other, _ in wanted})), license=_license(name),
        )  # fmt: skip
        waiting += wanted
    known = [dependency for _, dependency in sorted(found.items())]
    return [_with_known_needs(dependency, found.keys()) for dependency in known]


def _with_known_needs(dependency: Dependency, known: Iterable[str]) -> Dependency:
    needs = tuple(name for name in dependency.needs if name in known and name != dependency.name)
    return Dependency(**{**vars(dependency), "needs": needs})


def locked_requirements(dependencies: Iterable[Dependency]) -> str:
    """The entries of the lock for these distributions, as a file for `pip install --no-deps --require-hashes -r`.

    Empty if the lock lacks one of them: pip would refuse the file.
    """
    entries = [dependency.entry for dependency in dependencies]
    if not entries or not all(entries):
        return ""
    return "# pip install --no-deps --require-hashes -r requirements.lock\n" + "\n".join(entries) + "\n"


def without_hashes(dependencies: Iterable[Dependency]) -> list[str]:
    """Names and versions that the lock does not hold."""
    return [f"{dependency.name} {dependency.version}" for dependency in dependencies if not dependency.hashes]


def _wanted(name: str, extras: frozenset[str]) -> list[tuple[NormalizedName, frozenset[str]]]:
    """What an installed distribution declares, for any system, with these extras."""
    try:
        lines = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []
    requirements = [Requirement(line) for line in lines]
    return [
        (canonicalize_name(requirement.name), frozenset(requirement.extras))
        for requirement in requirements
        if _applies(requirement, extras)
    ]


def _applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    """Whether a requirement is for these extras and this Python; the system does not matter."""
    if requirement.marker is None:
        return True
    systems = (
        {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix"},
        {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64", "os_name": "posix"},
    )
    return any(requirement.marker.evaluate({**system, "extra": extra}) for system in systems for extra in ("", *extras))


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _license(name: str) -> str:
    """The licence expression, or the field of older metadata if it is one line."""
    try:
        fields = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ""
    text = str(fields.get("License-Expression") or fields.get("License") or "").strip()
    return text if "\n" not in text and len(text) <= 100 else ""


@cache
def _entries(lock: Path) -> dict[str, str]:
    """The text of every entry of a lock, by canonical name; empty without a lock, as in a wheel."""
    if not lock.is_file():
        return {}
    text = read_text(lock, "the locked requirements")
    blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", "\n".join(line for line in text.splitlines() if line[:1] != "#"))
    pins = ((_PIN.match(block), block.rstrip()) for block in blocks)
    return {canonicalize_name(pin["name"]): block for pin, block in pins if pin}
