"""Names shortened together, so that different names of one chart stay different."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile

from daf.charts.words import shorten

GAP = "\N{HORIZONTAL ELLIPSIS}"
JOINTS = "-_/ :,"  # between the parts of a name, of which whole ones are kept

Fits = Callable[[str], bool]


def shorten_all(texts: Sequence[str], fits: Fits) -> list[str]:
    """The texts as `shorten` gives them; those that it would make alike keep the part in which they differ.

    Where no such part fits, the texts are longer than what fits.
    """
    shown = _distinct(list(dict.fromkeys(texts)), fits)
    return [shown[text] for text in texts]


def _distinct(texts: Sequence[str], fits: Fits) -> dict[str, str]:
    shown = {text: shorten(text, fits) for text in texts}
    for alike in _alike(shown):
        shown |= _around_difference(alike, fits)
    length = 4
    while again := [text for alike in _alike(shown) for text in alike]:
        length += 1
        shown |= {text: _cut(text, length) for text in again}
    return shown


def _alike(shown: dict[str, str]) -> list[list[str]]:
    """The groups of texts that are shown in the same way."""
    groups: dict[str, list[str]] = {}
    for text, short in shown.items():
        groups.setdefault(short, []).append(text)
    return [group for group in groups.values() if len(group) > 1]


def _around_difference(texts: Sequence[str], fits: Fits) -> dict[str, str]:
    """What differs, between as much of what all texts begin and end with as fits: 'expe...0.001...al'."""
    start, end = _shared(texts)
    whole = _to_joints(texts, start, end)
    for first, last in (whole, (start, end)):
        if all(fits(_joined(text, first, last, 0)) for text in texts):
            least, most = 0, first + last
            while least < most:
                kept = (least + most + 1) // 2
                can = all(fits(_joined(text, first, last, kept)) for text in texts)
                least, most = (kept, most) if can else (least, kept - 1)
            return {text: _joined(text, first, last, least) for text in texts}
    middles = {text: text[start : len(text) - end] for text in texts}
    before, after = GAP if start else "", GAP if end else ""
    short = _distinct(list(middles.values()), lambda part: fits(_between(before, part, after)))
    return {text: _between(before, short[middle], after) for text, middle in middles.items()}


def _between(before: str, part: str, after: str) -> str:
    return f"{before}{part.removeprefix(before).removesuffix(after)}{after}"


def _cut(text: str, length: int) -> str:
    return shorten(text, lambda part: len(part) <= length)


def _shared(texts: Sequence[str]) -> tuple[int, int]:
    """How many letters all texts begin and end with, such that each has at least one other between them."""
    shortest = min(map(len, texts)) - 1
    start = min(_beginning(texts), shortest)
    return start, min(_beginning([text[:start:-1] for text in texts]), shortest - start)


def _beginning(texts: Sequence[str]) -> int:
    """How many letters all texts begin with."""
    return sum(1 for _ in takewhile(lambda letters: len(set(letters)) == 1, zip(*texts, strict=False)))


def _to_joints(texts: Sequence[str], start: int, end: int) -> tuple[int, int]:
    """The same where whole parts of a name differ."""
    text = texts[0]
    while start and text[start - 1] not in JOINTS:
        start -= 1
    while end and text[len(text) - end] not in JOINTS:
        end -= 1
    return start, end


def _joined(text: str, start: int, end: int, kept: int) -> str:
    """What differs, with `kept` letters of the beginning and the end that all texts share."""
    last = min(end, kept // 3)
    first = min(start, kept - last)
    last = min(end, kept - first)
    before = text[:start] if first == start else f"{text[:first].rstrip()}{GAP}"
    after = text[len(text) - end :] if last == end else f"{GAP}{text[len(text) - last :].lstrip() if last else ''}"
    return f"{before}{text[start : len(text) - end]}{after}"
