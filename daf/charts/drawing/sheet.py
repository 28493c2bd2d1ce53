"""A matplotlib figure laid out in pixels, with its text and the settings that make its files repeat byte for byte."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
from matplotlib import ft2font
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.transforms import Transform

from daf.charts import names, style, words

DPI = 96
POINTS_PER_PIXEL = 72 / DPI
WIDTH = 760
NORMAL, SMALL, LARGE = 13.0, 12.0, 15.0  # font sizes in pixels
TITLE_SPACING = 1.36  # of the font size: lines of 20 pixels
RATIO = 2  # device pixels of a PNG per pixel
FONT_SIZE = 100  # of the measured letters
FONT_FAMILY = ["DejaVu Sans"]  # comes with matplotlib, so that files are the same everywhere
FONT_FILES = {"normal": "DejaVuSans.ttf", "bold": "DejaVuSans-Bold.ttf"}
SETTINGS: Any = {
    "font.family": FONT_FAMILY,
    "axes.unicode_minus": True,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "path.simplify": False,
    "savefig.facecolor": style.BACKGROUND,
    "savefig.bbox": None,
}
# A file must not tell when and by which version it was written: the same data give the same bytes.
METADATA: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}


class ChartFigure(Figure):
    """A figure that a notebook shows as the value of a cell, without pyplot, and whose files repeat byte for byte."""

    chart_name = "chart"

    def savefig(self, fname: Any, **options: Any) -> None:
        """As matplotlib's, with our settings and without a date or a version."""
        kind = str(options.get("format") or Path(str(fname)).suffix.removeprefix(".") or "png").lower()
        options.setdefault("metadata", METADATA.get(kind))
        with _saving(self.chart_name):
            super().savefig(fname, **options)

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        width, height = (round(inches * DPI) for inches in self.get_size_inches())
        return rendered(self, "png"), {"width": width, "height": height}


@contextmanager
def settings(name: str) -> Iterator[None]:
    """Matplotlib's defaults and ours, whatever the user has set."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)
        mpl.rcParams["svg.hashsalt"] = name
        yield


def rendered(figure: Figure, kind: str) -> bytes:
    """The figure as the content of a file of one kind: svg, pdf or png."""
    stream = io.BytesIO()
    of_anyone = nullcontext() if isinstance(figure, ChartFigure) else _saving("chart")
    with of_anyone:
        figure.savefig(stream, format=kind, dpi=RATIO * DPI if kind == "png" else 72, metadata=METADATA[kind])
    return stream.getvalue()


@contextmanager
def _saving(name: str) -> Iterator[None]:
    with settings(name), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a box is drawn; the SVG keeps the text
        yield


class ChartAxes(Axes):
    """Axes whose title stands on the figure's first line, so that `set_title` replaces it there.

    `place` is that of the title's upper left corner, as shares of the figure, with their transform; without it titles
    are as matplotlib's.
    """

    place: tuple[float, float, Transform] | None = None

    def set_title(
        self, label: str, fontdict: dict[str, Any] | None = None, loc: Any = None, pad: float | None = None, *,
        y: float | None = None, **kwargs: Any,
    ) -> Text:  # fmt: skip
        """As matplotlib's. `get_title()` gives it whatever `loc` is; without `pad` and `y` it keeps its line."""
        if self.place is None or pad is not None or y is not None:
            self.title.set_x(0.5)
            return super().set_title(label, fontdict, loc, pad, y=y, **kwargs)
        side = loc or "left"
        left, top, shares = self.place
        self.title.set(
            text=label, x={"left": left, "center": 0.5, "right": 1 - left}[side], y=top, horizontalalignment=side,
            verticalalignment="top", color=style.FOREGROUND, transform=shares,
            fontproperties=_font_of(LARGE, bold=True), linespacing=TITLE_SPACING,
        )  # fmt: skip
        self.title.update({**(fontdict or {}), **kwargs})
        self._autotitlepos = False  # matplotlib otherwise moves titles down to the axes when it draws
        return self.title


class Sheet:
    """A figure under construction. Positions are pixels from the top left corner."""

    def __init__(self, name: str, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = ChartFigure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=style.BACKGROUND)
        self.figure.chart_name = name
        self.title: tuple[float, float, Sequence[str]] | None = None  # its place and lines, for the first axes

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        bottom = self.height - top - height
        place = (left / self.width, bottom / self.height, width / self.width, height / self.height)
        axes = ChartAxes(self.figure, place, facecolor="none")
        self.figure.add_axes(axes)
        axes.set_axisbelow(True)
        if self.title:
            x, y, lines = self.title
            axes.place = (x / self.width, 1 - y / self.height, self.figure.transSubfigure)
            axes.set_title(_plain("\n".join(lines)))
            self.title = None
        return axes

    def text(
        self, x: float, y: float, text: str, *, size: float = NORMAL, soft: bool = False, bold: bool = False,
        align: Literal["left", "center", "right"] = "left",
    ) -> Text:  # fmt: skip
        """One line of text; `y` is its vertical middle. The whole text is kept where it is shortened (see `label`)."""
        drawn = Text(
            x / self.width, 1 - y / self.height, text, color=style.MUTED if soft else style.FOREGROUND,
            fontproperties=_font_of(size, bold), horizontalalignment=align, verticalalignment="center_baseline",
            parse_math=False, transform=self.figure.transSubfigure,
        )  # fmt: skip
        drawn.set_figure(self.figure)  # `figure.text` makes a new font for each text
        self.figure.texts.append(drawn)
        drawn._remove_method = self.figure.texts.remove  # type: ignore[attr-defined]
        return drawn

    def label(self, x: float, y: float, text: str, width: float, **options: Any) -> Text:
        """A line that is shortened to a width, and keeps the whole text for the page to show."""
        shown = fit(words.clean(text), width, options.get("size", NORMAL), bold=options.get("bold", False))
        return self.name(x, y, text, shown, **options)

    def name(self, x: float, y: float, text: str, shown: str, **options: Any) -> Text:
        """A line that is shortened already (see `fit_all`), and keeps the whole text for the page to show."""
        drawn = self.text(x, y, "", **options)
        _set_shown(drawn, text, shown)
        return drawn

    def axis_title(
        self, axis: Axis, x: float, y: float, text: str, width: float, align: Literal["left", "center"]
    ) -> None:
        """A soft, small label that is the title of an axis to matplotlib, too, so that a person can change it."""
        axis.label.set(
            color=style.MUTED, fontproperties=_font_of(SMALL, bold=False), rotation=0.0,
            horizontalalignment=align, verticalalignment="center_baseline",
        )  # fmt: skip
        axis.set_label_coords(x / self.width, 1 - y / self.height, transform=self.figure.transSubfigure)
        _set_shown(axis.label, text, fit(words.clean(text), width, SMALL))
        axis.label.set_text(_plain(axis.label.get_text()))


WHOLE = "whole:"  # marks a group's id that holds the whole text of a shortened label


def _plain(text: str) -> str:
    """The text where matplotlib looks for formulas, which a person may then set there."""
    return text.replace("$", r"\$")


def _set_shown(drawn: Text, text: str, shown: str) -> None:
    whole = words.clean(text)
    drawn.set_text(shown)
    if shown != whole:
        drawn.set_gid(f"{WHOLE}{whole}")


def fit(text: str, width: float, size: float = NORMAL, *, bold: bool = False) -> str:
    return words.shorten(text, lambda part: text_width(part, size, bold=bold) <= width)


def fit_all(texts: Sequence[str], width: float, size: float = NORMAL, *, bold: bool = False) -> list[str]:
    """The names of a chart, shortened together so that different ones stay different."""
    cleaned = [words.clean(text) for text in texts]
    return names.shorten_all(cleaned, lambda part: text_width(part, size, bold=bold) <= width)


def text_width(text: str, size: float = NORMAL, *, bold: bool = False) -> float:
    """The width of a line in pixels."""
    return sum(_advance(letter, bold) for letter in text) * size


@lru_cache(maxsize=4096)
def _advance(letter: str, bold: bool) -> float:
    """The width of a letter at size 1; a letter that the font lacks is as wide as it is high."""
    font = _font(bold)
    if not font.get_char_index(ord(letter)):
        return 1.0
    return font.load_char(ord(letter), flags=ft2font.LoadFlags.NO_HINTING).linearHoriAdvance / 65536 / FONT_SIZE


@lru_cache(maxsize=16)
def _font_of(size: float, bold: bool) -> FontProperties:
    """A font, made once for all texts: making it takes as long as drawing with it."""
    return FontProperties(family=FONT_FAMILY, size=size * POINTS_PER_PIXEL, weight="bold" if bold else "normal")


@lru_cache(maxsize=2)
def _font(bold: bool) -> ft2font.FT2Font:
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    font = ft2font.FT2Font(str(folder / FONT_FILES["bold" if bold else "normal"]))  # not matplotlib's, which it resizes
    font.set_size(FONT_SIZE, 72)
    return font
