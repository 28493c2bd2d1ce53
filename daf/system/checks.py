"""One check of a machine or a package, and how it went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    pass


Status = Literal["ok", "warning", "error"]


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """One check. `hint` is empty when all is well."""

    name: str
    status: Status
    found: str
    expected: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.name}: {self.found}"
        if self.status == "ok":
            return text
        return f"{text} (expected {self.expected})" + (f"; {self.hint}" if self.hint else "")
