"""Results of checks of a machine or a package."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from daf.errors import LONGEST_FOUND, UnfitEnvironmentError
from daf.system.nouns import number_of
from daf.system.shown import ResultList, Shown, Table

Status = Literal["ok", "warning", "error"]


@dataclass(frozen=True, kw_only=True, repr=False)
class CheckResult(Shown):
    """One check. `hint` is empty when all is well.

    Attributes:
        name: what was checked.
        status: how it went.
        found: what was found.
        expected: what would have been right.
        hint: what to do about it.
    """

    name: str
    status: Status
    found: str
    expected: str
    hint: str = ""

    def _headline(self) -> str:
        return f"{self.status}, {self}"

    def __str__(self) -> str:
        text = f"{self.name}: {self.found}"
        if self.status == "ok":
            return text
        return f"{text} (expected {self.expected})" + (f"; {self.hint}" if self.hint else "")


def messages(checks: Sequence[CheckResult], status: Status) -> list[str]:
    """The checks with this status, as text."""
    return [str(check) for check in checks if check.status == status]


def as_lines(checks: Sequence[CheckResult]) -> str:
    """All checks, one per line."""
    marks = {"ok": "ok     ", "warning": "WARNING", "error": "ERROR  "}
    return "\n".join(f"{marks[check.status]}  {check}" for check in checks)


def counted(checks: Sequence[CheckResult]) -> str:
    """How many checks there are, and of what status."""
    counts = Counter(check.status for check in checks)
    problems = [f"{counts[status]} {status}{'s' * (counts[status] > 1)}" for status in ("error", "warning")
                if counts[status]]  # fmt: skip
    return f"{number_of(len(checks), 'check')}: {', '.join(problems) or 'all well'}"


class CheckResults(ResultList[CheckResult]):
    """Checks, as a list."""

    def _title(self) -> str:
        return type(self).__name__

    def _headline(self) -> str:
        return counted(self) if self else "nothing is wrong"


@dataclass(frozen=True, kw_only=True, repr=False)
class EnvironmentCheckResult(Shown):
    """All checks of one machine, in the order they ran.

    Attributes:
        checks: one per subject; a set of missions or packages has several.
    """

    checks: list[CheckResult]

    @property
    def warnings(self) -> list[str]:
        return messages(self.checks, "warning")

    @property
    def errors(self) -> list[str]:
        return messages(self.checks, "error")

    def is_healthy(self) -> bool:
        """True if there are no errors; warnings do not stop an experiment."""
        return not self.errors

    def to_dict(self) -> dict[str, Any]:
        return {
            "healthy": self.is_healthy(),
            "warnings": self.warnings,
            "errors": self.errors,
            "checks": [asdict(check) for check in self.checks],
        }

    def _headline(self) -> str:
        return f"{'healthy' if self.is_healthy() else 'NOT healthy'}: {counted(self.checks)}"

    def _tables(self) -> Iterable[Table]:
        return [Table.of("", self.checks)]

    def __str__(self) -> str:
        return as_lines(self.checks)


def require_healthy(result: EnvironmentCheckResult) -> None:
    """Raise UnfitEnvironmentError, with every error and its hint, unless the result is healthy."""
    if not result.is_healthy():
        raise UnfitEnvironmentError(
            "a machine that can run the experiment", *found_and_hint(result.errors, "environment")
        )


def found_and_hint(problems: Sequence[str], where: str, hint: str = "") -> tuple[str, str, str]:
    """The last three parts of an error about several problems: all of them, in the hint if they are long."""
    together = "; ".join(problems)
    if len(together) <= LONGEST_FOUND:
        return together, where, hint
    return number_of(len(problems), "problem"), where, "\n            ".join([*problems, *([hint] if hint else [])])
