"""Nouns agree with their number."""

from __future__ import annotations

import pytest

from daf.system.nouns import number_of


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (1, "episode", "1 episode"),
        (0, "episode", "0 episodes"),
        (2_000, "training seed", "2,000 training seeds"),
        (2, "policy", "2 policies"),
        (1, "policy", "1 policy"),
        (3, "day", "3 days"),
        (4, "training process", "4 training processes"),
        (5, "batch", "5 batches"),
    ],
)
def test_a_noun_agrees_with_its_number(count: int, noun: str, text: str) -> None:
    assert number_of(count, noun) == text
    assert number_of(count, noun, digits=False) == text.split(" ", 1)[1]
