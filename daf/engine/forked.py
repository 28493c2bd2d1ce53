"""Calls in separate processes, for user code that may print, change anything, end the process, or never return.

The process is a copy of this one, so nothing has to be imported again. Results come back through a private pipe; what
the code prints goes to standard error.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch

from daf.errors import DafError

GRACE_SECONDS = 5.0

Note = Callable[[str], None]


class CallEndedError(Exception):
    """The process ended without a result.

    Attributes:
        how: how it ended.
        noted: the last note, on what it was doing.
    """

    def __init__(self, how: str, noted: str) -> None:
        super().__init__(how, noted)
        self.how, self.noted = how, noted


class TookTooLongError(Exception):
    """The call did not return in time."""


def call_forked[T](function: Callable[[Note], T], seconds: float) -> T:
    """The result of `function(note)`; after `seconds`, TookTooLongError is raised inside it.

    Raises:
        DafError: as the function.
        CallEndedError: the process ended, or ignored the limit.
    """
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(function, seconds, theirs))
    with warnings.catch_warnings():
        # Threads of the parent do not exist in a copy. It uses torch with one thread only, which needs none of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    theirs.close()
    noted, timeout = "", seconds + GRACE_SECONDS
    try:
        while ours.poll(timeout):
            kind, value = ours.recv()
            if kind == "result":
                result: T = value
                return result
            if kind == "error":
                raise value
            if kind == "late":
                break
            noted = value
        how = f"it did not return within {seconds:g} s"
    except EOFError:  # the other end is closed
        process.join(GRACE_SECONDS)
        how = _how_it_ended(process.exitcode)
    finally:
        process.kill()
        process.join()
        ours.close()
    raise CallEndedError(how, noted)


def _run(function: Callable[[Note], Any], seconds: float, connection: Connection) -> None:
    os.dup2(2, 1)  # whatever prints, in C or in another program
    sys.stdout = sys.stderr
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    torch.set_num_threads(1)
    signal.signal(signal.SIGALRM, _stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    answer: tuple[str, Any]
    try:
        answer = "result", function(lambda note: connection.send(("note", note)))
    except DafError as error:
        answer = "error", error
    except TookTooLongError:  # between two calls of user code
        answer = "late", None
    signal.setitimer(signal.ITIMER_REAL, 0)
    connection.send(answer)


def _stop(_signal: int, _frame: Any) -> None:
    raise TookTooLongError("no result in time")


def _how_it_ended(exit_code: int | None) -> str:
    if exit_code is None:
        return "it closed its files"
    if exit_code < 0:
        return f"the process was killed by {signal.Signals(-exit_code).name}"
    return f"the process ended with status {exit_code}"
