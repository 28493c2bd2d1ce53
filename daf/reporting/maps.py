"""Figures of a mission's map as SVG text: walls, objects, and where agents went.

Coordinates are cells: column and row, one unit each. Colours are CSS variables with light and dark values. The same
traces give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from daf.engine.replays import EpisodeTrace

# Of agents and objects.
PALETTE = ("#0067a5", "#c04a00", "#2e7d32", "#8e44ad", "#806000", "#b3446c", "#00717f", "#5c4b3c")
PALETTE_DARK = ("#6cb6ff", "#ff9f5a", "#7bd88f", "#d2a8ff", "#e3c34c", "#ff8fb3", "#56d4dd", "#c9b8a8")
HEAT_LIGHT = ("#fbe3a4", "#f9c46b", "#f39c46", "#e06f35", "#bf4436", "#8c2440", "#4f1438")
HEAT_DARK = ("#572644", "#742a47", "#a3384a", "#cc5142", "#e97b3f", "#f7ae55", "#fde79b")
LARGE_SIDE = 64  # maps with a longer side are cropped to the area where agents went
MARGIN = 5  # cells shown around that area
# Marks of objects in the unit square, drawn from its corner. Agents are circles, so no object is.
SHAPES = (
    "m.14.14h.72v.72h-.72z",
    "m.5.02l.48.48-.48.48-.48-.48z",
    "m.5.06l.48.86h-.96z",
    "m.36.06h.28v.3h.3v.28h-.3v.3h-.28v-.3h-.3v-.28h.3z",
    "m.02.08h.96l-.48.86z",
    "m.27.1h.46l.25.4-.25.4h-.46l-.25-.4z",
    "m.04.3h.92v.4h-.92z",
)
STYLE = """
.map{display:block;width:100%;border-radius:6px;background:var(--floor)}
.maps{display:grid;grid-template-columns:1fr 1fr;gap:20px 24px}
.maps.wide{grid-template-columns:1fr}
.maps .beside{padding-top:10px}
.wall{fill:var(--wall)}
.map text,.key text{font:600 1px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;text-anchor:middle;fill:var(--bg)}
.keys{list-style:none;display:flex;flex-wrap:wrap;gap:3px 16px;margin:0 0 10px;padding:0;font-size:.82rem}
.keys li{display:flex;align-items:center;gap:6px}.keys .soft{font-variant-numeric:tabular-nums}
.key{width:13px;height:13px;flex:none;overflow:visible}
@media(min-width:1000px){.maps.wide .beside{padding:0}
.maps.wide>figure{display:grid;grid-template-columns:64fr 36fr;gap:24px}}
@media(max-width:640px){.maps{grid-template-columns:1fr}}
"""


def palette_css(colours: Sequence[str], heat: Sequence[str], *, wall: str, floor: str) -> str:
    steps = "".join(f"--p{index}:{colour};" for index, colour in enumerate(colours))
    steps += "".join(f"--h{index}:{colour};" for index, colour in enumerate(heat))
    return f"{steps}--wall:{wall};--floor:{floor};"


LIGHT_CSS = palette_css(PALETTE, HEAT_LIGHT, wall="#b9c0c9", floor="#f7f8fa")
DARK_CSS = palette_css(PALETTE_DARK, HEAT_DARK, wall="#4b5561", floor="#10141a")


@dataclass(frozen=True, kw_only=True)
class Window:
    """The visible part of a map, in cells; `cut` if it omits more than solid wall around the map."""

    row: int
    column: int
    rows: int
    columns: int
    cut: bool

    @property
    def view_box(self) -> str:
        return f"{self.column} {self.row} {self.columns} {self.rows}"

    def of(self, cells: np.ndarray) -> np.ndarray:
        """This part of an array [rows, columns]."""
        return cells[self.row : self.row + self.rows, self.column : self.column + self.columns]

    def holds(self, row: int, column: int) -> bool:
        return 0 <= row - self.row < self.rows and 0 <= column - self.column < self.columns


@dataclass(frozen=True, kw_only=True)
class Key:
    """An entry of a map's legend: a mark (SVG in the unit square), its meaning, and its count."""

    mark: str
    name: str
    count: int | None = None


# ---- what is shown ----------------------------------------------------------------------------------------


def map_window(traces: Sequence[EpisodeTrace]) -> Window:
    """The part of the traces' common map to show, with a margin: its open area or, if large, where agents went."""
    walls = traces[0].walls
    open_rows, open_columns = (np.flatnonzero((~walls).any(axis=axis)) for axis in (1, 0))
    bounds = np.array([_ends(open_rows, 1, walls.shape[0]), _ends(open_columns, 1, walls.shape[1])])
    cut = False
    if (bounds[:, 1] - bounds[:, 0]).max() > LARGE_SIDE:
        visited = np.concatenate([trace.positions.reshape(-1, 2) for trace in traces])
        near = np.array([_ends(visited[:, axis], MARGIN, walls.shape[axis]) for axis in (0, 1)])
        narrowed = np.stack([np.maximum(bounds[:, 0], near[:, 0]), np.minimum(bounds[:, 1], near[:, 1])], axis=1)
        bounds, cut = narrowed, bool((narrowed != bounds).any())
    (top, bottom), (left, right) = bounds.tolist()
    return Window(row=top, column=left, rows=bottom - top, columns=right - left, cut=cut)


def _ends(values: np.ndarray, margin: int, size: int) -> tuple[int, int]:
    """First and one past the last of the values, with a margin, within 0 … size."""
    if not len(values):
        return 0, size
    return max(0, int(values.min()) - margin), min(size, int(values.max()) + 1 + margin)


def visit_counts(traces: Sequence[EpisodeTrace]) -> np.ndarray:
    """Number of steps that ended with an agent on each cell, over all agents and episodes: int64 [rows, columns]."""
    counts = np.zeros(traces[0].walls.shape, dtype=np.int64)
    for trace in traces:
        rows, columns = trace.positions[1:].reshape(-1, 2).T
        np.add.at(counts, (rows, columns), 1)
    return counts


def free_cells(trace: EpisodeTrace) -> int:
    """Cells that are neither wall nor object at the start."""
    return int((~trace.walls).sum()) - len({(map_object.row, map_object.column) for map_object in trace.objects})


def heat_bounds(most: int) -> list[int]:
    """Lowest counts of the colour classes up to `most`: 1, 3, 10, 30, …, or powers of ten if that is too many."""
    halves = [digit * 10**power for power in range(19) for digit in (1, 3) if digit * 10**power <= most] or [1]
    return halves if len(halves) <= len(HEAT_LIGHT) else halves[::2][: len(HEAT_LIGHT)]


# ---- figures ----------------------------------------------------------------------------------------------


def object_types(traces: Iterable[EpisodeTrace]) -> list[str]:
    return sorted({map_object.type_name for trace in traces for map_object in trace.objects})


def ground(trace: EpisodeTrace, window: Window, types: Sequence[str], name: str) -> tuple[str, list[Key]]:
    """Walls and objects of a map as an SVG group with the id `name`, and its legend.

    Args:
        types: all types of objects on the page, so that each looks the same on every map.
    """
    walls = cells_path(window.of(trace.walls), window)
    parts = [f'<g id="{name}"><path class="wall" shape-rendering="crispEdges" d="{walls}"/>']
    keys = [Key(mark='<rect class="wall" width="1" height="1"/>', name="wall")]
    for index, kind in enumerate(types):
        cells = sorted(
            {(map_object.row, map_object.column) for map_object in trace.objects if map_object.type_name == kind}
        )
        shown = [(row, column) for row, column in cells if window.holds(row, column)]
        if shown:
            shape, colour = SHAPES[index % len(SHAPES)], f"var(--p{index % len(PALETTE)})"
            path = "".join(f"M{column} {row}{shape}" for row, column in shown)
            label = kind.replace("_", " ")
            parts.append(f'<path fill="{colour}" d="{path}"><title>{escape(label)}</title></path>')
            keys.append(Key(mark=f'<path fill="{colour}" d="M0 0{shape}"/>', name=label, count=len(shown)))
    return "".join([*parts, "</g>"]), keys


def heat_map(
    counts: np.ndarray, bounds: Sequence[int], most: int, window: Window, ground_svg: str, title: str
) -> tuple[str, list[Key]]:
    """Visits per cell in colour classes, and the legend of the colours.

    Args:
        counts: int [rows, columns] of the whole map.
        bounds: lowest count of every class, as `heat_bounds` gives them.
        most: the highest count of the last class, on this map or on another with the same colours.
        ground_svg: the layer below.
    """
    shown = window.of(counts)
    parts = [f'<svg class="map" viewBox="{window.view_box}" role="img" aria-label="{escape(title)}">', ground_svg]
    keys = []
    for index, low in enumerate(bounds):
        high = bounds[index + 1] - 1 if index + 1 < len(bounds) else most
        inside = (shown >= low) & (shown <= high)
        label = f"{low:,}" if high <= low else f"{low:,} to {high:,}"
        colour = f"var(--h{_ramp(index, len(bounds))})"
        if inside.any():
            path = cells_path(inside, window)
            parts.append(f'<path shape-rendering="crispEdges" fill="{colour}" d="{path}"><title>{label}</title></path>')
        keys.append(Key(mark=f'<rect width="1" height="1" fill="{colour}"/>', name=label))
    return "".join([*parts, "</svg>"]), keys


def _ramp(index: int, classes: int) -> int:
    """The heat colour of a class; a small number of classes still spans the whole range."""
    return len(HEAT_LIGHT) // 2 if classes == 1 else round(index * (len(HEAT_LIGHT) - 1) / (classes - 1))


def cells_path(cells: np.ndarray, window: Window) -> str:
    """The True cells of bool [window.rows, window.columns] as rectangles: runs along rows, joined with equal runs below
    them."""
    parts = []
    begun: dict[tuple[int, int], int] = {}  # run (first column, one past the last) → the row it started in
    for row, line in enumerate([*cells, np.zeros(window.columns, dtype=np.bool_)]):
        edges = np.flatnonzero(np.diff(line.astype(np.int8), prepend=0, append=0)).tolist()
        runs = set(zip(edges[::2], edges[1::2], strict=True))
        for first, stop in sorted(begun.keys() - runs):
            top = begun.pop((first, stop))
            width = stop - first
            parts.append(f"M{window.column + first} {window.row + top}h{width}v{row - top}h-{width}z")
        begun |= dict.fromkeys(runs - begun.keys(), row)
    return "".join(parts)
