"""Whether more or less is better."""

from __future__ import annotations

from typing import Literal

Direction = Literal["maximize", "minimize"]
"""Whether higher or lower figures are better."""


def direction_sign(direction: Direction) -> int:
    """+1 if more is better, else -1: multiplied by this, more is always better."""
    return 1 if direction == "maximize" else -1
