"""What browser tests share: one Chromium per file of tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psutil
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.conftest import find_chromium

PATIENCE_SECONDS = 240  # for one test


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium. Not for the whole session: while it runs, nothing else can start an event loop."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture(autouse=True)
def no_endless_wait(request: pytest.FixtureRequest) -> Iterator[None]:
    """A browser that does not answer ends, and with it the test: Playwright waits without limit for some answers."""
    if "browser" not in request.fixturenames:
        yield
        return
    request.getfixturevalue("browser")
    watchdog = threading.Timer(PATIENCE_SECONDS, _end_browsers)
    watchdog.start()
    yield
    watchdog.cancel()


def _end_browsers() -> None:
    for child in psutil.Process().children(recursive=True):
        if "chrom" in child.name():
            child.kill()
