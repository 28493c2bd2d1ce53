"""The manifest of a package: its content, by hash, and how it was made."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from daf.errors import DeploymentError
from daf.system.files import file_sha256, read_json


class Manifest(BaseModel):
    """The manifest of one package. `observation_shape` and `action_names` are null if no mission was given.

    Attributes:
        name: name of the package.
        version: its version, three numbers.
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
        provenance: what it was made with.
        created: time of the packaging, UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    sha256: str
    size_bytes: int
    files: dict[str, str]
    class_path: str
    policy: str
    init_kwargs: dict[str, Any]
    engine: dict[str, str]
    recipe_digest: str
    mission: str | None
    observation_shape: list[int] | None
    action_names: list[str] | None
    provenance: dict[str, Any]
    created: str


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
    if not path.is_file():
        hint = "package the policy again; the manifest is written next to the zip; keep both together"
        raise DeploymentError("the package's manifest", "no such file", str(path), hint)
    try:
        return Manifest.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DeploymentError("a package manifest", f"{place}: {first['msg']}", str(path)) from None


def contents(package_path: str | Path) -> dict[str, str]:
    """sha256 of every member of a zip; raises zipfile.BadZipFile if it is damaged."""
    with zipfile.ZipFile(package_path) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in sorted(archive.namelist())}


def differences(manifest: Manifest, package_path: str | Path) -> list[str]:
    """How a zip differs from its manifest; empty if it does not."""
    if file_sha256(package_path) == manifest.sha256:
        return []
    members = contents(package_path)
    changed = [
        f"{name} has changed"
        for name in sorted(manifest.files)
        if members.get(name, "") not in ("", manifest.files[name])
    ]
    missing = [f"{name} is missing" for name in sorted(set(manifest.files) - set(members))]
    added = [f"{name} was added" for name in sorted(set(members) - set(manifest.files))]
    return [*changed, *missing, *added] or ["the archive was rewritten with the same files"]
