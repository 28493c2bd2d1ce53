"""What every run of the tests does, and what waits for the long stage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def others_long(cases: Iterable[Any], *quick: Any) -> list[Any]:
    """Cases of a test, of which all but the quick ones are `long`; a case is a value, or a tuple of values."""
    chosen = list(cases)
    unknown = [case for case in quick if case not in chosen]
    assert not unknown, f"no such cases: {unknown}"
    return [case if case in quick else _long(case) for case in chosen]


def _long(case: Any) -> Any:
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.long)
