"""What is changed of the process for a while is restored."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from daf.system.process_state import few_searches


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


@pytest.mark.parametrize(("before", "inside"), [(700, 50_000), (90_000, 90_000), (0, 0)])
def test_searches_are_rare_inside_but_not_for_one_who_has_turned_them_off(before: int, inside: int) -> None:
    gc.set_threshold(before, 7, 5)
    found = []

    def fail() -> None:
        found.append(gc.get_threshold())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        few_searches()(fail)()
    assert found == [(inside, 7, 5)]
    assert gc.get_threshold() == (before, 7, 5)
