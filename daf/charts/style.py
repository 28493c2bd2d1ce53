"""The look that all charts share: colours for light and dark pages, shapes, dashes, and signs of verdicts.

Charts are drawn in the light colours. Each light colour has a CSS variable, whose value replaces it in a page: in dark
mode, in print, or in a page's own theme.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from daf.charts.model import Status

LIGHT = ("#0067a5", "#c04a00", "#2e7d32", "#8e44ad", "#806000", "#b3446c", "#00717f", "#5c4b3c")
DARK = ("#6cb6ff", "#ff9f5a", "#7bd88f", "#d2a8ff", "#e3c34c", "#ff8fb3", "#56d4dd", "#c9b8a8")
RAMP_LIGHT = ("#b3bec9", "#7fa9cc", "#3d83b8", "#0a5a97", "#06305a")  # from the lowest value to the highest
RAMP_DARK = ("#48535e", "#4d7699", "#5a9ed6", "#8cc6f7", "#dceeff")

FOREGROUND = "#1b1f24"
MUTED = "#5b6470"
GRID = "#e3e7eb"
BACKGROUND = "#ffffff"
ACCENT = "#0b5cac"

# Matplotlib's marker and Vega's shape. Eight colours, nine shapes and five dashes repeat together after 360 series.
CROSSED = "M-1,-.62L-.62,-1L0,-.38L.62,-1L1,-.62L.38,0L1,.62L.62,1L0,.38L-.62,1L-1,.62L-.38,0Z"
STAR = "M0,-1.25L.3,-.41L1.19,-.39L.48,.16L.73,1.01L0,.5L-.73,1.01L-.48,.16L-1.19,-.39L-.3,-.41Z"  # the winner
SHAPES: Sequence[tuple[str, str]] = (
    ("o", "circle"),
    ("s", "square"),
    ("^", "triangle-up"),
    ("D", "diamond"),
    ("v", "triangle-down"),
    ("P", "cross"),
    ("<", "triangle-left"),
    (">", "triangle-right"),
    ("X", CROSSED),
)
DASHES: Sequence[tuple[float, ...]] = ((), (7, 3), (7, 2, 2, 2), (4, 2), (10, 2, 2, 2, 2, 2))
CUT_SHORT: tuple[float, ...] = (1.5, 2.5)  # a line that ended early, such as a pruned trial


@dataclass(frozen=True)
class Look:
    """What distinguishes a series or a status: its colour, its shape and, as a line, its dash."""

    colour: str
    marker: str
    shape: str
    dash: tuple[float, ...] = ()
    is_filled: bool = True


STATUSES: Mapping[Status, Look] = {
    "better": Look("#1b6e37", "^", "triangle-up"),
    "worse": Look("#b3261e", "v", "triangle-down"),
    "equivalent": Look("#0b5cad", "s", "square"),
    "undecided": Look("#5c6571", "o", "circle", is_filled=False),
    "insufficient data": Look("#855a00", "D", "diamond", is_filled=False),
    "failed": Look("#b3261f", "X", CROSSED),
}
VARIABLES: Mapping[str, tuple[str, str]] = {
    **{f"--p{index}": pair for index, pair in enumerate(zip(LIGHT, DARK, strict=True))},
    **{f"--ramp{index}": pair for index, pair in enumerate(zip(RAMP_LIGHT, RAMP_DARK, strict=True))},
    "--chart-fg": (FOREGROUND, "#e6e9ee"),
    "--chart-muted": (MUTED, "#9aa5b1"),
    "--chart-grid": (GRID, "#2c333b"),
    "--chart-bg": (BACKGROUND, "#171b20"),
    "--chart-accent": (ACCENT, "#7ab7ff"),
    "--chart-better": (STATUSES["better"].colour, "#74d391"),
    "--chart-worse": (STATUSES["worse"].colour, "#ff8f85"),
    "--chart-equivalent": (STATUSES["equivalent"].colour, "#7ab8ff"),
    "--chart-undecided": (STATUSES["undecided"].colour, "#a7b1bc"),
    "--chart-insufficient": (STATUSES["insufficient data"].colour, "#e8b84a"),
    "--chart-failed": (STATUSES["failed"].colour, "#ff8f84"),
}
VARIABLE_OF: Mapping[str, str] = {light: name for name, (light, _) in VARIABLES.items()}
FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"


def series_look(series: Sequence[str], name: str) -> Look:
    """The look of a series: by its place in `series`, or that of the text if it is not among them."""
    try:
        index = list(series).index(name)
    except ValueError:
        return Look(MUTED, "o", "circle")
    marker, shape = SHAPES[index % len(SHAPES)]
    return Look(LIGHT[index % len(LIGHT)], marker, shape, DASHES[index % len(DASHES)])


def row_look(series: Sequence[str], name: str, status: str) -> Look:
    """The look of a row: its status, or else its series."""
    return next((look for known, look in STATUSES.items() if known == status), None) or series_look(series, name)


def ramp_colour(place: float | None) -> str:
    """The step of the ramp at a place between 0 and 1; that of the grid if the place is unknown."""
    if place is None:
        return GRID
    return RAMP_LIGHT[min(len(RAMP_LIGHT) - 1, max(0, int(place * len(RAMP_LIGHT))))]


def variables_css() -> str:
    """The CSS variables: light, dark if the reader prefers it, and always light in print."""
    light = "".join(f"{name}:{colour};" for name, (colour, _) in VARIABLES.items())
    dark = "".join(f"{name}:{colour};" for name, (_, colour) in VARIABLES.items())
    return f":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
