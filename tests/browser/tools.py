"""A page in headless Chromium: what it shows, what a script that acts as a reader would sees, and all that is wrong.

`faults` is the shared test of every page: `assert faults(browser, page) == []`, with the fixture `browser`. `opened`
gives a page to work on: `with opened(browser, page, width=390) as visit: visit.page.click(...)`.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.conftest import find_chromium

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--disable-sync", "--disable-component-update", "--disable-quic", "--hide-scrollbars",
]  # fmt: skip
PHONE_WIDTH = 400
WIDE, NARROW = 1280, 390
PAPER = 688  # CSS pixels of A4 between margins of 14 mm, as the style sheet has them
MOST_NAMED = 5  # nodes or elements that a fault names


@dataclass
class Visit:
    """An open page.

    Attributes:
        console: errors and warnings, and exceptions of scripts.
        requests: addresses that the page asked for, other than its file.
    """

    page: Page
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def opened(
    browser: Browser,
    path: Path,
    *,
    width: int = 1280,
    height: int = 800,
    dark: bool = False,
    scripts: bool = True,
    still: bool = False,
    paused: bool = False,
) -> Iterator[Visit]:
    """Open a page's file.

    Args:
        scripts: False: as a reader without JavaScript.
        still: as a reader who prefers reduced motion.
        paused: time stands still, until `visit.page.clock` moves it on.
    """
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        java_script_enabled=scripts,
        reduced_motion="reduce" if still else "no-preference",
    )
    try:
        context.add_init_script(_axe())
        visit = Visit(context.new_page())
        visit.page.set_default_timeout(20_000)
        visit.page.on("console", lambda message: _note(visit, message.type, message.text))
        visit.page.on("pageerror", lambda error: visit.console.append(str(error)))
        address = path.as_uri()
        visit.page.on(
            "request",
            lambda request: visit.requests.extend([request.url] if _is_elsewhere(request.url, address) else []),
        )
        if paused:
            visit.page.clock.install(time=0)
        visit.page.goto(address)
        if paused:
            visit.page.clock.pause_at(1000)
        yield visit
    finally:
        context.close()


def _note(visit: Visit, kind: str, text: str) -> None:
    if kind in ("error", "warning"):
        visit.console.append(f"{kind}: {text}")


def _is_elsewhere(url: str, address: str) -> bool:
    return url.split("#")[0] != address and not url.startswith(("data:", "blob:", "about:"))


@cache
def _axe() -> str:
    """The source of axe-core. The package that ships it is not imported."""
    package = find_spec("axe_playwright_python")
    assert package is not None
    assert package.origin is not None
    return (Path(package.origin).parent / "axe.min.js").read_text()


# ---- what is wrong with a page ----------------------------------------------------------------------------------


def faults(browser: Browser, path: Path) -> list[str]:
    """Everything that is wrong with a page for its readers, a line each; empty: nothing.

    On a desktop (light and dark) and a phone: messages in the console, requests, serious findings of axe-core, sideways
    scrolling, cells over others, and tables that only a mouse can scroll. On paper: columns that are cut off, cells
    over others, and headings that a page break may separate from what they head. Everything folded is unfolded, and
    everything lazy is drawn.
    """
    found = []
    for width, dark in ((WIDE, False), (WIDE, True), (NARROW, False)):
        with opened(browser, path, width=width, dark=dark) as visit:
            unfold(visit.page)
            page = visit.page
            found += [f"{width} px: a column of single letters: {name}" for name in squeezed(page)]
            found += [f"{width} px: lies over the next cell: {name}" for name in spilling(page)]
            said = [*visit.console, *(f"request: {url}" for url in visit.requests), *serious_findings(page)]
            said += [f"scrolls sideways: {name}" for name in too_wide(page)]
            said += [f"scrolls without a keyboard: {name}" for name in unreachable(page)]
            found += [f"{width} px, {'dark' if dark else 'light'}: {text}" for text in said]
    with opened(browser, path) as visit:
        unfold(visit.page)
        found += [f"print: {text}" for text in print_faults(visit.page)]
    return found


def unfold(page: Page) -> None:
    """Open all details, and go down the page and up again, so that what is drawn late is drawn."""
    page.evaluate("document.querySelectorAll('details').forEach(element => { element.open = true; })")
    page.evaluate(
        """async () => {
            // Under load, Chromium may stop drawing.
            const frame = () => new Promise(done => {
                setTimeout(done, 500);
                requestAnimationFrame(() => setTimeout(done));
            });
            for (let y = 0; y < document.documentElement.scrollHeight; y += innerHeight / 2) {
                scrollTo({top: y, behavior: "instant"}); await frame(); await frame();
            }
            scrollTo({top: 0, behavior: "instant"}); await frame();
        }"""
    )


def serious_findings(page: Page) -> list[str]:
    """What axe-core finds of serious or critical impact: rule, help, and the first elements."""
    violations = page.evaluate(
        """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
            .filter(found => ["serious", "critical"].includes(found.impact))
            .map(found => [found.id, found.help, found.nodes.map(node => node.html.slice(0, 160))])"""
    )
    return [
        f"axe {rule} ({text}), {len(nodes)} times: {' | '.join(nodes[:MOST_NAMED])}" for rule, text, nodes in violations
    ]


_NAME = """
    const name = element => element.tagName.toLowerCase() + (element.id ? "#" + element.id : "") +
        [...element.classList].map(one => "." + one).join("") + " " + element.textContent.trim().slice(0, 40);
    const isShown = element => element.getClientRects().length > 0;
    const isForEars = element => {
        for (let box = element; box; box = box.parentElement)
            if (getComputedStyle(box).clipPath !== "none") return true;
        return false;
    };
    const isScroller = element => ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
"""


def too_wide(page: Page) -> list[str]:
    """What makes the page scroll sideways: elements that end to the right of the window; empty: it does not scroll."""
    names: list[str] = page.evaluate(
        f"""() => {{ {_NAME}
            const edge = document.documentElement.clientWidth;
            if (document.documentElement.scrollWidth <= edge) return [];
            const out = [...document.body.querySelectorAll("*")].filter(element => isShown(element)
                && element.getBoundingClientRect().right > edge + 1);
            return ["the page is " + document.documentElement.scrollWidth + " px wide", ...out.map(name)];
        }}"""
    )
    return names[: MOST_NAMED + 1]


def unreachable(page: Page) -> list[str]:
    """Elements that scroll sideways and cannot be focused, so that arrow keys do not scroll them."""
    names: list[str] = page.evaluate(
        f"""() => {{ {_NAME}
            return [...document.body.querySelectorAll("*")].filter(element => isShown(element) && isScroller(element)
                && element.scrollWidth > element.clientWidth + 1 && element.tabIndex < 0).map(name);
        }}"""
    )
    return names[:MOST_NAMED]


def squeezed(page: Page) -> list[str]:
    """Texts that have so little width that they run from top to bottom."""
    names: list[str] = page.evaluate(
        f"""() => {{ {_NAME}
            const texts = [...document.querySelectorAll("td, th, dd, dt, p, li")];
            return texts.filter(element => isShown(element) && !isForEars(element)
                && element.textContent.trim().length > 8 && element.getBoundingClientRect().width < 30).map(name);
        }}"""
    )
    return names[:MOST_NAMED]


def spilling(page: Page) -> list[str]:
    """Cells of tables whose content is wider than they are."""
    names: list[str] = page.evaluate(
        f"""() => {{ {_NAME}
            return [...document.querySelectorAll("td, th")].filter(cell => isShown(cell) && !isForEars(cell)
                && cell.scrollWidth > cell.clientWidth + 1).map(name);
        }}"""
    )
    return names[:MOST_NAMED]


def print_faults(page: Page) -> list[str]:
    """What paper does not show well: what is beyond its edge, cut off by what holds it, or squeezed."""
    page.emulate_media(media="print")
    page.set_viewport_size({"width": PAPER, "height": 1000})
    cut: list[str] = page.evaluate(
        f"""() => {{ {_NAME}
            const edge = document.documentElement.clientWidth;
            const clips = element => getComputedStyle(element).overflowX !== "visible"
                && element.scrollWidth > element.clientWidth + 1;
            const cells = [...document.querySelectorAll("td, th, svg, canvas, img, pre, p")];
            return cells.filter(isShown).filter(element => {{
                if (element.closest("svg") !== element && element.closest("svg")) return false;
                if (isForEars(element)) return false;
                if (element.getBoundingClientRect().right > edge + 1) return true;
                for (let box = element.parentElement; box && box !== document.body; box = box.parentElement)
                    if (clips(box) && element.getBoundingClientRect().right > box.getBoundingClientRect().right + 1)
                        return true;
                return false;
            }}).map(name);
        }}"""
    )
    orphans: list[str] = page.evaluate(
        f"""() => {{ {_NAME}
            return [...document.querySelectorAll("h2, h3, h4")].filter(isShown)
                .filter(element => !["avoid", "avoid-page"].includes(getComputedStyle(element).breakAfter)).map(name);
        }}"""
    )
    # Chromium prints sticky cells without their border, and without words where a table goes on on the next page.
    sticky: list[str] = page.evaluate(
        f"""() => {{ {_NAME}
            return [...document.querySelectorAll("th, td")].filter(isShown)
                .filter(element => getComputedStyle(element).position === "sticky").map(name);
        }}"""
    )
    # The heading of what stands side by side is not kept with it, but the whole card is.
    split: list[str] = page.evaluate(
        f"""() => {{ {_NAME}
            return [...document.querySelectorAll("section.watched")].filter(isShown)
                .filter(element => getComputedStyle(element).breakInside !== "avoid").map(name);
        }}"""
    )
    found = [f"cut off: {text}" for text in cut[:MOST_NAMED]]
    found += [f"sticky: {text}" for text in sticky[:MOST_NAMED]]
    found += [f"a page break may divide: {text}" for text in split[:MOST_NAMED]]
    found += [f"a column of single letters: {text}" for text in squeezed(page)]
    found += [f"lies over the next cell: {text}" for text in spilling(page)]
    found += [f"a page break may follow: {text}" for text in orphans[:MOST_NAMED]]
    if not page.pdf(format="A4").startswith(b"%PDF"):
        found.append("no PDF")
    page.emulate_media(media="screen")
    return found


# ---- the browser's own command ------------------------------------------------------------------------------------


def browse(page: Path, profile: Path, *options: str) -> str:
    """What Chromium prints for a page; `profile` is a separate folder for its data."""
    command = [str(find_chromium()), *FLAGS, f"--user-data-dir={profile}", *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def with_script(page: Path, name: str, script: str) -> Path:
    """A copy of the page that runs a script, which writes what it saw into the title."""
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text())
    copy = page.with_name(name)
    copy.write_text(text.replace("</body>", f"<script>{script}</script></body>"))
    return copy


def seen(dom: str) -> str:
    found = re.search(r"<title>(.*?)</title>", dom, re.S)
    assert found
    return found.group(1)


def fits_a_phone(page: Path, profile: Path) -> bool:
    """Whether the page needs no sideways scrolling at 400 pixels, less than Chromium's own window can have."""
    inner = with_script(page, "inner.html", "parent.postMessage(document.documentElement.scrollWidth, '*');")
    frame = page.with_name("frame.html")
    frame.write_text(
        "<title>none</title><script>onmessage = function (e) { document.title = e.data; };</script>"
        f'<iframe src="{inner.name}" style="width:{PHONE_WIDTH}px;height:800px;border:0"></iframe>'
    )
    return int(seen(browse(frame, profile, "--dump-dom", "--virtual-time-budget=3000"))) <= PHONE_WIDTH
