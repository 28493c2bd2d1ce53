"""The manifest of a package: its content, by hash, and how it was made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints

from daf.errors import BadInputError, DeploymentError
from daf.system.archives import Archive
from daf.system.files import file_sha256
from daf.system.shown import Shown
from daf.system.validated import LONGEST_NAME, NAME_PATTERN, VERSION_HINT, VERSION_PATTERN, read_record

LONGEST_VERSION = 64
PACKAGE_AGAIN = "delete it and package the policy again: `snakemake package`, or daf_package_policy"
_LARGEST = 10_000_000  # the names and digests of 10,000 members, and more
SHA256_PATTERN = r"^[0-9a-f]{64}$"

_Sha256 = Annotated[str, StringConstraints(pattern=SHA256_PATTERN)]


def require_version(version: str, where: str) -> str:
    """Return a version; raise BadInputError unless it is three numbers, and perhaps a pre-release (PEP 440)."""
    if not re.fullmatch(VERSION_PATTERN.strip("^$"), version) or len(version) > LONGEST_VERSION:
        expected = "three numbers such as 0.1.0, or a pre-release such as 0.1.0rc1"
        raise BadInputError(expected, f"'{version}'", where, VERSION_HINT)
    return version


class Manifest(Shown, BaseModel):
    """The manifest of one package. `observation_shape` and `action_names` are null if no mission was given.

    Attributes:
        name: name of the package.
        version: its version: three numbers, and perhaps a pre-release such as rc1.
        sha256: of the zip.
        size_bytes: of the zip.
        files: member of the zip → its sha256.
        class_path: path of the policy class inside the zip.
        policy: shorthand or class path that was packaged.
        init_kwargs: keyword arguments of the policy class.
        engine: versions of the engine's packages.
        recipe_digest: of the training recipe; of a policy that DAF did not train, of class, arguments, and weights.
        mission: the mission it was made for; null if none was given.
        observation_shape: tokens per agent and numbers per token.
        action_names: names of the actions, by number.
        license: SPDX identifier; `other` for a text of the author's own; null if no licence was given.
        training_cost: seconds, processes, devices, machines, versions and git commit of the training, as its run.json
            says; null without one.
        provenance: what it was made with.
        created: time of the packaging, UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=LONGEST_NAME)]
    version: Annotated[str, StringConstraints(pattern=VERSION_PATTERN, max_length=LONGEST_VERSION)]
    sha256: _Sha256
    size_bytes: int
    files: dict[str, _Sha256]
    class_path: str
    policy: str
    init_kwargs: dict[str, Any]
    engine: dict[str, str]
    recipe_digest: str
    mission: str | None
    observation_shape: list[int] | None
    action_names: list[str] | None
    license: str | None = None
    training_cost: dict[str, Any] | None = None
    provenance: dict[str, Any]
    created: str

    def _headline(self) -> str:
        return f"{self.name} {self.version}, {self.policy}, {self.size_bytes / 1e6:.2f} MB, sha256 {self.sha256[:12]}"


def manifest_path_of(package_path: str | Path) -> Path:
    """`miner-0.1.0.zip` → `miner-0.1.0.manifest.json`."""
    path = Path(package_path)
    return path.with_name(path.name.removesuffix(".zip") + ".manifest.json")


def read_manifest(package_path: str | Path) -> Manifest:
    """Read the manifest of a package.

    Raises:
        DeploymentError: it is missing or is not a manifest.
    """
    path = manifest_path_of(package_path)
    hint = f"{PACKAGE_AGAIN}; the manifest is written next to the zip, and both belong together"
    if path.is_file() and (size := path.stat().st_size) > _LARGEST:
        raise DeploymentError(f"a manifest of at most {_LARGEST:,} bytes", f"{size:,}", str(path), hint)
    try:
        return read_record(path, Manifest, "the package's manifest", hint)
    except BadInputError as error:
        raise DeploymentError(error.expected, error.found, error.where, hint) from None


def contents(package_path: str | Path) -> dict[str, str]:
    """sha256 of every member of a zip; raises BadInputError if it is damaged."""
    return Archive(package_path, "a package", f"copy it again, or {PACKAGE_AGAIN}").digests()


def differences(manifest: Manifest, package_path: str | Path, members: Mapping[str, str]) -> list[str]:
    """How a zip with these members, by sha256, differs from its manifest; empty if it does not."""
    changed = [
        f"{name} has changed"
        for name in sorted(manifest.files.keys() & members.keys())
        if members[name] != manifest.files[name]
    ]
    missing = [f"{name} is missing" for name in sorted(manifest.files.keys() - members.keys())]
    added = [f"{name} was added" for name in sorted(members.keys() - manifest.files.keys())]
    if found := [*changed, *missing, *added]:
        return found
    path = Path(package_path)
    if file_sha256(path) != manifest.sha256:
        return ["the archive was rewritten with the same files"]
    if path.stat().st_size != manifest.size_bytes:
        return [f"a size of {path.stat().st_size:,} bytes"]
    return []
