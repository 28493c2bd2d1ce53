"""Numbers and names as a chart's text: ticks with a thousands' letter, clean and shortened names, wrapped lines."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable
from typing import Any

from daf.charts.model import Axis

MINUS = "\N{MINUS SIGN}"
LETTERS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
FROM_HERE_LETTERS = 1e4
JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"  # parts of emoji and of Persian words


def known(value: Any) -> float | None:
    """A finite number, or None for everything that is not drawn."""
    if value is None or isinstance(value, str):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def tick_text(value: float, axis: Axis) -> str:
    """'−0.5', '2,500', '200 k', '1.5 M'; '25 %' on an axis of shares."""
    if axis.is_share:
        return f"{100 * value:.6g} %".replace("-", MINUS)
    size = abs(value)
    if size >= FROM_HERE_LETTERS:
        scale, letter = next(pair for pair in LETTERS if size >= pair[0])
        return f"{value / scale:,.6g} {letter}".replace("-", MINUS)
    if 0 < size < 1e-4:
        mantissa, exponent = f"{value:.3e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}".replace("-", MINUS)
    return f"{value:,.6g}".replace("-", MINUS)


def value_text(value: Any, axis: Axis | None = None) -> str:
    """A value in a tooltip, with four significant digits; a dash if it is unknown."""
    if isinstance(value, str):
        return clean(value)
    number = known(value)
    if number is None:
        return "\N{EN DASH}"
    if axis is not None and axis.is_share:
        return f"{100 * number:.3g} %".replace("-", MINUS)
    text = f"{number:,.0f}" if 1000 <= abs(number) < 1e15 else f"{number:.4g}"
    return text.replace("-", MINUS)


def interval_text(low: Any, high: Any, axis: Axis | None = None) -> str:
    """'7.1 to 8.6', or a dash if it is unknown."""
    if known(low) is None or known(high) is None:
        return "\N{EN DASH}"
    return f"{value_text(low, axis)} to {value_text(high, axis)}"


def clean(text: Any) -> str:
    """Text in one line without characters that XML forbids or that turn the direction of writing."""
    line = str(text)
    if line.isprintable():
        return line
    return "".join(
        letter
        if letter.isprintable() or letter in JOINERS
        else " "
        if letter.isspace()
        else "\N{REPLACEMENT CHARACTER}"
        for letter in line
    )


def shorten(text: str, fits: Callable[[str], bool]) -> str:
    """The text, or its beginning and end around an ellipsis, as long as fits: names often differ at their end."""
    if fits(text):
        return text
    low, high = 1, len(text) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(_cut(text, middle)) else (low, middle - 1)
    return _cut(text, low)


def _cut(text: str, length: int) -> str:
    end = length // 3
    return f"{text[: length - end].rstrip()}\N{HORIZONTAL ELLIPSIS}{text[len(text) - end :].lstrip() if end else ''}"


def wrap(text: str, width: int, *, most: int | None = None) -> list[str]:
    """Lines of at most `width` letters; what `most` lines do not hold ends in an ellipsis."""
    return textwrap.wrap(clean(text), width, max_lines=most, placeholder=" \N{HORIZONTAL ELLIPSIS}") if text else []
