"""The manifest of a package: its content, by hash, and how it was made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from daf.errors import BadInputError, DeploymentError
from daf.system.archives import Archive
from daf.system.files import file_sha256
from daf.system.validated import read_record


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
    hint = "package the policy again; the manifest is written next to the zip; keep both together"
    try:
        return read_record(path, Manifest, "the package's manifest", hint)
    except BadInputError as error:
        raise DeploymentError(error.expected, error.found, error.where, hint) from None


def contents(package_path: str | Path) -> dict[str, str]:
    """sha256 of every member of a zip; raises BadInputError if it is damaged."""
    return Archive(package_path, "a package", "package the policy again, or copy it again").digests()


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
