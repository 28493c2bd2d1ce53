"""Packaging, validating and deploying policies: the public functions; the work is done in `daf.packaging`.

A package is a zip that CoGames accepts as a submission, with a manifest beside it. Deploying sends it to a folder
registry or to a CoGames server.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from daf.errors import BadInputError, DeploymentError
from daf.packaging.endpoints import Deployment, open_endpoint
from daf.packaging.manifest import read_manifest
from daf.packaging.package import PackageResult, daf_package_policy, package_checkpoint
from daf.packaging.validation import ValidationResult, validate_package
from daf.system.files import file_sha256

if TYPE_CHECKING:
    from daf.config import DAFDeploymentConfig, MissionConfig

__all__ = [
    "Deployment",
    "PackageResult",
    "ValidationResult",
    "daf_deploy_policy",
    "daf_package_policy",
    "daf_rollback_deployment",
    "daf_validate_deployment",
    "package_checkpoint",
    "require_endpoint",
    "require_valid",
]  # fmt: skip

DEFAULT_MISSION = "tutorial.miner"


def daf_validate_deployment(
    package_path: str | Path,
    mission: str | MissionConfig = DEFAULT_MISSION,
    *,
    steps: int = 32,
    seed: int = 0,
    timeout_s: float = 300.0,
    max_action_time_ms: int = 10_000,
) -> ValidationResult:
    """Check a package's integrity, then load it in a fresh process without DAF and play `steps` steps.

    A bad package is a result, not an exception: see `is_valid`, `problems` and `checks`.

    Raises:
        UnknownMissionError: no such mission.
    """
    return validate_package(
        package_path, mission, steps=steps, seed=seed, timeout_s=timeout_s, max_action_time_ms=max_action_time_ms
    )


def daf_deploy_policy(
    package_path: str | Path,
    endpoint: str | Path,
    *,
    name: str | None = None,
    season: str | None = None,
    mission: str | MissionConfig = DEFAULT_MISSION,
    validate: bool = True,
) -> Deployment:
    """Validate a package and send it to an endpoint.

    Args:
        endpoint: a folder (or file://…) for a registry, http(s)://… for a CoGames server, whose token is read from
            the environment variable COGAMES_TOKEN.
        name: name on the server; default: the package's.
        season: tournament season to enter; only for a server. None uploads without entering one.
        validate: False skips playing, not the check against the manifest.

    Raises:
        DeploymentError: the package is invalid, the version is there with other content, or the endpoint refuses.
        BadInputError: an address or name that cannot be used.
    """
    package = Path(package_path)
    target = open_endpoint(endpoint)
    if not package.is_file():
        raise DeploymentError("a package", "no such file", str(package), "make it with daf_package_policy")
    manifest = read_manifest(package)
    if validate:
        result = daf_validate_deployment(package, mission)
        if not result.is_valid:
            hint = "nothing was sent"
            raise DeploymentError("a valid package", "; ".join(result.problems), str(package), hint)
    if file_sha256(package) != manifest.sha256:
        raise DeploymentError("the content of the manifest", "other content", str(package), "package the policy again")
    return target.deploy(package, manifest, name=name or manifest.name, season=season)


def daf_rollback_deployment(name: str, endpoint: str | Path, to_version: str | None = None) -> Deployment:
    """Make an earlier version current again; default: the one before the current one.

    Raises:
        DeploymentError: nothing to go back to, or the endpoint is a CoGames server, which has no way back.
    """
    return open_endpoint(endpoint).rollback(name, to_version)


# ---- for the workflow ---------------------------------------------------------------------------------------


def require_valid(result: ValidationResult) -> None:
    """Raise DeploymentError, with every problem, unless the package is valid."""
    if not result.is_valid:
        raise DeploymentError("a valid package", "; ".join(result.problems), result.package)


def require_endpoint(config: DAFDeploymentConfig | None) -> str:
    """The endpoint of the configuration; BadInputError if it names none."""
    if config is None or config.endpoint is None:
        raise BadInputError("a folder or an http(s) address", "none", "deployment.endpoint", "say where to send it")
    return config.endpoint
