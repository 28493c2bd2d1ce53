"""Shared by all pages: the template environment, file names, words and symbols of verdicts, and failed policies.

Templates share `style.css.j2`, the macros of `parts.html.j2` and, for tables that sort, the script `tables.js.j2`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import Any

from daf.charts.model import Status
from daf.reporting.templating import environment
from daf.statistics import sentences
from daf.statistics.records import Verdict

SYMBOLS: Mapping[Verdict, str] = {
    "better": "▲",
    "worse": "▼",
    "equivalent": "=",
    "inconclusive": "○",
    "insufficient data": "?",
}
VERDICT_WORDS: Mapping[Verdict, Status] = {
    "better": "better",
    "worse": "worse",
    "equivalent": "equivalent",
    "inconclusive": "undecided",
    "insufficient data": "insufficient data",
}
"""What pages and charts say for a verdict of the tables."""


LONGEST_SLUG = 80
SORT_DIGITS = 9  # of numbers by which a table is sorted


@dataclass(frozen=True, kw_only=True)
class FailureLine:
    """A policy of which episodes failed, for the red lines at the top of a page.

    Attributes:
        where: " on m", or empty.
        cause: of the first failure.
        lead: what stands before the cause.
        after: what follows for the reader; empty: nothing.
    """

    policy: str
    failed: int
    total: int
    where: str = ""
    cause: str = ""
    lead: str = ": "
    after: str = ""


def slug(name: str) -> str:
    """A name as part of a file name; where letters are replaced or left out, with a digest that tells it apart."""
    plain = re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-")[:LONGEST_SLUG]
    return plain if plain and plain == name else f"{plain or 'mission'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def shortened(name: str, most: int = 32) -> str:
    """A name with its middle left out if it is long, for titles of axes."""
    if len(name) <= most:
        return name
    head = (most - 1) * 2 // 3
    return f"{name[:head]}…{name[len(name) - (most - 1 - head) :]}"


def listed(names: Sequence[str], most: int = 3, noun: str = "policies") -> str:
    """'a, b and c', or '5 policies' if there are more than `most`."""
    if len(names) > most:
        return f"{len(names)} {noun}"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


@cache
def _environment() -> Any:
    """Templates with the filters that pages of results share."""
    shared = environment().overlay()
    shared.filters = shared.filters | {
        "num": sentences.number, "p": sentences.p_value, "pct": sentences.percent, "sortable": _sortable,
        "ticks": _ticks, "isolated": _isolated,
    }  # fmt: skip
    words = {
        "span": sentences.span, "percent_span": sentences.percent_span, "number_within": sentences.number_within,
        "symbols": SYMBOLS, "words_of_verdicts": VERDICT_WORDS,
    }  # fmt: skip
    shared.globals = shared.globals | words
    return shared


def template(name: str) -> Any:
    """A page's template."""
    return _environment().get_template(name)


def _sortable(value: Any) -> str:
    """The sort key of a cell: the number, or empty if unknown."""
    if value is None or value != value:
        return ""
    return f"{value:.{SORT_DIGITS}g}" if isinstance(value, float) else str(value)


# Words of scripts that run from right to left.
_LEFTWARD = re.compile(r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]+(?: +[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]+)*")


def _isolated(text: Any) -> str:
    """Escaped text in which a number after a name written from right to left stays after it: `|isolated|safe`."""
    return _LEFTWARD.sub(r"<bdi>\g<0></bdi>", escape(str(text)))


def _ticks(text: Any) -> str:
    """Text whose `backticks` mark code, as escaped HTML: templates write `|ticks|safe`."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _isolated(text))
