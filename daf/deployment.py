"""Packaging, validating and deploying policies.

A package is a zip that CoGames accepts as a submission, with a manifest next to it. Deploying sends it to a folder
registry or a CoGames server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.config.policy_reference import check_importable, class_path_of
from daf.packaging.deployments import Deployment, DeployOptions
from daf.packaging.endpoints import deploy_package, deploy_request, open_endpoint, validation_path_of
from daf.packaging.manifest import Manifest
from daf.packaging.package import PackageOptions, PackageRequest, PackageResult, write_package
from daf.packaging.player import DEFAULT_ACTION_TIME_MS
from daf.packaging.registry import DeployedPolicy
from daf.packaging.signing import sign_package
from daf.packaging.validation import DEFAULT_STEPS, DEFAULT_TIMEOUT_S, ValidationResult, validate_package
from daf.system.arguments import checked_arguments
from daf.system.shown import ResultList
from daf.system.user_paths import user_path

if TYPE_CHECKING:
    from daf.config import MissionConfig

__all__ = [
    "DeployOptions",
    "DeployedPolicy",
    "Deployment",
    "Manifest",
    "PackageOptions",
    "PackageResult",
    "ValidationResult",
    "daf_deploy_policy",
    "daf_list_deployments",
    "daf_package_policy",
    "daf_rollback_deployment",
    "daf_sign_package",
    "daf_validate_deployment",
]

DEFAULT_MISSION = "tutorial.miner"


@checked_arguments
def daf_package_policy(
    policy_class_path: str | type = "lstm",
    weights_path: str | Path | None = None,
    output_dir: str | Path = "deployment_packages",
    name: str | None = None,
    version: str | None = None,
    init_kwargs: Mapping[str, Any] | None = None,
    mission: str | MissionConfig | None = None,
    *,
    options: PackageOptions | None = None,
) -> PackageResult:
    """Write `{output_dir}/{name}-{version}.zip` and its manifest, after checking everything.

    The zip holds policy_spec.json, the weights, the Python files that the class needs and CoGames does not ship,
    and its documents: README.md, a model card; the licence; requirements with hashes; a bill of materials (CycloneDX);
    lineage; a provenance statement (in-toto, SLSA); metadata.json; VERSION. The same inputs give the same bytes.
    `daf_sign_package` signs it.

    Args:
        policy_class_path: shorthand, class path or class of a MultiAgentPolicy.
        weights_path: a file that the policy's `load_policy_data` reads, or a trained model (.safetensors), which is
            converted to such a file since CoGames does not support the format; None for a policy without weights.
        name: default: the shorthand or the class's name.
        version: three numbers, perhaps with a pre-release such as 0.1.0rc1; default 0.1.0.
        init_kwargs: keyword arguments of the policy class.
        mission: the mission the policy was made for: the policy must build and load there, and the manifest records its
            observation shape and action names; default: the mission of a trained model, otherwise none.
        options: what the model card says, the licence, the comparison with the results, and further files for the zip.

    Raises:
        PolicyError: no such policy, not a policy class, a policy that does not fit the mission, or one that cannot save
            a trained model.
        CheckpointError: the weights are missing, damaged, or belong to a different network.
        BadInputError: an invalid name, version or licence, a missing file to include, a comparison without this policy,
            or a sweep whose best hyperparameters are not those of the model.
    """
    return write_package(
        PackageRequest(
            policy_class_path=_class_path(policy_class_path),
            weights_path=None if weights_path is None else user_path(weights_path, "weights_path"),
            output_dir=user_path(output_dir, "output_dir"),
            name=name,
            version=version,
            init_kwargs=dict(init_kwargs or {}),
            mission=mission,
            options=options or PackageOptions(),
        )
    )


def _class_path(policy: str | type) -> str:
    class_path = class_path_of(policy) if isinstance(policy, type) else policy
    check_importable(class_path, "a package")
    return class_path


@checked_arguments
def daf_validate_deployment(
    package_path: str | Path,
    mission: str | MissionConfig = DEFAULT_MISSION,
    *,
    steps: int = DEFAULT_STEPS,
    seed: int = 0,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    max_action_time_ms: int = DEFAULT_ACTION_TIME_MS,
    verification_key: str | Path | None = None,
) -> ValidationResult:
    """Check a package's integrity, then let it play `steps` steps from a separate, confined process,
    which has neither DAF nor a network. Rewards and verdict are this process's.

    A bad package is a result, not an exception: see `is_valid`, `problems` and `checks`.

    Args:
        verification_key: a public key (PEM); a package that was not signed with its private key is invalid.

    Raises:
        UnknownMissionError: no such mission.
        DeploymentError: a key was given, but model-signing is not installed. BadInputError: it is not a public key.
    """
    return validate_package(
        package_path, mission, steps=steps, seed=seed, timeout_s=timeout_s, max_action_time_ms=max_action_time_ms,
        verification_key=None if verification_key is None else user_path(verification_key, "verification_key"),
    )  # fmt: skip


@checked_arguments
def daf_sign_package(package_path: str | Path, signing_key: str | Path) -> Path:
    """Sign a package with the OpenSSF model-signing tool; return the path of the signature, `{name}-{version}.sig`.

    Args:
        signing_key: an elliptic-curve private key (PEM). The password of an encrypted key is read from the environment
            variable DAF_SIGNING_PASSWORD.

    Raises:
        DeploymentError: model-signing is not installed (`pip install 'daf[signing]'`), or there is no manifest.
        BadInputError: no such package or key.
    """
    return sign_package(user_path(package_path, "package_path"), user_path(signing_key, "signing_key"))


@checked_arguments
def daf_deploy_policy(
    package_path: str | Path,
    endpoint: str | Path,
    *,
    name: str | None = None,
    season: str | None = None,
    mission: str | MissionConfig = DEFAULT_MISSION,
    validate: bool | ValidationResult | str | Path = True,
    reason: str = "",
    dry_run: bool = False,
    options: DeployOptions | None = None,
) -> Deployment:
    """Validate a package and send it to an endpoint.

    In a registry, the copy that is about to serve must give the answers that the policy gave when it was packaged.

    Args:
        endpoint: a folder (or file://…) for a registry, http(s)://… for a CoGames server, coworld+http(s)://… for a
            Coworld server. A server's token is read from the environment variable COGAMES_TOKEN or COWORLD_TOKEN, or
            from the file (mode 600) that COGAMES_TOKEN_FILE or COWORLD_TOKEN_FILE names.
        name: name on the server; default: the package's.
        season: tournament season to enter; only for a CoGames server. None uploads without entering one.
        mission: the mission on which the package must first play.
        validate: an earlier validation of the same content, or the path of its record, instead of playing now; False:
            the record next to the package, `{name}-{version}.validation.json`.
        reason: why, for the registry's history.
        dry_run: check everything that can be checked, and change nothing.
        options: the key with which the package must be signed, and what it must show against the version that serves.

    Raises:
        DeploymentError: the package is invalid, was not validated or not signed, is not shown to be non-inferior,
            answers differently than when it was packaged, the version exists with different content, or the endpoint
            refuses.
        BadInputError: an invalid address or name.
    """
    package = user_path(package_path, "package_path")
    request = replace(
        deploy_request(package, name, season, reason, dry_run), options=options or DeployOptions(), mission=mission
    )
    if validate is True:
        return deploy_package(request, endpoint, None)
    if isinstance(validate, ValidationResult):
        return deploy_package(request, endpoint, validate)
    record = validation_path_of(package) if validate is False else user_path(validate, "validate")
    return deploy_package(request, endpoint, record)


@checked_arguments
def daf_rollback_deployment(
    name: str,
    endpoint: str | Path,
    to_version: str | None = None,
    *,
    reason: str = "",
    dry_run: bool = False,
    verification_key: str | Path | None = None,
) -> Deployment:
    """Make an earlier version current again; default: the one before the current one.

    Args:
        reason: why, for the registry's history.
        dry_run: say which version would become current, and change nothing.
        verification_key: a public key (PEM); a version that was not signed with its private key is refused.

    Raises:
        DeploymentError: no earlier version, its zip has changed, it is not signed, or the endpoint is a server, which
            cannot roll back.
        BadInputError: an invalid name or address, or a key that is none.
    """
    key = None if verification_key is None else user_path(verification_key, "verification_key")
    return open_endpoint(endpoint).rollback(name, to_version, reason=reason, dry_run=dry_run, verification_key=key)


@checked_arguments
def daf_list_deployments(endpoint: str | Path, name: str | None = None) -> list[DeployedPolicy]:
    """The policies in a registry: which version is in use, and all that happened before.

    Raises:
        DeploymentError: no policy of this name, or the endpoint is a server, which does not list them.
    """
    return ResultList(open_endpoint(endpoint).deployed(name))
