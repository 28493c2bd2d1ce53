"""Shared by all pages: the template environment, file names, and symbols of verdicts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from daf.statistics import sentences
from daf.statistics.records import Verdict

SYMBOLS: Mapping[Verdict, str] = {
    "better": "▲",
    "worse": "▼",
    "equivalent": "=",
    "inconclusive": "○",
    "insufficient data": "?",
}


def slug(name: str) -> str:
    """Convert a name into one that is valid in a path."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-") or "mission"


def template(name: str) -> Any:
    """A page's template, with the filters that all pages share."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "num": sentences.number, "p": sentences.p_value, "pct": sentences.percent, "sortable": _sortable,
    }  # fmt: skip
    environment.globals |= {"span": sentences.span, "symbols": SYMBOLS}
    return environment.get_template(name)


def _sortable(value: Any) -> str:
    """The sort key of a cell: the full number, or empty if unknown."""
    return "" if value is None or value != value else str(value)
