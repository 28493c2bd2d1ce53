"""The scripts of a page with charts: Vega's bundle, kept in the user's cache, and the start script beside this file."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from daf.errors import DafError
from daf.system.files import write_json
from daf.system.json_files import read_json
from daf.system.private_folders import require_own_folder
from daf.system.readers import read_text

START = Path(__file__).with_name("start.js")
BUNDLE = "window.dafVega={embed:vegaEmbed};"


def scripts(variables: Mapping[str, str]) -> str:
    """Two <script> elements: Vega, and what starts the charts.

    Args:
        variables: the CSS variable that replaces each colour.
    """
    start = read_text(START).replace("__VARIABLES__", json.dumps(dict(variables)))
    return f"<script>{harmless(bundle())}</script>\n<script>{harmless(start)}</script>"


@lru_cache(maxsize=1)
def bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script without imports.

    Making it takes seconds, so it is kept in the user's cache, with its digest: a damaged copy is made again.
    """
    path = _cache_file()
    if path is not None:
        try:
            return str(read_json(path)["script"])
        except (DafError, OSError, KeyError, TypeError):
            pass  # not there yet, or damaged
    import vl_convert

    script = vl_convert.javascript_bundle(BUNDLE)
    if path is not None:
        try:
            write_json(path, {"script": script})
        except OSError:
            pass  # a full disk costs time alone
    return script


def _cache_file() -> Path | None:
    """Where the bundle of this version is kept; None if there is no folder that this user alone can write."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    folder = (Path(given) if os.path.isabs(given) else Path(os.path.expanduser("~")) / ".cache") / "daf"
    key = f"{version('vl-convert-python')} {BUNDLE}"
    try:
        return require_own_folder(folder) / f"vega-{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"
    except (DafError, OSError):
        return None


def harmless(script: str) -> str:
    """A script whose text cannot end its element or open a comment; in strings the escapes mean the same."""
    return re.sub(r"<(?=/script|script|!--)", r"\\x3c", script, flags=re.IGNORECASE)


def inert(text: str) -> str:
    """JSON that HTML cannot mistake for the end of its element."""
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def identifier(name: str) -> str:
    """A name as the value of an id."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)
