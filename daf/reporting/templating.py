"""The environment of all templates, without what only pages of results need, whose imports take longer than a page."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

from daf.system.nouns import number_of

TURNING = re.compile(r"[\u202a-\u202e\u2066-\u2069]")  # characters that turn the direction of text


@cache
def environment() -> Any:
    """Templates of `templates/`, compiled once per process; what they show is escaped, and nothing may be missing."""
    import jinja2

    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["number_of"] = number_of
    return templates


def with_script_hashes(page: str) -> str:
    """A page that runs exactly its inline scripts: its policy names them by hash instead of 'unsafe-inline'.

    Names cannot turn the direction of the text around them: characters that do are replaced.
    """
    page = TURNING.sub("\N{REPLACEMENT CHARACTER}", page)
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in dict.fromkeys(digests)) or "'none'"
    return re.sub(r"script-src 'unsafe-inline'", f"script-src {allowed}", page, count=1)
