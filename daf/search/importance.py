"""Which parameters decide whether a trial ranks among the best, with intervals.

PED-ANOVA (Watanabe et al. 2023, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary Subspaces"):
the Pearson divergence between the distributions of a parameter's values in the best trials and in all of them, each
estimated by kernels on a grid. The numbers equal Optuna's. Counts on the grid are all that the estimate needs, so that
hundreds of bootstrap resamples cost less than one call of Optuna's evaluator.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daf.config import Direction, direction_sign
from daf.search.results import TrialResult, objective_of
from daf.search.space import LARGEST_GRID, Dimension, Value

if TYPE_CHECKING:
    import numpy as np

TOP_QUANTILE = 0.25  # with tens of trials, Optuna's default of a tenth would be only two or three
GRID = 50  # cells of a range
SMALLEST_BANDWIDTH = 0.5 / 1.64  # 90 % of a kernel lie in its cell
NO_DENSITY = 1e-12
RESAMPLES = 200
LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Importance:
    """By parameter, the most important first.

    Attributes:
        shares: of 1.
        intervals: 95 % percentile bootstrap intervals of the shares, over trials.
    """

    shares: dict[str, float]
    intervals: dict[str, tuple[float, float]]


def importance_of(
    dimensions: Sequence[Dimension],
    trials: Sequence[TrialResult],
    optimize_direction: Direction,
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Importance:
    """The importance of parameters with more than one value, from completed trials.

    Args:
        seed: of the resamples.
    """
    import numpy as np

    sign = direction_sign(optimize_direction)
    losses = np.array([-sign * objective_of(trial) for trial in trials])
    grids = [_Grid.of(dimension) for dimension in dimensions]
    cells = np.array(
        [
            [grid.cell(_value(dimension, trial)) for trial in trials]
            for grid, dimension in zip(grids, dimensions, strict=True)
        ]
    )  # [parameters, trials]
    shares = _shares(grids, cells, losses)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(trials), size=(resamples, len(trials)))
    resampled = np.array([_shares(grids, cells[:, chosen], losses[chosen]) for chosen in drawn])
    tail = (1 - LEVEL) / 2
    bounds = np.quantile(resampled, [tail, 1 - tail], axis=0)  # [2, parameters]
    order = sorted(range(len(dimensions)), key=lambda place: -shares[place])
    return Importance(
        shares={dimensions[place].name: float(shares[place]) for place in order},
        intervals={dimensions[place].name: (float(bounds[0, place]), float(bounds[1, place])) for place in order},
    )


def _value(dimension: Dimension, trial: TrialResult) -> Value:
    """The middle for a parameter that does not apply, as in `daf.search.bayesian.encoded`."""
    values = trial.hyperparameters
    return values[dimension.name] if dimension.name in values else dimension.from_unit(0.5)


def _shares(grids: Sequence[_Grid], cells: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """The divergence of every parameter, as shares of their sum, shape (parameters,).

    Args:
        cells: shape (parameters, trials).
        losses: shape (trials,), less is better.
    """
    import numpy as np

    cutoff = np.partition(losses, last := math.ceil(TOP_QUANTILE * losses.size) - 1)[last]
    top = losses <= cutoff
    divergences = np.array(
        [
            grid.divergence(np.bincount(row[top], minlength=grid.size), np.bincount(row, minlength=grid.size))
            for grid, row in zip(grids, cells, strict=True)
        ]
    )
    total = divergences.sum()
    return divergences / total if total > 0 else np.full(len(grids), 1 / len(grids))


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """The cells of a dimension: its listed values, or points of its range.

    Attributes:
        low, high: the first and the last cell, on the scale of the search.
        dimension: None for a range; otherwise its values are listed.
        ordered: whether neighbouring cells are similar.
    """

    size: int
    low: float
    high: float
    log: bool
    dimension: Dimension | None
    ordered: bool

    @classmethod
    def of(cls, dimension: Dimension) -> _Grid:
        if dimension.values:
            last = len(dimension.values) - 1
            size = min(last + 1, GRID) if dimension.ordered else last + 1
            return cls(size=size, low=0, high=last, log=False, dimension=dimension, ordered=dimension.ordered)
        low, high, size = dimension.low, dimension.high, GRID
        if dimension.integer:
            extent = int(high) - int(low)
            if extent >= LARGEST_GRID:  # searched as real numbers
                low, high = low - 0.5, high + 0.5
            else:
                size = min(math.ceil(math.log2(extent + 1)) + 1 if dimension.log else extent + 1, GRID)
        low, high = (math.log(low), math.log(high)) if dimension.log else (low, high)
        return cls(size=size, low=low, high=high, log=dimension.log, dimension=None, ordered=True)

    def cell(self, value: Value) -> int:
        place = float(value) if self.dimension is None else self.dimension.index(value)  # type: ignore[arg-type]
        if not self.ordered:
            return int(place)
        place = math.log(place) if self.log else place
        step = (self.high - self.low) / (self.size - 1)
        return min(max(math.ceil((place - self.low) / step - 0.5), 0), self.size - 1)

    def divergence(self, top: np.ndarray, everything: np.ndarray) -> float:
        """Pearson divergence of the best trials' distribution from that of all trials.

        Args:
            top, everything: number of trials per cell, shape (size,).
        """
        density = self._density(everything) + NO_DENSITY
        return float(density @ ((self._density(top) + NO_DENSITY) / density - 1) ** 2)

    def _density(self, counts: np.ndarray) -> np.ndarray:
        """A mixture of one kernel per occupied cell, by its count, and a wide one that counts as one trial."""
        import numpy as np

        seen = np.flatnonzero(counts)
        weights = counts[seen]
        kernels = self._kernels(seen, weights) if self.ordered else self._categories(seen)
        mixture: np.ndarray = np.append(weights, 1.0) @ kernels / (weights.sum() + 1.0)
        return mixture

    def _kernels(self, seen: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Normal distributions, truncated to the grid, with Scott's bandwidth (1992); shape (occupied + 1, size)."""
        import numpy as np
        from scipy.special import ndtr

        total = weights.sum()
        mean = seen @ weights / total
        deviation = math.sqrt((seen - mean) ** 2 @ weights / max(1, total - 1))
        below = np.cumsum(weights)
        first = seen[np.searchsorted(below, total // 4, side="left")]
        third = seen[min(seen.size - 1, int(np.searchsorted(below, total * 3 // 4, side="right")))]
        scott = 1.059 * min((third - first) / 1.34, deviation) * total**-0.2
        centres = np.append(seen, (self.size - 1) / 2)[:, None]
        widths = np.append(np.full(seen.size, max(scott, SMALLEST_BANDWIDTH)), self.size)[:, None]
        below_edges = ndtr((np.arange(self.size + 1) - 0.5 - centres) / widths)  # [occupied + 1, size + 1]
        inside: np.ndarray = np.diff(below_edges) / (below_edges[:, -1:] - below_edges[:, :1])
        return inside

    def _categories(self, seen: np.ndarray) -> np.ndarray:
        """Kernels of values without an order; shape (occupied + 1, size)."""
        import numpy as np

        kernels = np.full((seen.size + 1, self.size), 1 / (seen.size + 1))
        kernels[np.arange(seen.size), seen] += 1
        smoothed: np.ndarray = kernels / kernels.sum(axis=1, keepdims=True)
        return smoothed
