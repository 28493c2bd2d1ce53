"""Requests to a server: repeated where that helps, bounded in time and size, and silent about the token.

No exception that leaves this module holds another one: the text of an exception of the standard library may quote a
request's headers. A redirect is an error, since it would send the token to another host.
"""

from __future__ import annotations

import json
import logging
import random
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, Any, TypedDict
from urllib.parse import SplitResult, urlsplit

from daf.errors import BadInputError, DeploymentError
from daf.packaging.http_attempt import LOOPBACK, Answer, send
from daf.system.files import file_sha256
from daf.system.json_files import parse_json
from daf.system.validated import validated

REQUEST_TIMEOUT_S = 60.0
UPLOAD_TIMEOUT_S = 600.0
OVERALL_TIMEOUT_S = 1800.0
MOST_ATTEMPTS = 6
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_BLOCK = 1 << 20
_REPEATED = (429, 500, 502, 503, 504)
_log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class HttpClient:
    """Requests to one server, within one deadline.

    Attributes:
        base_url: of the server.
        headers: of each request to it, with the token.
        secret: the token, which is removed from every text that leaves.
        hints: what to do about a status.
        sleep, clock, jitter: for tests.
    """

    base_url: str
    headers: Mapping[str, str] = field(repr=False)
    secret: str = field(repr=False)
    hints: Mapping[int, str] = field(default_factory=dict)
    overall_s: float = OVERALL_TIMEOUT_S
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        self._deadline = self.clock() + self.overall_s

    def call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, accept: tuple[int, ...] = (),
        idempotency_key: str = "",
    ) -> tuple[int, Any]:  # fmt: skip
        """Status and JSON of a request to the server; the JSON of a status in `accept` may be missing (None).

        Raises:
            DeploymentError: any other status than 2xx, no answer, or one that is not JSON.
        """
        data = b"" if body is None and method == "POST" else None if body is None else json.dumps(body).encode()
        headers = {**self.headers, "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        where = f"{method} {self.base_url}{path}"

        def request() -> urllib.request.Request:
            return urllib.request.Request(self.base_url + path, data=data, headers=headers, method=method)

        answer = self._answered(request, where, REQUEST_TIMEOUT_S, REQUEST_TIMEOUT_S, accept)
        found = ""
        try:
            return answer.status, self._without_secret(parse_json(answer.content, self.base_url))
        except BadInputError as error:
            found = error.found
        if answer.status in accept:
            return answer.status, None
        raise self._error("a JSON answer", f"something else ({found})", where, "is this the right server?")

    def upload(self, url: str, package: Path, sha256: str, content_type: str = "application/zip") -> None:
        """PUT a file to the address that the server gave for it, without the token.

        Raises:
            DeploymentError: the address is none, is not https (only a server on this machine may name this machine, and
                http), or the file changed meanwhile.
        """
        parts = self._upload_address(url)
        if file_sha256(package) != sha256:
            raise self._error("the package that was validated", "other content", str(package), "validate it again")
        size = package.stat().st_size
        headers = {"Content-Type": content_type, "Content-Length": str(size)}
        # A presigned address is a secret, too: name the host, not the query.
        where = f"PUT {parts.scheme}://{parts.hostname}{parts.path}"
        with open(package, "rb") as stream:

            def request() -> urllib.request.Request:
                stream.seek(0)
                content = _Progress(stream, size, where)
                return urllib.request.Request(url, data=content, headers=headers, method="PUT")

            self._answered(request, where, UPLOAD_TIMEOUT_S, self.overall_s, ())  # a large file takes its time

    def _upload_address(self, url: str) -> SplitResult:
        """The parts of an address that may receive a package; whoever serves elsewhere gets nothing sent to here."""
        parts = split_address(url)
        if parts is None:
            raise self._error("an https upload address", "an address that cannot be read", self.base_url, "")
        ours, stays = split_address(self.base_url), parts.hostname in LOOPBACK
        may_stay = ours is not None and ours.hostname in LOOPBACK
        if not (may_stay if stays else parts.scheme == "https") or parts.scheme not in ("http", "https"):
            raise self._error("an https upload address", f"{parts.scheme}://{parts.hostname}", self.base_url, "")
        return parts

    # ---- attempts ---------------------------------------------------------------------------------------------

    def _answered(
        self, request: Callable[[], urllib.request.Request], where: str, silence_s: float, longest_s: float,
        accept: tuple[int, ...],
    ) -> Answer:  # fmt: skip
        """The first answer that is not worth another attempt, if it is one of success, or in `accept`."""
        for attempt in range(1, MOST_ATTEMPTS + 1):
            left = self._deadline - self.clock()
            if left <= 0:
                break
            answer = send(request(), min(silence_s, left), min(longest_s, left))
            if 200 <= answer.status < 300 or answer.status in accept:
                return answer
            if answer.status and answer.status not in _REPEATED:
                raise self._error("status 200", self._refusal(answer), where, self.hints.get(answer.status, ""))
            pause = self._pause(answer, attempt)
            if attempt == MOST_ATTEMPTS or self.clock() + pause >= self._deadline:
                found = self._refusal(answer) if answer.status else answer.reason
                hint = self.hints.get(answer.status) or "is the address right, and is the server up?"
                raise self._error("an answer", f"{found}, after {attempt} attempts", where, hint)
            _log.warning("%s: %s; next attempt in %.1f s", where, self._clean(self._refusal(answer)), pause)
            self.sleep(pause)
        raise self._error("an answer in time", f"none within {self.overall_s:g} s", where, "try again later")

    def _pause(self, answer: Answer, attempt: int) -> float:
        """As long as the server asks for; otherwise twice as long each time, half of it random (AWS, 2015)."""
        asked = _seconds(answer.retry_after)
        if asked is not None:
            return asked
        longest: float = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (attempt - 1))
        return longest * (0.5 + 0.5 * self.jitter())

    def _refusal(self, answer: Answer) -> str:
        if not answer.status:
            return answer.reason
        try:
            detail = validated(_Refusal, parse_json(answer.content, "answer"), "answer")["detail"]
        except BadInputError:
            detail = answer.reason
        return f"status {answer.status}: {detail}"

    def _without_secret(self, value: Any) -> Any:
        """JSON of the server, which ends up in records."""
        if isinstance(value, dict):
            return {self._clean(key): self._without_secret(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._without_secret(item) for item in value]
        return self._clean(value) if isinstance(value, str) else value

    def _clean(self, text: str) -> str:
        return text.replace(self.secret, "***") if self.secret else text

    def _error(self, expected: str, found: str, where: str, hint: str) -> DeploymentError:
        return DeploymentError(*(self._clean(part) for part in (expected, found, where, hint)))


class _Refusal(TypedDict):
    detail: Any


class _Progress:
    """A file that is read in blocks, and tells how far it got."""

    def __init__(self, stream: IO[bytes], size: int, where: str) -> None:
        self._stream, self._size, self._where = stream, size, where
        self._sent, self._told = 0, 0

    def read(self, count: int = -1) -> bytes:
        part = self._stream.read(_BLOCK if count < 0 else count)
        self._sent += len(part)
        tenth = 10 * self._sent // max(1, self._size)
        if tenth > self._told and self._size > 10 * _BLOCK:
            self._told = tenth
            _log.info("%s: %d %% of %d bytes", self._where, 10 * tenth, self._size)
        return part


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After: seconds, or a date."""
    if not retry_after:
        return None
    if retry_after.isascii() and retry_after.strip().isdigit():  # isdigit() also means ²
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def split_address(url: str) -> SplitResult | None:
    """The parts of an address; None if it is none, lacks a host, or holds a user's name or characters of no address."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # a wrong one is noticed only now
    except ValueError:
        return None
    is_plain = url.isascii() and url.isprintable() and " " not in url
    return parts if is_plain and parts.hostname and "@" not in parts.netloc else None
