"""A figure as SVG: for a file, and for a page, whose CSS variables then give the colours."""

from __future__ import annotations

import re
from html import escape, unescape

from daf.charts import style
from daf.charts.drawing.sheet import WHOLE

TAG = re.compile(r"<[^>]+>")  # matplotlib escapes these signs in text and attributes
LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")  # of a coordinate: hundredths of a point are less than can be seen
COLOUR = re.compile(r"#[0-9a-f]{6}\b")
FONT_FAMILY = re.compile(r"font-family: [^;\"]*;?")
OPENING = re.compile(r"<svg[^>]*>")
USED = re.compile(r"(?:url\(#|href=\"#)([\w-]+)")
WHOLE_NAME = re.compile(rf'<g id="{WHOLE}([^"]*)">')


def for_file(svg: str) -> str:
    """The SVG with the whole text of every shortened label, which viewers show on hover."""
    return _with_whole_names(svg)


def for_page(svg: str, label: str) -> str:
    """The SVG element alone, as wide as its container, with variables for colours and without ids that are unused."""
    opening = OPENING.search(svg)
    if opening is None:
        return ""
    box = re.search(r'viewBox="([^"]*)"', opening.group())
    body = _with_whole_names(svg[opening.end() :])
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.S)
    body = re.sub(r"<defs>\s*<style[^>]*>[^<]*</style>\s*</defs>\s*", "", body)
    used = set(USED.findall(body))

    def tag(found: re.Match[str]) -> str:
        text = COLOUR.sub(_variable, found.group())
        text = LONG_NUMBER.sub(_short, FONT_FAMILY.sub("", text))
        return re.sub(r' id="([^"]*)"', lambda name: name.group() if name.group(1) in used else "", text)

    body = re.sub(r">\s*\n\s*<", "><", TAG.sub(tag, body))
    return (
        f'<svg class="chart-svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{box.group(1) if box else ""}" '
        f'role="img" aria-label="{escape(label)}">{body.strip()}'
    )


def _short(found: re.Match[str]) -> str:
    short = f"{float(found.group()):.2f}".rstrip("0").rstrip(".")
    return "0" if short == "-0" else short


def _variable(found: re.Match[str]) -> str:
    name = style.VARIABLE_OF.get(found.group())
    return f"var({name})" if name else found.group()


def _with_whole_names(svg: str) -> str:
    return WHOLE_NAME.sub(lambda found: f"<g><title>{escape(unescape(found.group(1)), quote=False)}</title>", svg)
