"""Learning curves in plain words, for terminals and pages."""

from __future__ import annotations

from math import isfinite

from daf.statistics.learning_records import LearningCurves, LearningPair, LearningRecipe, reached_words
from daf.statistics.sentences import number, p_value, span
from daf.system.nouns import number_of


def recipe_sentence(recipe: LearningRecipe) -> str:
    """What one recipe's curves show."""
    parts = []
    if isfinite(recipe.area):
        bounds = f"{span(recipe.area_low, recipe.area_high)}, " if isfinite(recipe.area_low) else ""
        between = f"{recipe.from_steps:,} and {recipe.to_steps:,} agent-steps"
        seeds = number_of(recipe.n_train_seeds, "training seed")
        parts.append(f"mean reward {number(recipe.area)} between {between} ({bounds}{seeds})")
    if recipe.n_reached is not None:
        needed = f"{recipe.steps:,.0f} agent-steps up to {recipe.to_steps:,}"
        bounds = f" ({span(recipe.steps_low, recipe.steps_high)})" if isfinite(recipe.steps_low) else ""
        reached = reached_words(recipe).removesuffix("it") + number(recipe.score)
        parts.append(f"{reached}; restricted mean {needed}{bounds}")
    return f"{recipe.policy}: {', '.join(parts) or recipe.area_method}"


def pair_sentence(pair: LearningPair, score: float) -> str:
    """How two recipes differ in one quantity."""
    what = "mean reward while learning" if pair.quantity == "area" else f"agent-steps to {number(score)}"
    tested = isfinite(pair.p_holm)
    bounds = f"{span(pair.interval_low, pair.interval_high)}; " if isfinite(pair.interval_low) else ""
    numbers = f" ({bounds}p = {p_value(pair.p_holm)})" if tested else ""
    more = "more" if pair.difference > 0 else "less" if pair.quantity == "area" else "fewer"
    gap = "no difference" if pair.difference == 0 else f"{number(abs(pair.difference))} {more}"
    why = pair.reason if tested else pair.reason or pair.verdict
    sign = f"{pair.verdict}, " if tested else ""
    return f"{pair.policy_a} against {pair.policy_b}, {what}: {sign}{gap}{numbers}{f': {why}' if why else ''}"


def lines(curves: LearningCurves) -> list[str]:
    """All sentences of a comparison's learning curves."""
    score = next((recipe.score for recipe in curves.recipes), float("nan"))
    return [*map(recipe_sentence, curves.recipes), *(pair_sentence(pair, score) for pair in curves.pairs)]
