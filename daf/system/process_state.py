"""The state of this process that user code may change, and how it is restored.

A policy that changes the current folder, the locale, numpy's error handling or a signal handler changes them for DAF,
too. So DAF calls user code inside `process_state_kept`: once per episode, per update of training, and per object that
is built, never once per step.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import locale
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

Handler = Any  # what signal.getsignal returns

_PR_SET_PDEATHSIG = 1
_SIGNALS = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})


def die_with_parent() -> None:
    """End this process when its parent ends in any way, so that no orphan writes into a run's folder.

    Ranks of a training run in separate sessions, which signals to the agent's session do not reach. Works only on
    Linux; elsewhere the lock on the run's folder must suffice.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def status_of_child(process: int) -> int | None:
    """Wait for a child to end; its exit status, or -n after signal n. None if the system does not tell, since a policy
    or the program ignores SIGCHLD."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    except ChildProcessError:
        return None


def end_without_search() -> None:
    """Let this process end without searching its memory for unreachable objects, which takes half a second with torch.

    Everything else happens as ever: exit handlers, threads, buffers, the exit code.
    """
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)


@contextmanager
def few_searches() -> Iterator[None]:
    """Search for unreachable objects rarely inside: imports and pages make many objects that all stay, and a fifth of
    their time would go into searches that find nothing.
    """
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], 50_000) if before[0] else 0, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def current_folder_kept() -> Iterator[None]:
    """Come back to the current folder on exit: a module of a user may change it when it is imported, once."""
    folder = _current_folder()
    try:
        yield
    finally:
        if folder is not None and _current_folder() != folder:
            os.chdir(folder)


@contextmanager
def process_state_kept() -> Iterator[None]:
    """Restore on exit, whatever happens inside: the current folder, umask, environment variables, locale, numpy's error
    handling, warning filters, signal handlers, recursion limit, standard streams and the hook for uncaught exceptions.
    """
    import numpy as np  # the Snakefile imports modules that import this one

    umask = os.umask(0o077)
    os.umask(umask)  # it can only be read by setting it
    variables = dict(os.environ)
    spoken = locale.setlocale(locale.LC_ALL)
    errors, error_call = np.geterr(), np.geterrcall()
    filters = list(warnings.filters)
    handlers = _handlers()
    limit, streams, hook = sys.getrecursionlimit(), (sys.stdin, sys.stdout, sys.stderr), sys.excepthook
    try:
        with current_folder_kept():
            yield
    finally:
        os.umask(umask)
        if os.environ != variables:
            _restore_environment(variables)
        if locale.setlocale(locale.LC_ALL) != spoken:
            locale.setlocale(locale.LC_ALL, spoken)
        np.seterr(**errors)
        np.seterrcall(error_call)
        if list(warnings.filters) != filters:
            warnings.filters[:] = filters  # type: ignore[index]
            warnings._filters_mutated()  # type: ignore[attr-defined]
        _restore_handlers(handlers)
        if sys.getrecursionlimit() != limit:
            sys.setrecursionlimit(limit)
        sys.stdin, sys.stdout, sys.stderr = streams
        sys.excepthook = hook


def _current_folder() -> str | None:
    """None if it has been removed."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


def _restore_environment(variables: dict[str, str]) -> None:
    for name in set(os.environ) - set(variables):
        del os.environ[name]
    os.environ.update(variables)


def _handlers() -> dict[int, Handler]:
    """The handlers that Python set; only the main thread may set any."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: handler for number in _SIGNALS if (handler := signal.getsignal(number)) is not None}


def _restore_handlers(handlers: dict[int, Handler]) -> None:
    for number, handler in handlers.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)
