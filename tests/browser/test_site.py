"""The documentation site in a browser: its search finds, it loads nothing from elsewhere, and it fits on a phone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.tools import NARROW, WIDE
from tests.docs.pages import build_site

pytestmark = [pytest.mark.browser, pytest.mark.slow]


class Quiet(SimpleHTTPRequestHandler):
    """Does not print what it serves."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = build_site(tmp_path_factory.mktemp("site"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_search_finds(browser: Browser, address: str) -> None:
    page = browser.new_page(viewport={"width": WIDE, "height": 900})
    page.goto(address)
    page.wait_for_load_state("networkidle")
    box = page.get_by_role("textbox", name="Search")
    first = page.locator(".md-search-result__item h1, .md-search-result__item h2").first
    for _ in range(4):  # what a reader types before the index is built may be lost
        box.click()
        box.fill("")
        box.press_sequentially("equivalence margin")
        with suppress(AssertionError):
            expect(first).to_be_visible(timeout=15_000)
            break
    expect(first).to_be_visible()
    page.close()


@pytest.mark.parametrize("name", ["index", "reference/rules", "reference/configuration", "outputs", "architecture"])
def test_a_page_loads_nothing_from_elsewhere_and_fits_on_a_phone(browser: Browser, address: str, name: str) -> None:
    page = browser.new_page(viewport={"width": NARROW, "height": 800})
    faults: list[str] = []
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(f"{address}{name}.html")
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    assert [url for url in requests if not url.startswith((address, "data:"))] == []
    assert faults == []
    page.close()
