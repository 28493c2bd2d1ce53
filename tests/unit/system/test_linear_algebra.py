"""Linear algebra on one thread repeats bit for bit on any number of cores."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

import numpy as np
import pytest
import scipy.linalg  # loads its OpenBLAS

from daf.system import linear_algebra
from daf.system.linear_algebra import one_thread

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="loaded libraries are found on Linux only")


def threads() -> list[int]:
    return [count() for count, _ in linear_algebra._loaded()]


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Of numpy and scipy, until the test ends."""
    assert scipy.linalg is not None
    before = threads()
    set_threads([2] * len(before))
    yield
    set_threads(before)


def set_threads(counts: Iterable[int]) -> None:
    for (_, use), count in zip(linear_algebra._loaded(), counts, strict=True):
        use(count)


@pytest.mark.usefixtures("two_threads")
def test_libraries_use_one_thread_inside_also_after_an_error() -> None:
    assert threads() == [2, 2]
    seen = []

    def fail() -> None:
        seen.extend(threads())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        one_thread()(fail)()
    assert seen == [1, 1]
    assert threads() == [2, 2]


@pytest.mark.usefixtures("two_threads")
def test_a_product_has_the_same_bits_beside_other_numbers_of_threads() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(30, 400)), rng.normal(size=(400, 5000))
    with one_thread():
        alone = a @ b
    set_threads([4, 4])
    with one_thread():
        np.testing.assert_array_equal(a @ b, alone)


def test_without_openblas_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_algebra, "_loaded", list)
    with one_thread():
        assert np.ones(2) @ np.ones(2) == 2
    assert linear_algebra._functions("/nonexistent/libopenblas.so") is None
