"""Linear algebra on one thread: OpenBLAS splits sums among its threads, so that last bits depend on their number."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path

_MAPPED_FILES = Path("/proc/self/maps")
_NAMES = [(f"{prefix}openblas_", f"_num_threads{suffix}") for prefix, suffix in product(("scipy_", ""), ("64_", ""))]


@contextmanager
def one_thread() -> Iterator[None]:
    """Let the copies of OpenBLAS that numpy and scipy have loaded use one thread, so that results repeat bit for bit.

    Copies of the process inherit it. On Linux only; with other libraries nothing changes.
    """
    libraries = _loaded()
    before = [count() for count, _ in libraries]
    try:
        for _, use in libraries:
            use(1)
        yield
    finally:
        for (_, use), threads in zip(libraries, before, strict=True):
            use(threads)


def _loaded() -> list[tuple[Callable[[], int], Callable[[int], object]]]:
    """What tells and what sets the number of threads of each loaded OpenBLAS."""
    with suppress(OSError):
        fields = (line.split(maxsplit=5) for line in _MAPPED_FILES.read_text().splitlines())
        paths = {parts[5] for parts in fields if len(parts) == 6 and "openblas" in parts[5].rpartition("/")[2]}
        return [functions for path in sorted(paths) if (functions := _functions(path)) is not None]
    return []


def _functions(path: str) -> tuple[Callable[[], int], Callable[[int], object]] | None:
    try:
        library = ctypes.CDLL(path)
    except OSError:  # replaced since it was loaded
        return None
    for before, after in _NAMES:
        with suppress(AttributeError):
            return library[f"{before}get{after}"], library[f"{before}set{after}"]
    return None
