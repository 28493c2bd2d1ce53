"""What a failure of user code says: the exception, the line of the user's code, the step and the environment seed.

There is one record and one text for all of DAF: rows of episodes, results of trials, run.json, messages and pages show
`str(report)`; messages to a log add `report.traceback`.

What user code raises is caught as BaseException, since a call of sys.exit, or a panic in Rust, ends the code that makes
it, not DAF. KeyboardInterrupt is the person at the keyboard and passes.
"""

from __future__ import annotations

import inspect
import re
import signal
import sysconfig
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from traceback import FrameSummary
from typing import Any

from daf.errors import DafError

MOST_CHARACTERS = 200  # of an exception's message

_PROJECT = Path(__file__).resolve().parents[2]
# The package, and the scripts of the rules, which Snakemake runs from copies in its own folder.
_DAF = (str(_PROJECT / "daf"), str(_PROJECT / "scripts"), str(Path(".snakemake", "scripts").absolute()))
_INSTALLED = tuple(
    path for key in ("stdlib", "platstdlib", "purelib", "platlib") if (path := sysconfig.get_path(key)) is not None
)


@dataclass(frozen=True, kw_only=True)
class FailureReport:
    """The first cause of a failure.

    Attributes:
        error: type and message of the exception, in one line.
        frame: the last line of the user's code in the traceback, as `file:line in function`; otherwise of the code that
            DAF called; None if DAF raised the exception itself.
        in_user_code: whether `frame` is outside of DAF and of all installed distributions.
        step: of the episode.
        env_seed: of the episode.
        member: the policy of a team whose code failed.
        traceback: for logs.
    """

    error: str
    frame: str | None = None
    in_user_code: bool = False
    step: int | None = None
    env_seed: int | None = None
    member: str | None = None
    traceback: str = ""

    @classmethod
    def of(cls, error: BaseException) -> FailureReport:
        """Describe an exception; one that DAF raised because of another has the frame of that one."""
        frame, in_user_code = _frame(error)
        return cls(
            error=_one_line(error),
            frame=frame,
            in_user_code=in_user_code,
            traceback="".join(traceback.format_exception(error)),
        )

    @classmethod
    def of_ended_process(cls, status: int | None, frames: Sequence[FrameSummary], trace: str = "") -> FailureReport:
        """Describe a process that user code, or the system, ended.

        Args:
            status: its exit status, or -n after signal n; None: not known.
            frames: where it was, the innermost first, as far as known.
            trace: the same for logs.
        """
        others = [frame for frame in frames if not frame.filename.startswith((*_DAF, "<fr"))]
        own = [frame for frame in others if is_user_file(frame.filename)]
        place = next(iter([*own, *others]), None)
        frame = _place(place) if place else None
        return cls(
            error=f"ProcessEndedError: {how_it_ended(status)}", frame=frame, in_user_code=bool(own), traceback=trace
        )

    def at(self, *, step: int | None, env_seed: int | None, member: str | None = None) -> FailureReport:
        """The same, in this step of an episode, by this member of a team."""
        return replace(self, step=step, env_seed=env_seed, member=member)

    @property
    def cause(self) -> str:
        """The part that is the same for all episodes that fail in the same way."""
        return _with_places(self.error, self._code())

    def __str__(self) -> str:
        places = self._code()
        places += [] if self.step is None else [f"step {self.step}"]
        places += [] if self.env_seed is None else [f"seed {self.env_seed}"]
        return _with_places(self.error, places)

    def _code(self) -> list[str]:
        """Whose code failed, and where."""
        return [*([f"policy '{self.member}'"] if self.member else []), *([self.frame] if self.frame else [])]


def _with_places(error: str, places: Sequence[str]) -> str:
    return f"{error} ({', '.join(places)})" if places else error


def how_it_ended(status: int | None) -> str:
    """How a process ended that was not meant to: its exit status, or -n for signal n, in words; None: not known."""
    if status is None:
        return "the process has ended"
    if status >= 0:
        return f"the process was ended with status {status}"
    name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
    memory = ", as the system does when memory runs out" if -status == signal.SIGKILL else ""
    return f"the process was killed by {name}{memory}"


def same_cause(causes: Sequence[str]) -> bool:
    """Whether all texts name one cause; addresses of objects, which differ from call to call, do not count."""
    return len({re.sub(r"0x[0-9a-f]{4,}", "0x…", cause) for cause in causes}) == 1


def _one_line(error: BaseException) -> str:
    name = type(error).__name__
    if isinstance(error, DafError):
        return f"{name}: {error.where}: expected {error.expected}, found {error.found}"
    try:
        text = error.msg if isinstance(error, SyntaxError) else str(error)  # whose place is named apart
        message = " ".join(str(text).split())
    except Exception:  # the exception's own text may fail, too
        message = "(its message cannot be shown)"
    if len(message) > MOST_CHARACTERS:
        message = f"{message[: MOST_CHARACTERS - 1]}…"
    return f"{name}: {message}" if message else name


def _frame(error: BaseException) -> tuple[str | None, bool]:
    """The last frame in the user's code, and True; else the last one in an installed distribution, and False."""
    called = None
    for link in reversed(chain_of(error)):  # the first cause first
        if isinstance(link, SyntaxError) and link.filename and is_user_file(link.filename):
            return f"{shown_path(link.filename)}:{link.lineno}", True
        if blamed := _blamed(link):
            return blamed, True
        frames = [frame for frame in traceback.extract_tb(link.__traceback__) if not frame.filename.startswith("<fr")]
        others = [frame for frame in frames if not frame.filename.startswith(_DAF)]
        own = [frame for frame in others if is_user_file(frame.filename)]
        if own:
            return _place(own[-1]), True
        if others and called is None:
            called = _place(others[-1])
    return called, False


def chain_of(error: BaseException) -> list[BaseException]:
    """An exception, its cause, the cause of that, and so on."""
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__) is not None and cause not in chain:
        chain.append(cause)
    return chain


def blaming[E: BaseException](error: E, owner: object, method: str) -> E:
    """The error, which DAF raises about what a method of the user's code returned or left behind."""
    error.blamed = ((owner, method),)  # type: ignore[attr-defined]
    return error


def _blamed(error: BaseException) -> str | None:
    places = (place_of(owner, method) for owner, method in getattr(error, "blamed", ()))
    return next((place for place in places if place), None)


def place_of(owner: object, method: str) -> str | None:
    """`file:line in method` of an object's or a class's method, if a user wrote it."""
    function = getattr(owner, method, None)
    code = None if function is None else getattr(inspect.unwrap(function), "__code__", None)
    if code is None or not is_user_file(code.co_filename):
        return None
    return f"{shown_path(code.co_filename)}:{code.co_firstlineno} in {method}"


def place_of_class(kind: Any) -> str | None:
    """`file:line` of a class, if a user wrote it."""
    try:
        file, line = inspect.getsourcefile(kind), inspect.getsourcelines(kind)[1]
    except (OSError, TypeError):  # no source
        return None
    return f"{shown_path(file)}:{line}" if file and is_user_file(file) else None


def _place(frame: FrameSummary) -> str:
    return f"{shown_path(frame.filename)}:{frame.lineno} in {frame.name}"


def shown_path(filename: str) -> str:
    """A file as messages name it: relative to the current folder if it is below that."""
    path = Path(filename)
    return str(path.relative_to(Path.cwd()) if path.is_absolute() and path.is_relative_to(Path.cwd()) else path)


def is_user_file(filename: str) -> bool:
    """Whether a file belongs neither to DAF nor to an installed distribution."""
    # Compiled libraries name their Cython sources relative to where they were built, as `pyarrow/error.pxi`.
    is_compiled = filename.endswith((".pyx", ".pxi", ".pxd")) and not Path(filename).is_file()
    return not is_compiled and not filename.startswith((*_DAF, *_INSTALLED, "<fr"))
