"""What a dress rehearsal has found: every fault with its place in the user's code."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable
from typing import Any

from daf.engine.forked import Note
from daf.errors import DafError
from daf.system.checks import CheckResult
from daf.system.failure_report import FailureReport, shown_path


class RehearsalReport:
    """Collects findings about one policy. Tracebacks go to standard error, which is the log of the check.

    Attributes:
        label: of the policy.
        findings: errors and warnings, in the order in which they were found.
    """

    def __init__(self, label: str, note: Note = lambda _: None) -> None:
        self.findings: list[CheckResult] = []
        self.label, self._note = label, note
        self._class: type | None = None
        self._failed: set[str] = set()

    def name_class(self, policy_class: type) -> None:
        """Later findings name this class."""
        self._class = policy_class

    def attempt[T](self, what: str, action: Callable[[], T]) -> T | None:
        """The action's result; None if it raised something, which is then a finding."""
        self._note(f"calling {what}")
        try:
            return action()
        except DafError as error:
            self._failed.add(what)
            self.add_error(error)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._failed.add(what)
            failure = FailureReport.of(error)
            self._log(error)
            self.add(f"{what} without an exception", failure.error, failure.frame)
        return None

    def failed(self, what: str) -> bool:
        """Whether this attempt failed."""
        return what in self._failed

    def add(
        self, expected: str, found: str, place: str | None = None, hint: str = "", *, is_error: bool = True
    ) -> None:
        path = "" if self._class is None else f"{self._class.__module__}.{self._class.__qualname__}"
        name = f"policy '{self.label}'" + (f" ({path})" if path not in ("", self.label) else "")
        name += f", {place}" if place else ""
        status = "error" if is_error else "warning"
        finding = CheckResult(name=name, status=status, found=found, expected=expected, hint=hint)  # type: ignore[arg-type]
        if (finding.expected, finding.found) not in [(known.expected, known.found) for known in self.findings]:
            self.findings.append(finding)

    def add_error(self, error: DafError) -> None:
        if error.__cause__ is not None:
            self._log(error.__cause__)
        self.findings.append(
            CheckResult(name=error.where, status="error", found=error.found, expected=error.expected, hint=error.hint)
        )

    def line_of(self, method: str | None, owner: type | None = None) -> str | None:
        """`file:line` of a method, or of the class."""
        owner = owner or self._class
        item: Any = owner if method is None else getattr(owner, method, owner)
        try:
            return f"{shown_path(inspect.getsourcefile(item) or '')}:{inspect.getsourcelines(item)[1]}"
        except (OSError, TypeError):  # no source
            return None

    def _log(self, error: BaseException) -> None:
        print(f"\npolicy '{self.label}':", file=sys.stderr)
        traceback.print_exception(error)
        sys.stderr.flush()
