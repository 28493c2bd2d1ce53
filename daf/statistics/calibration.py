"""The stored calibration: rows of simulated data with their false verdicts, and which row resembles a pair's data.

`benchmarks/calibration.py` measures the rows and stores them in calibration.json; `docs/calibration.md` shows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from daf.statistics.records import Estimand
from daf.system.json_files import read_json
from daf.system.validated import validated

PATH = Path(__file__).with_name("calibration.json")
MOST_FALSE = 0.06
COVERED = (0.93, 0.97)


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

    @property
    def misleading(self) -> bool:
        """Whether verdicts are false, or intervals too narrow, more often than promised."""
        narrow = self.coverage is not None and self.coverage < COVERED[0]
        return max(self.false, self.false_equivalence) > MOST_FALSE or narrow

    @property
    def exceptional(self) -> bool:
        """Whether the row is out of the promised range on either side."""
        return self.misleading or (self.coverage is not None and self.coverage > COVERED[1])


def read_rows() -> list[Row]:
    """The stored rows, in the order of the scenarios."""
    return validated(list[Row], read_json(PATH), str(PATH)) if PATH.is_file() else []
