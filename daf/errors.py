"""Errors that carry the fix, and the exit codes of every DAF program.

An error has four parts: what was expected, what was found, where, and a hint. Programs print it as text and exit with
its code; nothing else in DAF sets exit codes.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

__all__ = [
    "EXIT_BAD_INPUT",
    "EXIT_FAILED",
    "EXIT_INTERRUPTED",
    "EXIT_OK",
    "EXIT_REQUEUE",
    "BadInputError",
    "CheckpointError",
    "ConfigError",
    "DafError",
    "DeploymentError",
    "InterruptedByUser",
    "PolicyError",
    "UnfitEnvironmentError",
    "UnknownMissionError",
    "WorkflowFailedError",
]

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130  # by Ctrl-C, as shells report it
LONGEST_FOUND = 200  # characters of a found value in a message
EXIT_REQUEUE = 75  # interrupted with a checkpoint: run the same command again (EX_TEMPFAIL of sysexits.h)


class DafError(Exception):
    """A failure with its four parts.

    Args:
        expected: what was required.
        found: what was found instead.
        where: file and key, mission, trial or command.
        hint: what to do about it; may be empty.

    The middle of a longer `found` is left out: it may quote a whole file.
    """

    exit_code = EXIT_FAILED

    def __init__(self, expected: str, found: str, where: str, hint: str = "") -> None:
        self.expected, self.found, self.where, self.hint = expected, shorten(found), where, hint
        super().__init__(expected, self.found, where, hint)

    def __str__(self) -> str:
        lines = [f"{self.where}", f"  expected: {self.expected}", f"  found:    {self.found}"]
        if self.hint:
            lines.append(f"  hint:     {self.hint}")
        return "\n".join(lines)


class BadInputError(DafError):
    """The user's input is wrong; nothing was started."""

    exit_code = EXIT_BAD_INPUT


class ConfigError(BadInputError):
    """One or more values of a configuration are wrong; `problems` holds one error each."""

    def __init__(self, problems: list[BadInputError]) -> None:
        if not problems:
            raise ValueError("a ConfigError needs at least one problem")
        self.problems = problems
        first = problems[0]
        super().__init__(first.expected, first.found, first.where, first.hint)

    def __reduce__(self) -> tuple[type[ConfigError], tuple[list[BadInputError]]]:
        return type(self), (self.problems,)  # worker processes return errors by pickling them

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class UnknownMissionError(BadInputError):
    """No mission has this name."""


class PolicyError(BadInputError):
    """A policy cannot be found, built, or fitted to a mission."""


class CheckpointError(DafError):
    """Weights or trainer state are missing, damaged, or do not belong here."""

    exit_code = EXIT_BAD_INPUT


class UnfitEnvironmentError(DafError):
    """This machine cannot run the experiment."""


class WorkflowFailedError(DafError):
    """The workflow ended without its targets."""


class DeploymentError(DafError):
    """A package is invalid, or an endpoint rejected it."""


class InterruptedByUser(KeyboardInterrupt, SystemExit):
    """Ctrl-C, after what was worth keeping has been kept and one line has said so.

    It is a KeyboardInterrupt for everything that handles one, but ends a program without a traceback, with exit code
    130.
    """

    def __init__(self) -> None:
        super().__init__(EXIT_INTERRUPTED)
        self.code = EXIT_INTERRUPTED


@contextmanager
def ending_in_one_line(message: str) -> Iterator[None]:
    """On Ctrl-C, print a message to stderr instead of a traceback."""
    try:
        yield
    except InterruptedByUser:
        raise
    except KeyboardInterrupt:
        print(f"\n{message}", file=sys.stderr)
        raise InterruptedByUser from None


def shorten(text: str, limit: int = LONGEST_FOUND) -> str:
    """Text of at most `limit` printable characters; if it is longer, its beginning and its end."""
    clean = text if text.isprintable() else "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
    if len(clean) <= limit:
        return clean
    end = limit // 4
    return f"{clean[: limit - end - 3]} … {clean[len(clean) - end :]}"


def did_you_mean(name: str, known: Iterable[str], *, list_at_most: int = 12) -> str:
    """A hint for a misspelt name: the nearest known names, otherwise at most `list_at_most` of the known names."""
    known = sorted(set(known))
    name = name[:LONGEST_FOUND]  # comparing takes time that grows with the square of the length
    folded = {candidate.lower(): candidate for candidate in known}
    near = [folded[match] for match in difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.6)]
    if near:
        return "did you mean " + " or ".join(f"'{candidate}'" for candidate in near) + "?"
    if not known or list_at_most == 0:
        return ""
    shown = ", ".join(known[:list_at_most])
    more = len(known) - list_at_most
    return f"known: {shown}" + (f" and {more} more" if more > 0 else "")
