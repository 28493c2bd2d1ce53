"""Endpoints for packages: folder registries and servers behind one interface."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypedDict
from urllib.parse import unquote, urlsplit

from daf.errors import BadInputError, DeploymentError
from daf.packaging.admission import Admission
from daf.packaging.deployments import Deployment, DeployRequest
from daf.packaging.http_attempt import LOOPBACK
from daf.packaging.http_client import split_address
from daf.packaging.manifest import PACKAGE_AGAIN, read_manifest
from daf.packaging.registry import DeployedPolicy, FolderRegistry
from daf.packaging.servers import COGAMES_TOKEN, CogamesServer, CoworldServer
from daf.packaging.signing import require_signature
from daf.packaging.validation import ValidationResult, require_valid, validate_package
from daf.system.files import file_sha256
from daf.system.user_paths import user_path
from daf.system.validated import read_record, require_name

if TYPE_CHECKING:
    from daf.config import DAFDeploymentConfig

_COWORLD = "coworld+"


class Endpoint(Protocol):
    """Something that accepts packages, and may be able to roll back to an earlier one and to list what it has."""

    def deploy(self, request: DeployRequest) -> Deployment: ...

    def rollback(
        self, name: str, to_version: str | None, *, reason: str = "", dry_run: bool = False,
        verification_key: Path | None = None,
    ) -> Deployment: ...  # fmt: skip

    def deployed(self, name: str | None) -> list[DeployedPolicy]: ...


def open_endpoint(address: str | Path) -> Endpoint:
    """A folder path or file:// address is a registry; http(s):// is a CoGames server, coworld+http(s):// a Coworld one.

    Raises:
        BadInputError: another kind of address, or one that carries a secret.
    """
    text = str(address)
    plain = text.removeprefix(_COWORLD)
    try:
        parts = urlsplit(plain)
    except ValueError:  # brackets around no IPv6 address
        raise BadInputError("a folder, file:// or http(s):// address", "another address", "endpoint") from None
    if parts.scheme in ("http", "https"):
        if split_address(plain) is None or parts.query or parts.fragment or ";" in parts.path:
            hint = f"put the token into the environment variable {COGAMES_TOKEN}"
            expected = "an address of a host, without user name, password or query"
            raise BadInputError(expected, f"{parts.scheme}://…", "endpoint", hint)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            hint = "over http, anyone on the network could read the token"
            raise BadInputError("an https address", f"http://{parts.hostname}", "endpoint", hint)
        return CogamesServer(plain) if plain == text else CoworldServer(plain)
    if parts.scheme == "file" and plain == text:
        if parts.netloc not in ("", "localhost"):
            hint = "mount its folder here, and name that: file:///folder"
            raise BadInputError("a folder of this machine", f"one of {parts.netloc}", "endpoint", hint)
        return FolderEndpoint(user_path(unquote(parts.path), "endpoint"))
    if parts.scheme:
        hint = "" if "://" in text else "begin the name of a folder that has a colon with ./"
        raise BadInputError("a folder, file:// or http(s):// address", f"{parts.scheme}:…", "endpoint", hint)
    return FolderEndpoint(user_path(text, "endpoint"))


def require_endpoint(config: DAFDeploymentConfig | None) -> str:
    """The endpoint of the configuration; BadInputError if it names none."""
    if config is None or config.endpoint is None:
        raise BadInputError(
            "a folder or an http(s) address", "none", "deployment.endpoint", "set the address to send it to"
        )
    return config.endpoint


class _Validation(TypedDict):
    """What deploying relies on in the record of a validation."""

    is_valid: bool
    sha256: str | None


def deploy_package(
    request: DeployRequest, endpoint: str | Path, validation: Path | ValidationResult | None
) -> Deployment:
    """See `daf.deployment.daf_deploy_policy`.

    Args:
        validation: an earlier validation, or its record; None: the package must play now.
    """
    target, package, sha256 = open_endpoint(endpoint), request.package, request.manifest.sha256
    if request.options.require_non_inferiority is not None and not isinstance(target, FolderEndpoint):
        hint = "a server does not tell which version serves; leave require_non_inferiority out"
        raise BadInputError("a folder registry", "a server", "require_non_inferiority", hint)
    key = request.options.verification_key
    require_signature(package, None if key is None else user_path(key, "verification_key"))
    if isinstance(validation, Path):
        require_record(package, validation, sha256)
    else:
        result = validation or validate_package(package, request.mission)
        require_valid(result, hint="nothing was sent")
        if result.sha256 != sha256:
            found = "a validation of other content" if validation else "other content"
            raise DeploymentError("the package that was validated", found, str(package), "validate it again")
    if file_sha256(package) != sha256:
        raise DeploymentError("the content of the manifest", "other content", str(package), PACKAGE_AGAIN)
    return target.deploy(request)


def deploy_request(package: Path, name: str | None, season: str | None, reason: str, dry_run: bool) -> DeployRequest:
    """The request for a package on disk.

    Raises:
        DeploymentError: there is no package, or no manifest next to it. BadInputError: an invalid name.
    """
    if not package.is_file():
        raise DeploymentError("a package", "no such file", str(package), "create it with daf_package_policy")
    manifest = read_manifest(package)
    name = manifest.name if name is None else require_name(name, "daf_deploy_policy: name")
    return DeployRequest(package=package, manifest=manifest, name=name, season=season, reason=reason, dry_run=dry_run)


def validation_path_of(package: Path) -> Path:
    """`miner-0.1.0.zip` → `miner-0.1.0.validation.json`, where the workflow writes it."""
    return package.with_name(package.name.removesuffix(".zip") + ".validation.json")


def require_record(package: Path, record: Path, sha256: str) -> None:
    """Raise DeploymentError unless the record says that this content was valid."""
    hint = "validate it first: daf_deploy_policy does so unless validate=False"
    try:
        found = read_record(record, _Validation, "the record of a validation", hint)
    except BadInputError as error:
        raise DeploymentError("a validated package", error.found, error.where, hint) from None
    if not found["is_valid"]:
        raise DeploymentError("a valid package", "one that failed its validation", str(record), hint)
    if found["sha256"] != sha256:
        shown = f"a validation of {str(found['sha256'])[:12]}…"
        raise DeploymentError(f"a validation of {sha256[:12]}…", shown, str(record), hint)


AS_RECORDED = "as recorded"


def served_state(endpoint: str | None, name: str, record: str | Path) -> str:
    """Whether a registry serves what the record of a deployment or rollback says; otherwise, what it serves.

    A constant without a record, and for servers, which do not tell.
    """
    path = Path(record)
    target = None if endpoint is None else open_endpoint(endpoint)
    if not isinstance(target, FolderEndpoint) or not path.is_file():
        return AS_RECORDED
    try:
        recorded = read_record(path, _Deployed)
    except BadInputError:
        return f"{path.name} is damaged"
    current = target.current(name)
    if current is None:
        return "nothing is deployed"
    if all(current[key] == recorded[key] for key in ("version", "sha256")):
        return AS_RECORDED
    return f"{current['version']} is in use since event {current['number']}"


class _Deployed(TypedDict):
    """What `served_state` compares of the record of a deployment."""

    version: str
    sha256: str


class FolderEndpoint:
    """A registry in a folder, e.g. on a shared file system."""

    def __init__(self, folder: Path) -> None:
        self._registry = FolderRegistry(folder)

    def deploy(self, request: DeployRequest) -> Deployment:
        manifest = request.manifest
        if request.season is not None:
            raise BadInputError("no season", f"'{request.season}'", "endpoint", "only a CoGames server has seasons")
        if request.name != manifest.name:
            hint = "package the policy under that name"
            raise BadInputError(f"the package's own name '{manifest.name}'", f"'{request.name}'", "endpoint", hint)
        current = self._registry.current(manifest.name)
        admission = Admission.of(request, self._registry)
        stored = self._registry.deploy(
            request.package, manifest, reason=request.reason, dry_run=request.dry_run, examine=admission.examine
        )
        serves = current["version"] if current else None
        details = {"dry_run": True, "current": serves} if request.dry_run else {}
        if admission.evidence:
            details |= {"evidence": admission.evidence}
        return self._deployment(request.name, manifest.version, str(stored), manifest.sha256, details)

    def rollback(
        self, name: str, to_version: str | None, *, reason: str = "", dry_run: bool = False,
        verification_key: Path | None = None,
    ) -> Deployment:  # fmt: skip
        current = self._registry.current(name)
        pointer = self._registry.rollback(
            name, to_version, reason=reason, dry_run=dry_run,
            examine=lambda stored: require_signature(stored, verification_key),
        )  # fmt: skip
        location = str(self._registry.folder / pointer["package"])
        served = current["version"] if current else None
        details: dict[str, object] = {"dry_run": True, "current": served} if dry_run else {}
        if served == pointer["version"]:
            details["unchanged"] = True
        return self._deployment(name, pointer["version"], location, pointer["sha256"], details)

    def deployed(self, name: str | None) -> list[DeployedPolicy]:
        return self._registry.deployed(name)

    def current(self, name: str) -> dict[str, object] | None:
        """The pointer of a policy; None if it is not deployed."""
        return self._registry.current(name)

    def _deployment(
        self, name: str, version: str, location: str, sha256: str, details: dict[str, object]
    ) -> Deployment:
        endpoint = str(self._registry.folder)
        return Deployment(
            name=name, version=version, endpoint=endpoint, location=location, sha256=sha256, details=details
        )
