"""Missions named in documents."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

from daf.engine.missions import list_missions
from daf.system.readers import read_text

_NAME = re.compile(r"(?<![\w.])(?:evals\.)?(?P<name>[A-Za-z]\w*(?:\.\w+)*)")
_OPENING = re.compile(r"""([`"'|]|\*\*)\s*$""")
_CLOSING = re.compile(r"""\s*([`"'|]|\*\*)""")
_ANNOUNCING = re.compile(r"(-m|--mission|\bmissions?\s*[:=])[\s=]*$")


def discover_missions(readme: Path | None) -> list[str]:
    """See `daf.mission_analysis.daf_discover_missions_from_readme`."""
    known = list_missions()
    texts = installed_documents() if readme is None else [read_text(readme)]
    if readme is None and not texts:
        return list(known)
    mentions = [name for text in texts for name in _mentions(text.replace(r"\_", "_"), frozenset(known))]
    return list(dict.fromkeys(mentions))


def installed_documents() -> list[str]:
    """Texts of the documents that CoGames installs: its package description and any markdown among its files."""
    distribution = metadata.distribution("cogames")
    texts = [distribution.read_text("METADATA") or ""]
    for file in distribution.files or []:
        if file.suffix == ".md":
            texts.append(Path(str(file.locate())).read_text(errors="replace"))
    return [text for text in texts if text.strip()]


def _mentions(text: str, known: frozenset[str]) -> list[str]:
    names = []
    for match in _NAME.finditer(text):
        name = match["name"]
        if name not in known:
            continue
        before, after = text[max(0, match.start() - 20) : match.start()], text[match.end() : match.end() + 20]
        marked = (_OPENING.search(before) and _CLOSING.match(after)) or _ANNOUNCING.search(before)
        if marked or not name.isalpha():
            names.append(name)
    return names
