"""What is sent to an endpoint, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daf.config import MissionConfig, NonInferiorityConfig
from daf.packaging.manifest import Manifest
from daf.system.shown import Shown


@dataclass(frozen=True, kw_only=True, repr=False)
class Deployment(Shown):
    """Where a package is now. `location` is a path or the server's policy version id.

    Attributes:
        name: name of the package there.
        version: its version.
        endpoint: folder or address.
        location: path of the zip, or the server's id of the policy version.
        sha256: of the zip.
        details: what else the endpoint answered; `dry_run` is true if nothing was sent or switched, and `unchanged` if
            the version served already; `evidence` is what the version had shown.
    """

    name: str
    version: str
    endpoint: str
    location: str
    sha256: str
    details: dict[str, Any] = field(default_factory=dict)

    def _headline(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return f"{self.name} {self.version} at {self.endpoint} ({self.location}, sha256 {self.sha256[:12]})"


@dataclass(frozen=True, kw_only=True)
class DeployOptions:
    """Conditions for a deployment.

    Attributes:
        verification_key: a public key (PEM); a package that was not signed with its private key is refused.
        require_non_inferiority: refuse the package unless it is non-inferior to the version that serves in the
            registry: both play the validation mission, and the interval of the difference of mean rewards must lie
            above minus the margin. The result is in the deployment's details and in the registry's history.
    """

    verification_key: str | Path | None = None
    require_non_inferiority: NonInferiorityConfig | None = None


@dataclass(frozen=True, kw_only=True)
class DeployRequest:
    """A checked package, and how to deploy it.

    Attributes:
        package: the zip, whose manifest lies next to it.
        manifest: the manifest that was checked.
        name: name at the endpoint.
        season: tournament season to enter.
        reason: why, for the history.
        dry_run: check everything, change nothing.
        options: conditions for the deployment.
        mission: where the package plays if it is validated now, and both versions if it must not be inferior.
    """

    package: Path
    manifest: Manifest
    name: str
    season: str | None = None
    reason: str = ""
    dry_run: bool = False
    options: DeployOptions = DeployOptions()
    mission: str | MissionConfig = ""
