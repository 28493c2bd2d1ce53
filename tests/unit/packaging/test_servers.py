"""Servers: what is repeated, what is refused, and that no token leaks, against a server that checks every request."""

import json
import threading
import traceback
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from daf.deployment import daf_deploy_policy, daf_list_deployments
from daf.errors import BadInputError, DafError, DeploymentError
from daf.packaging.endpoints import open_endpoint
from daf.packaging.http_client import HttpClient
from daf.packaging.tokens import read_token
from daf.system.files import file_sha256
from tests.unit.packaging.test_registry import fake

TOKEN = "s3cret-token"
PRESIGN, COMPLETE = "/stats/policies/submit/presigned-url", "/stats/policies/submit/complete"
ANNOUNCE, FINISH = "/stats/policies/files/upload", "/stats/policies/files/complete"
STORAGE = "/storage/abc?sig=1"


class Server(BaseHTTPRequestHandler):
    """Both services. `script` holds what to do with the next requests of a path instead of answering."""

    log: ClassVar[list[dict[str, Any]]] = []
    script: ClassVar[dict[str, list[tuple[int, dict[str, str], bytes] | str]]] = {}
    upload_url: ClassVar[str | None] = None

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.log.append({"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body})
        base = f"http://127.0.0.1:{self.server.server_port}"  # type: ignore[attr-defined]
        url = self.upload_url or f"{base}{STORAGE}"
        done = {"id": "v-9", "name": "p", "version": 3}
        answers: dict[str, Any] = {
            PRESIGN: {"upload_url": url, "upload_id": "u-1"}, COMPLETE: done | {"pools": []},
            ANNOUNCE: {"upload_url": url, "existing_policy_version": None}, FINISH: done, STORAGE: {},
        }  # fmt: skip
        planned = self.script.get(self.path)
        plan = planned.pop(0) if planned else (200, {}, json.dumps(answers.get(self.path)).encode())
        if plan == "cut":
            self.connection.close()
            return
        assert not isinstance(plan, str)
        status, headers, content = plan
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = _answer  # noqa: N815


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between attempts, which take no time here."""
    made: list[float] = []
    original = HttpClient.__post_init__

    def quick(self: HttpClient) -> None:
        self.sleep, self.jitter = made.append, lambda: 1.0
        original(self)

    monkeypatch.setattr(HttpClient, "__post_init__", quick)
    return made


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> Iterator[str]:
    for variable in ("COGAMES_TOKEN", "COWORLD_TOKEN"):
        monkeypatch.setenv(variable, TOKEN)
    Server.log.clear()
    Server.script.clear()
    Server.upload_url = None
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def paths() -> list[str]:
    return [f"{request['method']} {request['path']}" for request in Server.log]


def refusal(status: int, **headers: str) -> tuple[int, dict[str, str], bytes]:
    return status, headers, b'{"detail": "not now"}'


# ---- repeating ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [PRESIGN, STORAGE, COMPLETE])
@pytest.mark.parametrize("fault", [refusal(503), refusal(500), refusal(429), "cut"])
def test_what_may_pass_is_repeated(path: str, fault: Any, server: str, tmp_path: Path, pauses: list[float]) -> None:
    Server.script[path] = [fault, fault]
    package = fake(tmp_path, "0.1.0")
    assert daf_deploy_policy(package, server, validate=False).location == "v-9"
    assert pauses == [0.5, 1.0]
    tried = [request for request in Server.log if request["path"] == path]
    assert len(tried) == 3
    assert len({request["body"] for request in tried}) == 1  # also the zip, from its beginning
    if path == COMPLETE:
        assert len({request["headers"]["Idempotency-Key"] for request in tried}) == 1


def test_the_server_says_how_long_to_wait(server: str, tmp_path: Path, pauses: list[float]) -> None:
    Server.script[PRESIGN] = [refusal(429, **{"Retry-After": "7"}), refusal(503)]
    daf_deploy_policy(fake(tmp_path, "0.1.0"), server, validate=False)
    assert pauses == [7.0, 1.0]


def test_attempts_end(server: str, tmp_path: Path, pauses: list[float]) -> None:
    Server.script[PRESIGN] = [refusal(503)] * 20
    with pytest.raises(DeploymentError, match="status 503: not now, after 6 attempts"):
        daf_deploy_policy(fake(tmp_path, "0.1.0"), server, validate=False)
    assert len(Server.log) == 6
    assert len(pauses) == 5


def test_no_attempt_after_the_deadline(server: str) -> None:
    now = [0.0]
    client = HttpClient(base_url=server, headers={}, secret="", overall_s=100, clock=lambda: now[0])
    Server.script["/x"] = [refusal(503, **{"Retry-After": "99"}), refusal(503, **{"Retry-After": "2"})]

    def later(seconds: float) -> None:
        now[0] += seconds

    client.sleep = later
    with pytest.raises(DeploymentError, match="after 2 attempts"):
        client.call("GET", "/x")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_a_refusal_is_not_repeated(status: int, server: str, tmp_path: Path, pauses: list[float]) -> None:
    Server.script[PRESIGN] = [refusal(status)]
    with pytest.raises(DeploymentError, match=f"status {status}: not now"):
        daf_deploy_policy(fake(tmp_path, "0.1.0"), server, validate=False)
    assert len(Server.log) == 1
    assert pauses == []


def test_a_repeated_completion_is_recognized(server: str, tmp_path: Path) -> None:
    """The first one arrived, but its answer did not."""
    Server.script[COMPLETE] = ["cut", (409, {}, b'{"detail": "exists", "id": "v-9", "version": 3}')]
    assert daf_deploy_policy(fake(tmp_path, "0.1.0"), server, validate=False).location == "v-9"
    Server.script[COMPLETE] = [(409, {}, b'{"detail": "another upload"}')]
    with pytest.raises(DeploymentError, match="status 409: another upload"):
        daf_deploy_policy(fake(tmp_path, "0.1.0"), server, validate=False)


def test_answers_are_bounded(server: str, tmp_path: Path) -> None:
    Server.script[PRESIGN] = [(200, {}, b'"' + b"x" * 5_000_000 + b'"')]
    with pytest.raises(DeploymentError, match="more than 4,000,000 bytes"):
        daf_deploy_policy(fake(tmp_path, "0.1.0"), server, validate=False)


# ---- secrets --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", [
    "file:///etc/passwd", "file://localhost/etc/passwd", "http://example.org/x", "ftp://127.0.0.1/x", "//127.0.0.1/x",
    "http://[", "",
])  # fmt: skip
def test_packages_are_sent_to_https_only(url: str, server: str, tmp_path: Path) -> None:
    Server.upload_url = url or " "
    with pytest.raises(DeploymentError, match="an https upload address"):
        daf_deploy_policy(fake(tmp_path, "0.1.0"), server, validate=False)
    assert paths() == [f"POST {PRESIGN}"]


@pytest.mark.parametrize("path", [PRESIGN, STORAGE, COMPLETE])
@pytest.mark.parametrize("kind", [OSError, ValueError, HTTPException])
def test_no_exception_carries_the_token(
    path: str, kind: type[Exception], server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = urllib.request.OpenerDirector.open

    def failing(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        if request.full_url.endswith(path):
            raise kind(f"the headers are {TOKEN}")
        return opened(self, request, *args, **kwargs)

    monkeypatch.setattr(urllib.request.OpenerDirector, "open", failing)
    with pytest.raises(DafError) as caught:
        daf_deploy_policy(fake(tmp_path, "0.1.0"), server, validate=False)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(caught.value.args)
    assert TOKEN not in shown
    assert "sig=1" not in shown


@pytest.mark.parametrize("token", ["two\nlines", "a\rb", "snow☃", "with space", "nul\0"])
def test_a_token_that_is_none_is_refused_unseen(token: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(token)
    path.chmod(0o600)
    if "\0" not in token:
        monkeypatch.setenv("COGAMES_TOKEN", token)
    else:
        monkeypatch.setenv("COGAMES_TOKEN_FILE", str(path))
    with pytest.raises(DeploymentError) as caught:
        read_token("COGAMES_TOKEN", "https://x")
    assert token not in str(caught.value)
    assert "printable ASCII" in str(caught.value)


def test_a_token_file_must_be_its_owners_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("COGAMES_TOKEN", raising=False)
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o640)
    monkeypatch.setenv("COGAMES_TOKEN_FILE", str(path))
    with pytest.raises(DeploymentError, match="mode 640"):
        read_token("COGAMES_TOKEN", "https://x")
    path.chmod(0o600)
    assert read_token("COGAMES_TOKEN", "https://x") == TOKEN
    path.unlink()
    with pytest.raises(DeploymentError, match="cannot be read"):
        read_token("COGAMES_TOKEN", "https://x")


@pytest.mark.parametrize("address", [
    "https://example.org?token=pw", "https://example.org/#pw", "coworld+https://u:pw@example.org",
    "coworld+http://example.org", "coworld+file:///x",
])  # fmt: skip
def test_addresses_with_secrets_or_without_encryption_are_refused(address: str) -> None:
    with pytest.raises(BadInputError) as caught:
        open_endpoint(address)
    assert "pw" not in str(caught.value)


def test_servers_cannot_list(server: str) -> None:
    with pytest.raises(DeploymentError, match="lists its versions"):
        daf_list_deployments(server)


# ---- Coworld --------------------------------------------------------------------------------------------------


def test_the_requests_to_coworld(server: str, tmp_path: Path) -> None:
    package = fake(tmp_path, "0.1.0")
    deployed = daf_deploy_policy(package, f"coworld+{server}", validate=False)
    assert (deployed.location, deployed.details) == ("v-9", {"server_version": 3, "existed": False})
    assert paths() == [f"POST {ANNOUNCE}", f"PUT {STORAGE}", f"POST {FINISH}"]
    tokens = [request["headers"].get("Authorization") for request in Server.log]
    assert tokens == [f"Bearer {TOKEN}", None, f"Bearer {TOKEN}"]
    assert Server.log[1]["body"] == package.read_bytes()
    assert json.loads(Server.log[0]["body"]) == json.loads(Server.log[2]["body"]) == {
        "name": "p", "content_hash": file_sha256(package), "size_bytes": package.stat().st_size,
        "tags": {"daf_version": "0.1.0"},
    }  # fmt: skip


def test_coworld_gets_no_content_that_it_has(server: str, tmp_path: Path) -> None:
    Server.script[ANNOUNCE] = [refusal(409)]
    deployed = daf_deploy_policy(fake(tmp_path, "0.1.0"), f"coworld+{server}", validate=False)
    assert deployed.details["existed"] is True
    assert paths() == [f"POST {ANNOUNCE}", f"POST {FINISH}"]


@pytest.mark.parametrize("prefix", ["", "coworld+"])
def test_a_dry_run_sends_nothing(prefix: str, server: str, tmp_path: Path) -> None:
    deployed = daf_deploy_policy(fake(tmp_path, "0.1.0"), f"{prefix}{server}", validate=False, dry_run=True)
    assert deployed.details["dry_run"] is True
    assert paths() == []
