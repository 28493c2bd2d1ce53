"""The significance level that goes with a confidence level."""

from __future__ import annotations

from decimal import Decimal


def alpha_of(confidence_level: float) -> float:
    """The chance of a false verdict at a confidence level as it is written: 0.1 for 0.9.

    In binary, 1 - 0.9 is below 0.1, the smallest p of three training seeds against three, which would then never count.
    """
    return float(1 - Decimal(repr(float(confidence_level))))
