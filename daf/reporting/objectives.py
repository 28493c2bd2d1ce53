"""What the objective of a sweep is called on pages, and how its values are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from daf.charts.model import Axis
from daf.statistics.sentences import MINUS, UNKNOWN, number

WORDS: Mapping[str, str] = {  # of `daf.episodes.objective.OWN_METRICS`; other metrics keep their names
    "mean_reward": "mean reward per agent", "success_rate": "success rate", "length": "steps per episode",
}  # fmt: skip


@dataclass(frozen=True)
class Objective:
    """The objective of a sweep."""

    metric: str

    @property
    def words(self) -> str:
        return WORDS.get(self.metric, self.metric)

    @property
    def title(self) -> str:
        """Its words at the beginning of a line."""
        return WORDS[self.metric].capitalize() if self.metric in WORDS else self.metric

    @property
    def is_share(self) -> bool:
        return self.metric == "success_rate"

    def axis(self, more: str = "") -> Axis:
        return Axis(title=self.words + more, is_share=self.is_share)

    def text(self, value: float | None) -> str:
        """A value: of a share in percent, with three digits, because trials may differ by little."""
        if value is None or not isfinite(value) or not self.is_share:
            return number(value)
        return f"{100 * value:.3g} %".replace("-", MINUS)

    def difference(self, value: float | None) -> str:
        """By how much two values differ."""
        if value is None or not isfinite(value):
            return UNKNOWN
        return f"{number(100 * value)} percentage points" if self.is_share else number(value)
