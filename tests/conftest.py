"""What all tests share: a quiet machine, the repository's root, and skips for what a machine lacks."""

from __future__ import annotations

import os
import shutil
import signal
from collections import Counter
from pathlib import Path

import pytest
import snakemake.shell  # noqa: F401  # keeps the standard output of its first import; a single test's is closed later

from daf.system.devices import cuda_available
from tests.slurm import cluster

# Before numpy or torch is imported anywhere: small tests are slower with several threads than with one.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ["MPLBACKEND"] = "Agg"
# A profile of the user's must not decide what the workflow tests see.
os.environ.pop("SNAKEMAKE_PROFILE", None)
# Background processes of scripts ignore Ctrl-C, and so would all that the tests start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """Path of a Chromium; None where there is none."""
    return next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)


@pytest.hookimpl(trylast=True)  # after deselection
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine cannot do, each with its reason in the summary; in several processes, start with the
    files that take longest, so that none is left at the end for one process alone."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        slow = Counter(
            item.path for item in items if item.get_closest_marker("slow") or item.get_closest_marker("long")
        )
        items.sort(key=lambda item: -slow[item.path])
    lacking = {}
    if find_chromium() is None:
        lacking["browser"] = "no Chromium on the PATH"
    no_cluster = cluster.lacking()
    if no_cluster is not None:
        lacking["slurm"] = no_cluster
    if not cuda_available():
        lacking["gpu"] = "no GPU that torch can use"
    for item in items:
        for marker, reason in lacking.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium; skips the test where there is none."""
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium on the PATH")
    return path
