"""Servers that receive packages: CoGames' submissions, and Coworld's files.

Both were tested against a server on this machine that checks every request; the live services were never contacted. A
token is sent to its server only: not to the storage that receives the zip, not to another host through a redirect, and
not over plain http beyond this machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

from daf.errors import DeploymentError, did_you_mean
from daf.packaging.deployments import Deployment, DeployRequest
from daf.packaging.http_client import HttpClient
from daf.packaging.registry import DeployedPolicy
from daf.packaging.tokens import read_token
from daf.system.files import digest

COGAMES_TOKEN, COWORLD_TOKEN = "COGAMES_TOKEN", "COWORLD_TOKEN"  # names of variables


class _Server:
    """What the two servers share."""

    token_variable = COGAMES_TOKEN

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url.rstrip("/")

    def rollback(
        self, name: str, to_version: str | None, *, reason: str = "", dry_run: bool = False,
        verification_key: Path | None = None,
    ) -> Deployment:  # fmt: skip
        hint = "deploy the earlier package again: the server treats the newest upload as current"
        raise DeploymentError("an endpoint that can roll back", "a server, which cannot", self._base_url, hint)

    def deployed(self, name: str | None) -> list[DeployedPolicy]:
        raise DeploymentError("an endpoint that lists its versions", "a server", self._base_url, "ask its own web page")

    def _client(self) -> HttpClient:
        token = read_token(self.token_variable, self._base_url)
        hints = {
            401: f"the token in {self.token_variable} is wrong or has expired",
            403: f"the token in {self.token_variable} does not permit this",
            404: "is the address right?",
            413: "the package is too large for the server",
        }
        return HttpClient(base_url=self._base_url, headers=self._headers(token), secret=token, hints=hints)

    def _headers(self, token: str) -> dict[str, str]:
        return {"X-Auth-Token": token}

    def _field(self, answer: Any, key: str) -> Any:
        if not isinstance(answer, dict) or key not in answer:
            self._refuse(f"an answer with '{key}'", "another answer", "is this the right server?")
        return answer[key]

    def _refuse(self, expected: str, found: str, hint: str) -> NoReturn:
        raise DeploymentError(expected, found, self._base_url, hint)

    def _deployment(self, request: DeployRequest, location: str, details: Mapping[str, Any]) -> Deployment:
        manifest = request.manifest
        return Deployment(
            name=request.name, version=manifest.version, endpoint=self._base_url, location=location,
            sha256=manifest.sha256, details=dict(details),
        )  # fmt: skip


class CogamesServer(_Server):
    """The submission interface of a CoGames server: the requests of the `cogames upload` command."""

    def deploy(self, request: DeployRequest) -> Deployment:
        client, season = self._client(), request.season
        if season is not None:
            self._check_season(season, client)
        if request.dry_run:
            return self._deployment(request, "", {"dry_run": True, "season": season})
        _, presigned = client.call("POST", "/stats/policies/submit/presigned-url")
        upload_url, upload_id = self._field(presigned, "upload_url"), self._field(presigned, "upload_id")
        client.upload(str(upload_url), request.package, request.manifest.sha256)
        body = {"upload_id": upload_id, "name": request.name} | ({} if season is None else {"season": season})
        key = digest({**body, "sha256": request.manifest.sha256})
        # A repeated request may find that the first one arrived, although its answer did not.
        status, answer = client.call(
            "POST", "/stats/policies/submit/complete", body, accept=(409,), idempotency_key=key
        )
        if status == 409 and not (isinstance(answer, dict) and "id" in answer):
            found = answer.get("detail", "no reason") if isinstance(answer, dict) else "no reason"
            self._refuse("a new submission", f"status 409: {found}", "was it submitted before? look at the server")
        details = {"server_version": answer.get("version"), "season": season, "pools": answer.get("pools")}
        return self._deployment(request, str(self._field(answer, "id")), details)

    def _check_season(self, season: str, client: HttpClient) -> None:
        _, listed = client.call("GET", "/tournament/seasons")
        entries = listed if isinstance(listed, list) else []
        names = [str(entry.get("name")) for entry in entries if isinstance(entry, dict)]
        if season not in names:
            self._refuse("a season of the server", f"'{season}'", did_you_mean(season, names))
        client.call("GET", f"/tournament/seasons/{quote(season, safe='')}")


class CoworldServer(_Server):
    """The files interface of a Coworld server: announce the content, send it unless the server has it, and complete."""

    token_variable = COWORLD_TOKEN

    def deploy(self, request: DeployRequest) -> Deployment:
        if request.season is not None:
            self._refuse("no season", f"'{request.season}'", "only a CoGames server has seasons")
        client, sha256 = self._client(), request.manifest.sha256
        if request.dry_run:
            return self._deployment(request, "", {"dry_run": True})
        body = {
            "name": request.name, "content_hash": sha256, "size_bytes": request.manifest.size_bytes,
            "tags": {"daf_version": request.manifest.version},
        }  # fmt: skip
        status, answer = client.call(
            "POST", "/stats/policies/files/upload", body, accept=(409,), idempotency_key=sha256
        )
        upload_url = answer.get("upload_url") if status != 409 and isinstance(answer, dict) else None
        if upload_url is not None:
            client.upload(str(upload_url), request.package, sha256, "application/octet-stream")
        existed = upload_url is None
        _, answer = client.call("POST", "/stats/policies/files/complete", body, idempotency_key=sha256)
        details = {"server_version": answer.get("version") if isinstance(answer, dict) else None, "existed": existed}
        return self._deployment(request, str(self._field(answer, "id")), details)

    def _headers(self, token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"}
