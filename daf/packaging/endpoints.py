"""Endpoints for packages: folder registries and CoGames servers behind one interface.

The server client makes the same five requests as the `cogames upload` command. The token comes from the environment
variable COGAMES_TOKEN, is sent only to the server (never to the storage that receives the zip, to another host through
a redirect, or over plain http beyond this machine), and never appears in a message.
"""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, TypedDict
from urllib.parse import quote, unquote, urlsplit

from daf.errors import BadInputError, DeploymentError, did_you_mean
from daf.packaging.manifest import Manifest, read_manifest
from daf.packaging.registry import FolderRegistry
from daf.packaging.validation import require_valid, validate_package
from daf.system.files import file_sha256
from daf.system.json_files import parse_json
from daf.system.user_paths import user_path
from daf.system.validated import validated

if TYPE_CHECKING:
    from daf.config import DAFDeploymentConfig, MissionConfig

TOKEN_VARIABLE = "COGAMES_TOKEN"
REQUEST_TIMEOUT_S = 60.0
UPLOAD_TIMEOUT_S = 600.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """Where a package is now. `location` is a path or the server's policy version id.

    Attributes:
        name: name of the package there.
        version: its version.
        endpoint: folder or address.
        location: path of the zip, or the server's id of the policy version.
        sha256: of the zip.
        details: what else the endpoint answered.
    """

    name: str
    version: str
    endpoint: str
    location: str
    sha256: str
    details: dict[str, Any] = field(default_factory=dict)


class Endpoint(Protocol):
    """Something that accepts packages, and may be able to roll back to an earlier one."""

    def deploy(self, package: Path, manifest: Manifest, *, name: str, season: str | None) -> Deployment: ...

    def rollback(self, name: str, to_version: str | None) -> Deployment: ...


def open_endpoint(address: str | Path) -> Endpoint:
    """A folder path or file:// address is a registry; http(s):// is a CoGames server.

    Raises:
        BadInputError: another kind of address.
    """
    text = str(address)
    parts = urlsplit(text)
    if parts.scheme in ("http", "https"):
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise BadInputError(
                "an https address", text, "endpoint", "over http, anyone on the network could read the token"
            )
        if not parts.hostname or "@" in parts.netloc:
            hint = f"put the token into the environment variable {TOKEN_VARIABLE}"
            raise BadInputError("an address without user name or password", f"{parts.scheme}://…", "endpoint", hint)
        return CogamesServer(text)
    if parts.scheme == "file":
        return FolderEndpoint(Path(unquote(parts.path)))
    if "://" in text:
        raise BadInputError("a folder, file:// or http(s):// address", f"'{text}'", "endpoint")
    return FolderEndpoint(user_path(text, "endpoint"))


def require_endpoint(config: DAFDeploymentConfig | None) -> str:
    """The endpoint of the configuration; BadInputError if it names none."""
    if config is None or config.endpoint is None:
        raise BadInputError(
            "a folder or an http(s) address", "none", "deployment.endpoint", "set the address to send it to"
        )
    return config.endpoint


def deploy_package(
    package: Path,
    endpoint: str | Path,
    *,
    name: str | None,
    season: str | None,
    validation_mission: str | MissionConfig | None,
) -> Deployment:
    """See `daf.deployment.daf_deploy_policy`.

    Args:
        validation_mission: the mission on which the package must first play; None sends it without playing.
    """
    target = open_endpoint(endpoint)
    if not package.is_file():
        raise DeploymentError("a package", "no such file", str(package), "create it with daf_package_policy")
    manifest = read_manifest(package)
    if validation_mission is not None:
        require_valid(validate_package(package, validation_mission), hint="nothing was sent")
    if file_sha256(package) != manifest.sha256:
        raise DeploymentError("the content of the manifest", "other content", str(package), "package the policy again")
    return target.deploy(package, manifest, name=name or manifest.name, season=season)


class FolderEndpoint:
    """A registry in a folder, e.g. on a shared file system."""

    def __init__(self, folder: Path) -> None:
        self._registry = FolderRegistry(folder)

    def deploy(self, package: Path, manifest: Manifest, *, name: str, season: str | None) -> Deployment:
        if season is not None:
            raise BadInputError("no season", f"'{season}'", "endpoint", "only a CoGames server has seasons")
        if name != manifest.name:
            hint = "package the policy under that name"
            raise BadInputError(f"the package's own name '{manifest.name}'", f"'{name}'", "endpoint", hint)
        stored = self._registry.deploy(package, manifest)
        return self._deployment(name, manifest.version, str(stored), manifest.sha256)

    def rollback(self, name: str, to_version: str | None) -> Deployment:
        pointer = self._registry.rollback(name, to_version)
        location = str(self._registry.folder / pointer["package"])
        return self._deployment(name, pointer["version"], location, pointer["sha256"])

    def _deployment(self, name: str, version: str, location: str, sha256: str) -> Deployment:
        endpoint = str(self._registry.folder)
        return Deployment(name=name, version=version, endpoint=endpoint, location=location, sha256=sha256)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuse redirects: they would send the token to another host."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None


class CogamesServer:
    """The submission interface of a CoGames server."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url.rstrip("/")

    def deploy(self, package: Path, manifest: Manifest, *, name: str, season: str | None) -> Deployment:
        token = os.environ.get(TOKEN_VARIABLE, "").strip()
        if not token:
            hint = "log in with `cogames login` elsewhere and export the token"
            raise DeploymentError(f"a token in {TOKEN_VARIABLE}", "no such variable", self._base_url, hint)
        if season is not None:
            self._check_season(season, token)
        presigned = self._call("POST", "/stats/policies/submit/presigned-url", token)
        upload_url, upload_id = self._field(presigned, "upload_url"), self._field(presigned, "upload_id")
        self._upload(str(upload_url), package)
        body = {"upload_id": upload_id, "name": name} | ({} if season is None else {"season": season})
        answer = self._call("POST", "/stats/policies/submit/complete", token, body)
        return Deployment(
            name=name,
            version=manifest.version,
            endpoint=self._base_url,
            location=str(self._field(answer, "id")),
            sha256=manifest.sha256,
            details={"server_version": answer.get("version"), "season": season, "pools": answer.get("pools")},
        )

    def rollback(self, name: str, to_version: str | None) -> Deployment:
        hint = "deploy the earlier package again: the server treats the newest upload as current"
        raise DeploymentError("an endpoint that can roll back", "a CoGames server, which cannot", self._base_url, hint)

    def _check_season(self, season: str, token: str) -> None:
        listed = self._call("GET", "/tournament/seasons", token)
        names = (
            [str(entry.get("name")) for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
        )
        if season not in names:
            raise DeploymentError("a season of the server", f"'{season}'", self._base_url, did_you_mean(season, names))
        self._call("GET", f"/tournament/seasons/{quote(season, safe='')}", token)

    def _field(self, answer: Any, key: str) -> Any:
        if not isinstance(answer, dict) or key not in answer:
            raise DeploymentError(
                f"an answer with '{key}'", "another answer", self._base_url, "is this a CoGames server?"
            )
        return answer[key]

    def _call(self, method: str, path: str, token: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-Auth-Token": token, "Accept": "application/json"}
        if data is not None:
            headers["Content-Type"] = "application/json"
        elif method == "POST":
            data = b""
        request = urllib.request.Request(self._base_url + path, data=data, headers=headers, method=method)
        content = self._send(request, f"{method} {self._base_url}{path}", REQUEST_TIMEOUT_S, token)
        try:
            return parse_json(content, self._base_url)
        except BadInputError:
            where = f"{method} {self._base_url}{path}"
            raise DeploymentError("a JSON answer", "something else", where, "is this a CoGames server?") from None

    def _upload(self, url: str, package: Path) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise DeploymentError("an https upload address", f"{parts.scheme}://{parts.hostname}", self._base_url)
        with open(package, "rb") as stream:
            headers = {"Content-Type": "application/zip", "Content-Length": str(package.stat().st_size)}
            request = urllib.request.Request(url, data=stream, headers=headers, method="PUT")
            # A presigned address is a secret, too: name the host, not the query.
            self._send(request, f"PUT {parts.scheme}://{parts.netloc}{parts.path}", UPLOAD_TIMEOUT_S, None)

    def _send(self, request: urllib.request.Request, where: str, timeout_s: float, token: str | None) -> bytes:
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if urlsplit(request.full_url).hostname in _LOOPBACK:
            handlers.append(urllib.request.ProxyHandler({}))
        try:
            with urllib.request.build_opener(*handlers).open(request, timeout=timeout_s) as response:
                content: bytes = response.read()
                return content
        except urllib.error.HTTPError as error:
            raise DeploymentError("status 200", _refusal(error, token), where, _HINTS.get(error.code, "")) from None
        except (urllib.error.URLError, TimeoutError, http.client.HTTPException, OSError) as error:
            reason = getattr(error, "reason", None) or error
            hint = "is the address right, and is the server up?"
            raise DeploymentError("an answer", f"{type(error).__name__}: {reason}", where, hint) from None


_HINTS = {
    401: f"the token in {TOKEN_VARIABLE} is wrong or has expired",
    403: f"the token in {TOKEN_VARIABLE} does not permit this",
    404: "is the address right?",
    413: "the package is too large for the server",
}


class _Refusal(TypedDict):
    detail: Any


def _refusal(error: urllib.error.HTTPError, token: str | None) -> str:
    try:
        detail = validated(_Refusal, parse_json(error.read(4096), "answer"), "answer")["detail"]
    except (BadInputError, OSError):
        detail = error.reason
    text = f"status {error.code}: {detail}"
    return text.replace(token, "***") if token else text
