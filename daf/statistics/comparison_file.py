"""The layout of comparison.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from daf.statistics.records import Estimand
from daf.system.files import with_digest, write_text
from daf.system.shares import in_shares

COMPARISON = "daf-comparison/"
FORMAT = f"{COMPARISON}6"
FEW_ROWS = 5_000  # of pairs and episodes, up to which copies of the process cost more time than they save


class Answer(TypedDict):
    """What one estimand asks, and whether the data answer it."""

    answered: bool
    why: str | None
    advice: NotRequired[str]


class Computation(TypedDict):
    """What readers rely on of how a comparison was computed."""

    normalization: dict[str, tuple[float, float]] | str


class Origin(TypedDict):
    """What readers rely on of a comparison's provenance."""

    computation: Computation


class _LearningCurves(TypedDict):
    """The tables of learning curves."""

    recipes: list[dict[str, Any]]
    runs: list[dict[str, Any]]
    pairs: list[dict[str, Any]]
    notes: list[str]


class ComparisonFile(TypedDict):
    """comparison.json, its tables as rows that `from_rows` checks."""

    format: str
    config: dict[str, Any]
    estimand: dict[Estimand, Answer]
    friedman: dict[str, Any] | None
    sequential: dict[str, Any] | None
    notes: list[str]
    provenance: Origin
    summary_statistics: list[dict[str, Any]]
    pairwise: list[dict[str, Any]]
    pairwise_file: NotRequired[dict[str, Any]]
    ranks: list[dict[str, Any]]
    aggregates: list[dict[str, Any]]
    profiles: list[dict[str, Any]]
    episodes: dict[str, list[Any]]
    learning_curves: NotRequired[_LearningCurves | None]


def write_texts(folder: Path, texts: Mapping[str, Callable[[], str]], *, small: bool) -> None:
    """Write files in this order.

    Args:
        texts: by name what makes the content of a file.
        small: whether the files are.
    """
    made = in_shares(
        lambda name, advance: texts[name](), list(texts), cost=lambda name: name.endswith(".json"), small=small
    )
    with closing(made):
        for name, text in zip(texts, made, strict=True):
            write_text(folder / name, text)


def text_of(content: Mapping[str, Any]) -> str:
    """comparison.json: one record per line is readable, and a tenth of the lines of a fully indented file."""
    parts = [f"{json.dumps(key)}: {_lines_of(value)}" for key, value in with_digest(content).items()]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _lines_of(value: Any) -> str:
    """The JSON of a value, a list with one line for each of its items."""

    def compact(item: Any) -> str:
        return json.dumps(item, sort_keys=True, allow_nan=False, ensure_ascii=False)

    if isinstance(value, list) and value:
        return "[\n  " + ",\n  ".join(map(compact, value)) + "\n]"
    return compact(value)
