"""Pairs whose rows are about the same missions, compared together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from daf.statistics.pair_table import Rows
from daf.statistics.records import OVERALL, Estimand


@dataclass(frozen=True, kw_only=True, eq=False)
class PairGroup:
    """Pairs of one estimand on the same missions.

    Attributes:
        mission: of their rows: a mission, or "overall".
        missions: those that the rows cover.
        rows: of the table, one per pair.
        max_resamples: draws of a test if its first draws rarely reach the observed difference.
    """

    estimand: Estimand
    mission: str
    missions: list[str]
    pairs: Sequence[tuple[str, str]]
    rows: Rows
    max_resamples: int = 0

    @property
    def family(self) -> tuple[Estimand, bool]:
        """The tests that are adjusted together."""
        return self.estimand, self.mission == OVERALL

    @property
    def policies(self) -> list[str]:
        """Those of its pairs, in the order in which they appear."""
        return list(dict.fromkeys(name for pair in self.pairs for name in pair))

    def subset(self, chosen: NDArray[np.bool_]) -> PairGroup:
        """Some of the pairs."""
        if chosen.all():
            return self
        pairs = [pair for pair, is_chosen in zip(self.pairs, chosen.tolist(), strict=True) if is_chosen]
        return replace(self, pairs=pairs, rows=self.rows[chosen])
