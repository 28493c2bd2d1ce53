"""Servers that send what no server should: requests end in time, and nothing is sent where it should not go."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daf.errors import BadInputError, DeploymentError
from daf.packaging.endpoints import FolderEndpoint, open_endpoint
from daf.packaging.http_client import HttpClient

TOKEN = "s3cret/token"
OK = b"HTTP/1.1 200 OK\r\n"
Serve = Callable[..., str]


@pytest.fixture
def exhausted() -> threading.Event:
    """Set once a server could send all that it wanted to."""
    return threading.Event()


@pytest.fixture
def serve(exhausted: threading.Event) -> Iterator[Serve]:
    """A server that sends these bytes, and then perhaps others for ten seconds."""
    over, listening = threading.Event(), socket.create_server(("127.0.0.1", 0))

    def answer(first: bytes, again: bytes) -> None:
        while not over.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(65_536)
                    connection.sendall(first)
                    for _ in range(500 if again else 0):
                        if over.wait(0.02):
                            return
                        connection.sendall(again)
                    exhausted.set()
                except OSError:
                    continue

    def start(first: bytes, again: bytes = b"") -> str:
        threading.Thread(target=answer, args=(first, again), daemon=True).start()
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    yield start
    over.set()
    listening.close()


def client(url: str, overall_s: float = 60) -> HttpClient:
    headers = {"X-Auth-Token": TOKEN}
    return HttpClient(base_url=url, headers=headers, secret=TOKEN, overall_s=overall_s, sleep=lambda _: None)


@pytest.mark.parametrize(("first", "again"), [
    (OK + b"Content-Length: 1000000\r\n\r\n", b" "),
    (OK, b"A"),
    (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    (OK + b"\r\n", b" "),
    (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    (b"HTTP/1.1 500 x\r\n", b"A"),
], ids=["body", "header", "chunks", "endless body", "continue", "refusal"])  # fmt: skip
def test_an_answer_that_drips_is_ended_by_the_deadline(
    first: bytes, again: bytes, serve: Serve, exhausted: threading.Event
) -> None:
    """Every byte comes in time; the answer does not."""
    with pytest.raises(DeploymentError, match=r"(no complete answer within 0\.4 s|status 500: x), after 1"):
        client(serve(first, again), overall_s=0.4).call("GET", "/x")
    assert not exhausted.is_set()
    assert [thread.name for thread in threading.enumerate() if isinstance(thread, threading.Timer)] == []


def test_an_answer_that_was_cut_off_is_no_answer(serve: Serve) -> None:
    with pytest.raises(DeploymentError, match="cut off, after 6 attempts"):
        client(serve(OK + b"Content-Length: 50\r\n\r\n{}")).call("GET", "/x")


@pytest.mark.parametrize("asked", [b"\xb2", b"nan", b"-1", b"Wed, 21 Oct 99999 07:28:00 GMT", b"9" * 5000])
def test_whatever_the_server_asks_to_wait_attempts_end(asked: bytes, serve: Serve) -> None:
    answer = b"HTTP/1.1 429 x\r\nContent-Length: 0\r\nRetry-After: " + asked + b"\r\n\r\n"
    with pytest.raises(DeploymentError, match=r"status 429: x, after [16] attempts"):
        client(serve(answer)).call("GET", "/x")


def test_a_token_in_an_answer_is_not_passed_on(serve: Serve) -> None:
    """Answers become part of the record of a deployment."""
    body = b'{"id": "s3cret\\/token", "pools": [{"s3cret/token": 1}]}'
    _, answer = client(serve(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body)).call("GET", "/x")
    assert answer == {"id": "***", "pools": [{"***": 1}]}


@pytest.mark.parametrize("url", [
    "https://user:password@127.0.0.1/x", "https:///x", "https://127.0.0.1:99999/x", "https://127.0.0.1:port/x",
    "https://127.0.0.1/a b", "https://127.0.0.1/\r\nX-Auth-Token: y", "https://h\tost/", "https://[::1/",
])  # fmt: skip
def test_what_is_no_upload_address_is_not_tried(url: str, tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match="an https upload address") as caught:
        client("http://127.0.0.1:9").upload(url, tmp_path / "none", "")
    assert "password" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_elsewhere_cannot_have_packages_sent_to_this_machine(
    scheme: str, serve: Serve, tmp_path: Path
) -> None:
    package, url = tmp_path / "p.zip", serve(OK + b"Content-Length: 2\r\n\r\n{}")
    package.write_bytes(b"x")
    sha256 = hashlib.sha256(b"x").hexdigest()
    with pytest.raises(DeploymentError, match=rf"{scheme}://127\.0\.0\.1$"):
        client("https://example.org").upload(url.replace("http", scheme), package, sha256)
    client(url).upload(f"{url}/x", package, sha256)


@pytest.mark.parametrize("address", [
    "https://[pw", "coworld+https://[pw", "https://h:99999/pw", "https://h:pw/", "https://h/;token=pw", "https:///pw",
    "file://elsewhere/share", "file:///tmp%00/pw",
])  # fmt: skip
def test_addresses_that_are_none_are_refused(address: str) -> None:
    with pytest.raises(BadInputError) as caught:
        open_endpoint(address)
    if address.startswith(("http", "coworld")):
        assert "pw" not in str(caught.value)


def test_a_file_address_may_name_this_machine(tmp_path: Path) -> None:
    assert isinstance(open_endpoint(f"file://localhost{tmp_path}"), FolderEndpoint)
