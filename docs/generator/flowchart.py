"""Draws a mermaid flow chart as SVG, so that the site needs no script and no foreign host.

It reads what DAF's documents use: `flowchart TD` or `LR`, and lines `a["text<br>text"] --> b`. Nodes lie in layers,
each below everything that leads to it, except by an edge that closes a circle: that one leads up. An edge over several
layers bends around the nodes between.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

NODE = re.compile(r'(\w+)(?:\["([^"]*)"\])?')
CHARACTER, LINE, PADDING, GAP, BEND = 7.4, 18.0, 11.0, 26.0, 14.0  # in pixels; BEND is the room of a passing edge
LAYER_GAP = 40.0


@dataclass
class Chart:
    """A graph, and the layers that its nodes lie in.

    Attributes:
        labels: lines of text by node; a passing edge has a node without lines in each layer that it crosses.
        edges: from and to.
        upward: those of them that would close a circle.
        paths: for each edge, the nodes that it runs through.
        layers: the nodes of each layer, in order.
    """

    downward: bool
    labels: dict[str, list[str]]
    edges: list[tuple[str, str]]
    upward: set[tuple[str, str]] = field(default_factory=set)
    paths: list[list[str]] = field(default_factory=list)
    layers: list[list[str]] = field(default_factory=list)


def svg(source: str) -> str:
    """The drawing of a flow chart.

    Raises:
        ValueError: it holds something else than nodes and arrows.
    """
    chart = _read(source)
    _put_into_layers(chart)
    _order(chart)
    return _draw(chart, *_places(chart))


def fence(source: str, *_: object, **__: object) -> str:
    """The same, as pymdownx.superfences calls it, which would hide an exception; a warning fails a strict build."""
    try:
        return f'<div class="flowchart">{svg(source)}</div>'
    except ValueError as error:
        logging.getLogger("mkdocs.hooks").warning("a flow chart cannot be drawn: %s", error)
        return ""


def _read(source: str) -> Chart:
    head, *lines = [line.strip() for line in source.strip().splitlines()]
    if head not in ("flowchart TD", "flowchart LR"):
        raise ValueError(f"expected a flow chart, found: {head}")
    labels: dict[str, list[str]] = {}
    edges = []
    for line in lines:
        ends = [NODE.fullmatch(end.strip()) for end in line.split("-->")]
        if len(ends) != 2 or ends[0] is None or ends[1] is None:
            raise ValueError(f"expected: a --> b, found: {line}")
        for end in ends:
            assert end is not None
            if end[2] or end[1] not in labels:
                labels[end[1]] = (end[2] or end[1]).split("<br>")
        edges.append((ends[0][1], ends[1][1]))
    return Chart(downward=head.endswith("TD"), labels=labels, edges=edges)


def _put_into_layers(chart: Chart) -> None:
    """Each node as far down as its longest path; edges over several layers get a node in each between."""
    down = _without_circles(chart)
    depth = dict.fromkeys(chart.labels, 0)
    while deeper := {end: depth[start] + 1 for start, end in down if depth[end] <= depth[start]}:
        depth.update(deeper)
    chart.layers = [[] for _ in range(max(depth.values()) + 1)]
    for node, layer in depth.items():
        chart.layers[layer].append(node)
    for start, end in down:
        passed = [f"{start}>{end}>{layer}" for layer in range(depth[start] + 1, depth[end])]
        for layer, name in enumerate(passed, depth[start] + 1):
            chart.labels[name] = []
            chart.layers[layer].append(name)
        chart.paths.append([start, *passed, end])


def _without_circles(chart: Chart) -> list[tuple[str, str]]:
    """The edges, in order; each that would lead back to where one can come from is turned around."""
    after: dict[str, set[str]] = defaultdict(set)

    def leads_to(start: str, end: str) -> bool:
        return start == end or any(leads_to(following, end) for following in after[start])

    down = []
    for start, end in chart.edges:
        if leads_to(end, start):
            chart.upward.add((start, end))
            start, end = end, start
        after[start].add(end)
        down.append((start, end))
    return down


def _order(chart: Chart) -> None:
    """Each node near the middle of its neighbours in the layer before, then after (Sugiyama et al. 1981)."""
    before, after = defaultdict(list), defaultdict(list)
    for path in chart.paths:
        for start, end in pairwise(path):
            before[end].append(start)
            after[start].append(end)
    for sweep in range(12):
        forward = sweep % 2 == 0
        for fixed, layer in pairwise(chart.layers if forward else chart.layers[::-1]):
            _sort_by_neighbours(layer, fixed, before if forward else after)


def _sort_by_neighbours(layer: list[str], fixed: list[str], neighbours: dict[str, list[str]]) -> None:
    """Sort a layer by the mean place of each node's neighbours in the layer next to it."""
    there = {node: index / len(fixed) for index, node in enumerate(fixed)}
    here = {node: index / len(layer) for index, node in enumerate(layer)}

    def middle(node: str) -> float:
        near = [there[other] for other in neighbours[node]]
        return sum(near) / len(near) if near else here[node]

    layer.sort(key=middle)


def _size(chart: Chart, node: str) -> tuple[float, float]:
    """Width and height of a node."""
    lines = chart.labels[node]
    if not lines:
        return BEND, 0.0
    return max(map(len, lines)) * CHARACTER + 2 * PADDING, len(lines) * LINE + PADDING


def _places(chart: Chart) -> tuple[dict[str, tuple[float, float]], float, float]:
    """The middle of every node, and the width and height of the drawing."""
    places: dict[str, tuple[float, float]] = {}
    extents = []
    for layer in chart.layers:
        sizes = [_size(chart, node) for node in layer]
        along = [width if chart.downward else max(height, BEND) for width, height in sizes]
        extents.append(sum(along) + GAP * (len(layer) - 1))
    across = 0.0
    for layer, extent in zip(chart.layers, extents, strict=True):
        sizes = [_size(chart, node) for node in layer]
        thickness = max(height if chart.downward else width for width, height in sizes)
        at = (max(extents) - extent) / 2
        for node, (width, height) in zip(layer, sizes, strict=True):
            length = width if chart.downward else max(height, BEND)
            middle = (at + length / 2, across + thickness / 2)
            places[node] = middle if chart.downward else middle[::-1]
            at += length + GAP
        across += thickness + LAYER_GAP
    long, short = across - LAYER_GAP, max(extents)
    return places, *((short, long) if chart.downward else (long, short))


def _draw(chart: Chart, places: dict[str, tuple[float, float]], width: float, height: float) -> str:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-2 -2 {width + 4:.0f} {height + 4:.0f}" role="img"'
        f' style="max-width:{width + 4:.0f}px" aria-label="{escape(_in_words(chart), quote=True)}">'
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7"'
        ' orient="auto-start-reverse">'
        '<path d="M0 0L8 4L0 8z"/></marker></defs>'
    ]
    parts += [
        _edge(chart, places, path, edge in chart.upward) for edge, path in zip(chart.edges, chart.paths, strict=True)
    ]
    for node, lines in chart.labels.items():
        if not lines:
            continue
        (x, y), (wide, high) = places[node], _size(chart, node)
        parts.append(
            f'<rect x="{x - wide / 2:.1f}" y="{y - high / 2:.1f}" width="{wide:.1f}" height="{high:.1f}" rx="5"/>'
        )
        top = y - (len(lines) - 1) * LINE / 2 + 4.5
        parts += [
            f'<text x="{x:.1f}" y="{top + index * LINE:.1f}">{escape(line)}</text>' for index, line in enumerate(lines)
        ]
    return "".join([*parts, "</svg>"])


def _edge(chart: Chart, places: dict[str, tuple[float, float]], path: list[str], upward: bool) -> str:
    """A smooth line from the end of the first node to the beginning of the last, with its arrow where it leads."""
    points = [places[node] for node in path]
    along = 1 if chart.downward else 0
    for index, sign in ((0, 1), (-1, -1)):
        half = _size(chart, path[index])[along] / 2 * sign
        x, y = points[index]
        points[index] = (x, y + half) if chart.downward else (x + half, y)
    text = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x, y), (to_x, to_y) in pairwise(points):
        bend = (to_y - y) / 2 if chart.downward else (to_x - x) / 2
        first, second = ((x, y + bend), (to_x, to_y - bend)) if chart.downward else ((x + bend, y), (to_x - bend, to_y))
        text += f"C{first[0]:.1f} {first[1]:.1f} {second[0]:.1f} {second[1]:.1f} {to_x:.1f} {to_y:.1f}"
    return f'<path class="edge" d="{text}" marker-{"start" if upward else "end"}="url(#arrow)"/>'


def _in_words(chart: Chart) -> str:
    """For screen readers."""
    return "; ".join(f"{' '.join(chart.labels[a])} to {' '.join(chart.labels[b])}" for a, b in chart.edges)
