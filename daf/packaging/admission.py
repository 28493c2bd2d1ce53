"""What a package must show before it serves in a registry, and the record of it in the history."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daf.errors import DeploymentError
from daf.packaging.deployments import DeployRequest
from daf.packaging.golden import replay_copy
from daf.packaging.journal import Event
from daf.packaging.non_inferiority import Version, compare_versions, require_non_inferior
from daf.packaging.registry import FolderRegistry


@dataclass(kw_only=True)
class Admission:
    """The examination of one package.

    Attributes:
        evidence: what it has shown so far.
        replaces: content of the version that it was compared with; None if it was not compared.
    """

    evidence: dict[str, Any] = field(default_factory=dict)
    replaces: str | None = None

    @classmethod
    def of(cls, request: DeployRequest, registry: FolderRegistry) -> Admission:
        """The admission of a package, compared with the version that serves now if the request demands it.

        Both play before the registry is locked, since that may take long.

        Raises:
            DeploymentError: it is not shown to be non-inferior, or a version cannot be played.
        """
        admission, requirement, manifest = cls(), request.options.require_non_inferiority, request.manifest
        current = registry.current(manifest.name)
        if requirement is None or current is None or current["version"] == manifest.version:
            return admission
        serving = Version(
            package=registry.intact(manifest.name, current["version"]), version=current["version"],
            sha256=current["sha256"],
        )  # fmt: skip
        new = Version(package=request.package, version=manifest.version, sha256=manifest.sha256)
        result = compare_versions(new, serving, request.mission, requirement)
        require_non_inferior(result, request.package)
        return cls(evidence={"non_inferiority": result.to_dict()}, replaces=serving.sha256)

    def examine(self, stored: Path, current: Event | None) -> dict[str, Any]:
        """Replay the golden vectors of the copy that is about to serve; returns all evidence.

        Raises:
            DeploymentError: it answers differently, or something else serves than it was compared with.
        """
        if self.replaces is not None and (current is None or current.sha256 != self.replaces):
            expected = f"version {self.evidence['non_inferiority']['against']} in use, as when it was compared"
            found = "nothing in use" if current is None else f"version {current.version}"
            raise DeploymentError(expected, found, str(stored.parent.parent), "deploy again, to compare with that one")
        replayed = replay_copy(stored)
        if replayed is not None:
            self.evidence["golden_vectors"] = replayed
        return self.evidence
