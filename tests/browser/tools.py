"""A page in headless Chromium: what it shows, and what a script that acts as a reader would sees."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.conftest import find_chromium

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--disable-sync", "--disable-component-update", "--disable-quic", "--hide-scrollbars",
]  # fmt: skip
PHONE_WIDTH = 400


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
