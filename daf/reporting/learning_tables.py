"""The tables of learning curves on a comparison's page."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

from daf.statistics.learning_records import LEARNING_FILES, LearningPair, reached_words
from daf.statistics.learning_sentences import pair_sentence
from daf.statistics.results import ComparisonResults
from daf.system.columns import to_rows

Row = dict[str, Any]


def tables(results: ComparisonResults) -> Row | None:
    """Recipes, their pairs, and what they have in common; None if no policy has a learning curve."""
    curves = results.learning_curves
    if curves is None or not curves.recipes:
        return None
    scores = [recipe.score for recipe in curves.recipes if isfinite(recipe.score)]
    score = scores[0] if scores else float("nan")
    recipes = [
        row | {"reached": reached_words(recipe).removesuffix(" reached it") if scores else ""}
        for recipe, row in zip(curves.recipes, to_rows(curves.recipes), strict=True)
    ]
    pairs = [
        row | {"what": _what(pair), "sentence": pair_sentence(pair, score)}
        for pair, row in zip(curves.pairs, to_rows(curves.pairs), strict=True)
    ]
    return {
        "recipes": recipes,
        "pairs": pairs,
        "score": score if scores else None,
        "several": len({recipe.mission for recipe in curves.recipes}) > 1,
        "notes": curves.notes,
    }


def _what(pair: LearningPair) -> str:
    return "mean on the way" if pair.quantity == "area" else "steps to the score"


def with_files(files: Sequence[str], results: ComparisonResults) -> Sequence[str]:
    """The files that a page links to, with those of learning curves if there are any."""
    known = results.learning_curves is not None and bool(results.learning_curves.recipes)
    return (*files, *(LEARNING_FILES if known and files else ()))
