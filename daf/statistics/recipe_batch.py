"""Pairs of recipes with one score per training run, all at once.

The formulas are those of `recipe_pairs`, which compares all other pairs, on arrays over pairs. Tables of published
scores have hundreds of thousands of such rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, nan

import numpy as np
from numpy.typing import NDArray
from scipy import special

from daf.config import DAFComparisonConfig
from daf.statistics import effects, hypothesis_tests
from daf.statistics.cautions import join_cautions, may_need_seed_cautions, seed_cautions
from daf.statistics.crossed import RecipeVariance, RunTable, StandardError
from daf.statistics.intervals import Array, resolution_of
from daf.statistics.labellings import exact_permutation_ps
from daf.statistics.levels import alpha_of
from daf.statistics.pair_group import PairGroup
from daf.statistics.pair_table import PairTable, Rows
from daf.statistics.planning import Spread
from daf.statistics.recipe_pairs import FEW_SEEDS, UNCONFIRMED, spread_of_runs, unconfirmed_caution
from daf.statistics.recipe_resamples import Improvements
from daf.statistics.streams import stream
from daf.statistics.units import Units

WELCH = "Welch t-test on seed means"


@dataclass(frozen=True, kw_only=True)
class _Recipes:
    """What is known of each policy, in the same order."""

    tables: list[RunTable]
    scores: list[Sequence[Array]]

    @classmethod
    def of(cls, units: Units, policies: Sequence[str], missions: list[str]) -> tuple[dict[str, int], _Recipes]:
        """The policies that arrays suffice for, each with its place, and their recipes."""
        places: dict[str, int] = {}
        tables: list[RunTable] = []
        for policy in policies:
            table = units.run_table(policy, missions)
            if table is not None and _is_simple(table):
                places[policy] = len(tables)
                tables.append(table)
        return places, cls(tables=tables, scores=[units.run_scores(policy, missions) for policy in places])


def _is_simple(table: RunTable) -> bool:
    """Whether a table has one sample of several training runs, each with one score per mission."""
    single = all(len(seeds) == 1 for seeds in table.environments)
    return table.trained and single and len(table.samples) == 1 and table.fewest > 1


def compare_recipes(
    units: Units, config: DAFComparisonConfig, group: PairGroup, table: PairTable, improvements: Improvements
) -> tuple[NDArray[np.bool_], dict[int, Spread]]:
    """Fill the rows of pairs that arrays suffice for: which of the group's they are, and how they spread.

    Spreads serve planning only, so there are none without a margin.
    """
    done = np.zeros(len(group.pairs), np.bool_)
    if config.primary != "mean" or config.recipe_test == "permutation":
        return done, {}
    places, recipes = _Recipes.of(units, group.policies, group.missions)
    sides = np.array([[places.get(a, -1), places.get(b, -1)] for a, b in group.pairs], dtype=np.intp)
    terms = np.array([one.seed_terms[0][0] for one in recipes.tables])
    done[:] = (sides >= 0).all(axis=1)
    done[done] = terms[sides[done]].sum(axis=1) > 0  # else a reason takes the place of the test
    if not done.any():
        return done, {}
    x, y = sides[done].T
    batch = _Batch(units, config, group.subset(done), recipes, (x, y))
    table.set(batch.group.rows, **batch.columns(), **batch.improvement(improvements))
    return done, batch.spreads() if config.equivalence_margin else {}


class _Batch:
    """Pairs of recipes (x, y), by their places."""

    def __init__(
        self, units: Units, config: DAFComparisonConfig, group: PairGroup, recipes: _Recipes, sides: tuple[Rows, Rows]
    ) -> None:
        self._units, self._config, self.group, self._recipes = units, config, group, recipes
        self._x, self._y = sides
        tables = recipes.tables
        means, resolutions = (np.array([getattr(one, name) for one in tables]) for name in ("mean", "resolution"))
        terms, dfs = np.array([one.seed_terms[0] for one in tables]).T
        x, y = sides
        gap = means[x] - means[y]
        self.mean_a, self.mean_b = means[x], means[y]
        self.difference = np.where(np.abs(gap) <= np.maximum(resolutions[x], resolutions[y]), 0.0, gap)
        total = terms[x] + terms[y]
        shares = terms[x] / total, terms[y] / total
        self.error = np.sqrt(total)
        self.df = 1 / (shares[0] * shares[0] / dfs[x] + shares[1] * shares[1] / dfs[y])
        squares = np.array([one.sd**2 for one in tables])
        self.sd = np.sqrt((squares[x] + squares[y]) / 2)
        self.sizes = np.array([one.fewest for one in tables])

    def columns(self) -> dict[str, object]:
        """Everything but what resamples say."""
        level, group = self._config.confidence_level, self.group
        t, tiny = self.difference / self.error, float(np.finfo(float).tiny)
        p = np.maximum(2 * special.stdtr(self.df, -np.abs(t)), tiny)
        half = special.stdtrit(self.df, 0.5 + level / 2) * self.error
        effect, low, high = effects.standardized_of(self.difference, self.error, self.df, self.sd, level)
        cautions = self._cautions()
        permuted = self._overruled(p)
        names: list[str] | str = WELCH
        if permuted:
            names = [WELCH] * len(p)
            for index, other in permuted.items():
                names[index] = f"{WELCH}{UNCONFIRMED}"
                cautions[index] = join_cautions([cautions[index], unconfirmed_caution(float(p[index]), other)])
                p[index] = max(float(p[index]), other)
        return {
            "estimand": group.estimand, "mission": group.mission, "n_missions": len(group.missions),
            "policy_a": [a for a, _ in group.pairs], "policy_b": [b for _, b in group.pairs], "paired": False,
            "n_a": self.sizes[self._x], "n_b": self.sizes[self._y], "effect_name": "d",
            "claim": self._config.recipe_claim, "test": names, "mean_a": self.mean_a, "mean_b": self.mean_b,
            "difference": self.difference, "interval_low": self.difference - half,
            "interval_high": self.difference + half, "interval_method": "Welch", "effect": effect, "effect_low": low,
            "effect_high": high, "t": t, "df": self.df, "p": p, "p_equivalence": self._equivalence(tiny),
            "caution": cautions,
        }  # fmt: skip

    def _cautions(self) -> list[str]:
        tables, cautions = self._recipes.tables, [""] * len(self._x)
        for index in np.flatnonzero(may_need_seed_cautions(tables, self._x, self._y)).tolist():
            cautions[index] = join_cautions(seed_cautions(tables[self._x[index]], tables[self._y[index]]))
        return cautions

    def _equivalence(self, tiny: float) -> Array | float:
        margin = (self._config.equivalence_margin or 0.0) / self._units.unit
        if not margin:
            return nan
        above = special.stdtr(self.df, -(self.difference + margin) / self.error)
        below = special.stdtr(self.df, (self.difference - margin) / self.error)
        return np.asarray(np.maximum(np.maximum(above, below), tiny))

    def _overruled(self, welch_p: Array) -> dict[int, float]:
        """By index the p of permutation tests that do not confirm Welch's."""
        alpha = alpha_of(self._config.confidence_level)
        sizes = np.array([self.sizes[self._x], self.sizes[self._y]]).T
        asked = (sizes.min(axis=1) <= FEW_SEEDS) & (welch_p <= alpha)
        found: dict[int, float] = {}
        samples = [one.samples[0] for one in self._recipes.tables]
        for size_x, size_y in {tuple(pair) for pair in sizes[asked].tolist()}:
            members = np.flatnonzero(asked & (sizes == (size_x, size_y)).all(axis=1))
            if comb(size_x + size_y, size_x) <= hypothesis_tests.EXACT_LIMIT:
                sides = (np.array([samples[place] for place in side[members]]) for side in (self._x, self._y))
                p, least = exact_permutation_ps(*sides)
                if least <= alpha:
                    found |= {int(index): float(one) for index, one in zip(members, p, strict=True) if one > alpha}
                continue
            for index in members.tolist():
                found |= self._overruled_by_draws(index, samples, alpha)
        return found

    def _overruled_by_draws(self, index: int, samples: list[Array], alpha: float) -> dict[int, float]:
        result = hypothesis_tests.permutation_test(
            samples[self._x[index]], samples[self._y[index]], num_resamples=self._config.num_resamples,
            max_resamples=self.group.max_resamples,
            rng=stream(self._config, "recipes", *self.group.pairs[index], *self.group.missions),
        )  # fmt: skip
        if result.p is None or result.p <= alpha or (result.minimum_p or 0.0) > alpha:
            return {}
        return {index: result.p}

    def improvement(self, improvements: Improvements) -> dict[str, object]:
        """P(improvement) and the difference of IQMs, with their intervals."""
        missions = self.group.missions
        bounds = improvements.bounds(missions)
        places = np.array([bounds.places[pair] for pair in self.group.pairs])
        iqm = (bounds.unit / self._units.unit) * bounds.iqm[places]
        iqms = np.array([self._units.run_iqm(policy, missions) for policy in self._policies()])
        gaps = iqms[self._x] - iqms[self._y]
        resolutions = [self._units.resolution(pair, missions) for pair in self.group.pairs]
        return {
            "p_improvement": self._improvement(), "p_improvement_low": bounds.better[places, 0],
            "p_improvement_high": bounds.better[places, 1], "iqm_low": iqm[:, 0], "iqm_high": iqm[:, 1],
            "iqm_difference": np.where(np.abs(gaps) <= resolutions, 0.0, gaps),
        }  # fmt: skip

    def _policies(self) -> list[str]:
        named = dict(zip(self._x.tolist(), (a for a, _ in self.group.pairs), strict=True))
        named |= dict(zip(self._y.tolist(), (b for _, b in self.group.pairs), strict=True))
        return [named.get(place, next(iter(named.values()))) for place in range(len(self._recipes.tables))]

    def _improvement(self) -> Array:
        """`effects.probability_of_improvement` of every pair."""
        scores, found = self._recipes.scores, np.empty(len(self._x))
        sizes = np.array([parts[0].size for parts in scores])
        for size_x, size_y in {(int(sizes[x]), int(sizes[y])) for x, y in zip(self._x, self._y, strict=True)}:
            members = np.flatnonzero((sizes[self._x] == size_x) & (sizes[self._y] == size_y))
            shares = np.empty((members.size, len(scores[0])))
            for mission in range(len(scores[0])):
                shares[:, mission] = self._shares(members, mission) / (2 * size_x * size_y)
            found[members] = shares.mean(axis=1)
        return found

    def _shares(self, members: Rows, mission: int) -> NDArray[np.intp]:
        """How often x is above y, plus how often it is not below, on a mission."""
        scores = self._recipes.scores
        limits = np.array([resolution_of(parts[mission]) for parts in scores])
        found = np.empty(members.size, np.intp)
        for start in range(0, members.size, 1_024):
            part = members[start : start + 1_024]
            x, y = (np.array([scores[place][mission] for place in side[part]]) for side in (self._x, self._y))
            ties = np.maximum(limits[self._x[part]], limits[self._y[part]])[:, None]
            below, above = (x - ties)[:, :, None], (x + ties)[:, :, None]
            counts = (y[:, None, :] < below).sum(axis=(1, 2)) + (y[:, None, :] <= above).sum(axis=(1, 2))
            found[start : start + 1_024] = counts
        return found

    def spreads(self) -> dict[int, Spread]:
        """By row how the seed means vary."""
        tables, found = self._recipes.tables, {}
        columns = (self.group.rows, self._x, self._y, self.error, self.df)
        for row, x, y, error, df in zip(*(column.tolist() for column in columns), strict=True):
            variance = RecipeVariance(errors=(StandardError(error=error, df=df),))
            spread = spread_of_runs(variance, [tables[x], tables[y]])
            if spread is not None:
                found[row] = spread.in_scores(self._units.unit)
        return found
