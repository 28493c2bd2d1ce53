"""One request and its answer, ended in time whatever the server does.

The timeout of a socket restarts with every byte, so a server that sends one now and then could hold a request forever.
A timer ends the connection itself instead.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from typing import IO, Any
from urllib.parse import urlsplit

LOOPBACK = ("localhost", "127.0.0.1", "::1")
LARGEST_ANSWER = 4_000_000
_LARGEST_REFUSAL = 4096


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Status and content of a response; status 0 if there was none, with the reason as content."""

    status: int
    content: bytes = b""
    retry_after: str | None = None
    reason: str = ""


def send(request: urllib.request.Request, silence_s: float, longest_s: float) -> Answer:
    """One attempt. Exceptions end here: their texts and frames know the request.

    Args:
        silence_s: how long the server may be silent.
        longest_s: how long the attempt may take.
    """
    with _Ending(longest_s) as ending:
        answer = _attempt(request, silence_s, ending)
    if ending.came and not answer.status:
        return Answer(status=0, reason=f"no complete answer within {round(longest_s, 1):g} s")
    return answer


def _attempt(request: urllib.request.Request, silence_s: float, ending: _Ending) -> Answer:
    handlers: list[urllib.request.BaseHandler] = [_NoRedirect(), _Http(ending), _Https(ending)]
    if urlsplit(request.full_url).hostname in LOOPBACK:
        handlers.append(urllib.request.ProxyHandler({}))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=silence_s) as response:
            content: bytes = response.read(LARGEST_ANSWER + 1)
            if len(content) > LARGEST_ANSWER:
                return Answer(status=413, reason=f"an answer of more than {LARGEST_ANSWER:,} bytes")
            if response.length or ending.came:  # `read` with a limit does not mind that the rest is missing
                return Answer(status=0, reason="an answer that was cut off")
            return Answer(status=response.status, content=content)
    except urllib.error.HTTPError as error:
        try:
            content = error.read(_LARGEST_REFUSAL)
        except (OSError, http.client.HTTPException):
            content = b""
        reason = str(error.reason)
        return Answer(status=error.code, content=content, retry_after=error.headers.get("Retry-After"), reason=reason)
    except (OSError, http.client.HTTPException, ValueError, OverflowError) as error:
        cause = getattr(error, "reason", None)
        known = cause if isinstance(cause, OSError) else error
        text = known.strerror if isinstance(known, OSError) and known.strerror else ""
        return Answer(status=0, reason=f"{type(error).__name__}: {text}" if text else type(known).__name__)


class _Ending:
    """Ends the connections of an attempt when its time is over."""

    def __init__(self, longest_s: float) -> None:
        self.came = False
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(longest_s, self._end)
        self._timer.daemon = True

    def __enter__(self) -> _Ending:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            for connected in self._sockets:
                connected.close()
            self._sockets.clear()

    def watch(self, connected: socket.socket) -> None:
        """End this connection, too: its other users (TLS, the response) share it."""
        with self._lock:
            self._sockets.append(connected.dup())
        if self.came:
            self._end()

    def _end(self) -> None:
        with self._lock:
            self.came = True
            for connected in self._sockets:
                with contextlib.suppress(OSError):
                    connected.shutdown(socket.SHUT_RDWR)


def _watched(kind: Callable[..., Any], ending: _Ending) -> Callable[..., Any]:
    """A class of connections whose sockets are watched from the moment that they are connected."""

    def connection(host: str, **options: Any) -> Any:
        made = kind(host, **options)
        connect = made._create_connection

        def connect_watched(*arguments: Any, **more: Any) -> socket.socket:
            connected: socket.socket = connect(*arguments, **more)
            ending.watch(connected)
            return connected

        made._create_connection = connect_watched
        return made

    return connection


class _Watching(urllib.request.AbstractHTTPHandler):
    def __init__(self, ending: _Ending) -> None:
        super().__init__()
        self._ending = ending

    def do_open(self, http_class: Any, req: urllib.request.Request, **options: Any) -> Any:
        return super().do_open(_watched(http_class, self._ending), req, **options)


class _Http(_Watching, urllib.request.HTTPHandler):
    pass


class _Https(_Watching, urllib.request.HTTPSHandler):
    pass


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuse redirects."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None
