"""The stored calibration: rows of simulated data with their false verdicts, and which row resembles a pair's data.

`benchmarks/calibration.py` measures the rows and stores them in calibration.json; `docs/calibration.md` shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt
from pathlib import Path
from typing import Annotated

from daf.config import Primary
from daf.statistics.records import Estimand, PairRecord
from daf.system.json_files import read_json
from daf.system.validated import validated

PATH = Path(__file__).with_name("calibration.json")
NOMINAL = 0.05
MOST_FALSE = 0.06
COVERED = (0.93, 0.97)
WIDE = "Intervals are wider than they need be, which errs on the safe side:"


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a scenario gave; shares of data sets, None where there were none."""

    name: str
    estimand: Estimand
    kind: Annotated[str, "what the data resemble"]
    seeds: Annotated[int, "training seeds of the side that has fewer; 0: none"]
    episodes: Annotated[int, "episodes per mission"]
    missions: int
    runs: Annotated[int, "data sets"]
    false: Annotated[float, "verdicts of a difference where there is none"]
    coverage: float | None
    false_equivalence: float
    power: float
    textbook: Annotated[str, "the most powerful textbook test that holds"]
    textbook_power: float | None
    cautioned: Annotated[float, "data sets with a caution"]
    false_cautioned: Annotated[float | None, "false verdicts with a caution"]
    reason: Annotated[str, "why no method holds"]
    says: Annotated[str, "what the user then reads"]
    why_wide: Annotated[str, "why intervals cover more often than they need"] = ""
    looks: Annotated[int, "interim analyses; 0: all episodes at once"] = 0
    separate: Annotated[bool, "whether every mission has its own training runs"] = False
    primary: Annotated[Primary, "the quantity that decides"] = "mean"

    @property
    def often_false(self) -> bool:
        return self.false > _bound(MOST_FALSE, self.runs)

    @property
    def often_falsely_equivalent(self) -> bool:
        return self.false_equivalence > _bound(MOST_FALSE, self.runs // 2)

    @property
    def narrow(self) -> bool:
        """Whether intervals cover too rarely."""
        return self.coverage is not None and 1 - self.coverage > _bound(1 - COVERED[0], self.runs)

    @property
    def wide(self) -> bool:
        """Whether intervals cover more often than they need."""
        return self.coverage is not None and self.coverage > max(COVERED[1], 1 - NOMINAL + _noise(self.runs))

    @property
    def misleading(self) -> bool:
        """Whether verdicts are false, or intervals too narrow, more often than promised."""
        return self.often_false or self.often_falsely_equivalent or self.narrow


def _bound(promised: float, n: int) -> float:
    """What a share among n data sets must exceed to break a promise: more than it, and than chance makes of 5 %."""
    return max(promised, NOMINAL + _noise(n))


def _noise(n: int) -> float:
    """Two Monte-Carlo standard errors."""
    return 2 * sqrt(NOMINAL * (1 - NOMINAL) / n)


def read_rows() -> list[Row]:
    """The stored rows, in the order of the scenarios."""
    return validated(list[Row], read_json(PATH), str(PATH)) if PATH.is_file() else []


# ---- which row resembles a pair's data ----------------------------------------------------------------------

KINDS = {
    "may miss an event": "rare event",
    "of one side are skewed": "skewed",
    "the paired differences are skewed": "skewed",
    "fall into two groups": "two groups",
    "times as much as the other's": "unequal spread",
    "move in opposite directions": "opposite seeds",
}
"""What a caution says about the data, by a part of its text."""


def resembling(record: PairRecord, episodes: int, *, looks: bool = False, separate: bool = False) -> Row:
    """The row for data like a pair's: the same question, what its caution says, and the nearest numbers.

    The question comes first, then the quantity that decides and whether episodes were added. Of these rows, those of
    the kind that the caution names (without one: plain data, or a fixed rival) remain, and over several missions those
    whose training runs are as separate; of these, the one whose numbers of training seeds, episodes per mission and
    missions have the least sum of absolute logarithms of ratios.

    Args:
        episodes: per mission.
        looks: whether episodes were added until there was a verdict.
        separate: whether every mission has its own training runs; the pair then counts those of all missions.
    """
    candidates = [row for row in read_rows() if row.estimand == record.estimand]
    candidates = [row for row in candidates if row.primary == record.primary] or candidates
    candidates = [row for row in candidates if bool(row.looks) == looks] or candidates
    kind = next((kind for text, kind in KINDS.items() if text in record.caution), "")
    if not kind:
        kind = "fixed rival" if record.estimand == "recipes" and None in (record.n_a, record.n_b) else "plain"
    alike = [row for row in candidates if row.kind == kind] or candidates
    if record.estimand == "recipes" and record.n_missions > 1:
        alike = [row for row in alike if row.separate == separate] or alike
    seeds: float = min((count for count in (record.n_a, record.n_b) if count is not None), default=0)
    if separate:
        seeds /= max(1, record.n_missions)
    own = (seeds if record.estimand == "recipes" else 0, episodes, record.n_missions)

    def distance(row: Row) -> float:
        return sum(
            abs(log(max(1, one) / max(1, other)))
            for one, other in zip(own, (row.seeds, row.episodes, row.missions), strict=True)
        )

    return min(alike, key=distance)


def sentence(row: Row) -> str:
    """What calibration found for data like a row's."""
    covered = "" if row.coverage is None else f", and 95 % intervals covered the truth in {100 * row.coverage:.1f} %"
    text = (
        f"Data like these: row “{row.name}” of the calibration table: {100 * row.false:.1f} % false verdicts at "
        f"p ≤ 0.05{covered} ({row.runs:,} simulated data sets)."
    )
    return f"{text} {WIDE} {row.why_wide}." if row.wide else text
