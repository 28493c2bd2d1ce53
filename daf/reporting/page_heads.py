"""What a page says in its head: its title, and the sentence that answers its question.

Every page of results has it as `<meta name="description">`, so that the index of an experiment can repeat it without
reading results again: a page can only be outdated together with what the index says of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from html import unescape
from pathlib import Path

INDEX = "index.html"  # of an experiment, in its output folder
HEAD_BYTES = 8192  # titles and descriptions come before the style sheet
_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
_STATE = re.compile(r'<meta name="daf-state" content="(\w+)">')
_DESCRIPTION = re.compile(r'<meta name="description" content="(.*?)">', re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class PageHead:
    """What a page says about itself.

    Attributes:
        title: of the page.
        sentence: its answer; empty for a page of an earlier version of DAF.
        written_ns: when it was written, in ns since 1970.
        state: of the experiment, on its page; else empty.
    """

    title: str
    sentence: str
    written_ns: int
    state: str = ""


def page_head(path: Path) -> PageHead | None:
    """The head of a page; None if there is no such page."""
    try:
        status = path.stat()
        return _head(path, status.st_mtime_ns, status.st_size)
    except OSError:
        return None


@lru_cache(maxsize=4096)
def _head(path: Path, written_ns: int, size: int) -> PageHead:
    with open(path, "rb") as stream:
        text = stream.read(HEAD_BYTES).decode("utf-8", errors="replace")
    title, description, state = _TITLE.search(text), _DESCRIPTION.search(text), _STATE.search(text)
    return PageHead(
        title=_plain(title[1]) if title else path.stem,
        sentence=_plain(description[1]) if description else "",
        written_ns=written_ns,
        state=state[1] if state else "",
    )


def _plain(text: str) -> str:
    return " ".join(unescape(text).split())
