"""Comparisons that add episodes until there is a verdict: the interim analyses, their levels, and when to stop.

The chance of a false verdict is spent over the interim analyses: with K of them after equal shares t of the cap,
analysis k may spend alpha (t_k^2 - t_{k-1}^2), the power family of spending functions with exponent 2 (Kim and DeMets
1987). Each is a complete comparison at its own level, including intervals, Holm's correction and equivalence. The
shares add up to alpha, so the chance of any false difference at any analysis is at most alpha, and so is the chance of
any false equivalence (Boole's inequality), whatever the tests and their dependence. For both together it is at most 2
alpha, since Holm's correction treats them as separate families, as it does overall pairs and pairs on single missions.
Boundaries that use the correlation of the analyses would be somewhat less strict.

Interim analyses concern checkpoints: more episodes are informative about these weights, but only more training seeds
are informative about a recipe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, Any

from daf.config import DAFComparisonConfig
from daf.statistics.levels import alpha_of

if TYPE_CHECKING:
    import pandas as pd

    from daf.statistics.records import PairRecord
    from daf.statistics.results import ComparisonResults

EXPONENT = 2
SETTLED = ("better", "worse", "equivalent")


def interim_sizes(config: DAFComparisonConfig) -> list[int]:
    """Episodes per policy and mission at each interim analysis; a single one at the end unless they are `auto`."""
    if config.episodes_per_mission != "auto":
        return [config.episodes_per_mission]
    return equal_batches(config.max_episodes_per_mission, config.num_interim_analyses)


def equal_batches(cap: int, count: int) -> list[int]:
    """Episodes at each of `count` interim analyses, up to the cap."""
    return sorted({ceil(cap * (analysis + 1) / count) for analysis in range(count)})


def interim_levels(config: DAFComparisonConfig) -> list[float]:
    """Confidence level of each interim analysis; their alphas add up to that of the comparison."""
    return spent_levels(interim_sizes(config), config.confidence_level)


def spent_levels(sizes: Sequence[int], confidence_level: float) -> list[float]:
    """Confidence levels of analyses after these numbers of episodes; their alphas add up to that of the whole."""
    alpha = alpha_of(confidence_level)
    spent = [alpha * (size / sizes[-1]) ** EXPONENT for size in sizes]
    return [1 - (now - before) for now, before in zip(spent, [0.0, *spent], strict=False)]


def unsettled(results: ComparisonResults) -> list[str]:
    """The pairs that are not settled, by name."""
    return [f"{record.policy_a} and {record.policy_b}" for record in unsettled_pairs(results)]


def unsettled_pairs(results: ComparisonResults) -> list[PairRecord]:
    """Pairs that more episodes may still decide: their differences vary, and neither policy failed in all episodes.

    A verdict with a caution is not settled: the first episodes may lack an event that decides.
    """
    open_pairs = []
    for record in results.headline_records("checkpoints"):
        constant = not record.tested and (record.n_a or 0) > 1
        if (record.verdict not in SETTLED or record.caution) and not constant and record.n_a != 0:
            open_pairs.append(record)
    return open_pairs


def interim_analyses(
    episodes: pd.DataFrame, config: DAFComparisonConfig, **options: Any
) -> Iterator[ComparisonResults]:
    """Compare at every interim analysis that the episodes reach, until all pairs are settled.

    Args:
        episodes: an episodes table; the column `episode` decides which analyses include a row.
        options: for `compare_episodes`.
    """
    reached = int(episodes["episode"].max()) + 1
    sizes = [size for size in interim_sizes(config) if size <= reached]
    return _analyses((episodes[episodes["episode"] < size] for size in sizes), config, **options)


def _analyses(
    growing: Iterable[pd.DataFrame], config: DAFComparisonConfig, **options: Any
) -> Iterator[ComparisonResults]:
    """Compare the episodes of each interim analysis, and ask for those of the next only while a pair is unsettled."""
    from daf.statistics.comparison import compare_episodes

    sizes, analyses = interim_sizes(config), []
    for size, level, episodes in zip(sizes, interim_levels(config), growing, strict=False):
        at_level = config.model_copy(update={"confidence_level": level})
        results = compare_episodes(episodes, at_level, **options)
        left = unsettled(results)
        analyses.append({"episodes": size, "confidence_level": level, "unsettled": left})
        done = not left or size == sizes[-1]
        yield replace(
            results,
            sequential={
                "confidence_level": config.confidence_level,
                "interim_analyses": list(analyses),
                "cap": sizes[-1],
                "done": done,
            },
            notes=(*results.notes, _note(config, analyses, sizes)) if done else results.notes,
        )
        if done:
            return


def play_until_settled(
    play: Callable[[int, int], pd.DataFrame], config: DAFComparisonConfig, **options: Any
) -> ComparisonResults:
    """Play batches until every pair has its verdict or the cap is reached.

    Args:
        play: plays episodes first … stop - 1 of every policy on every mission and returns their rows.
    """
    import pandas as pd

    def played() -> Iterator[pd.DataFrame]:
        batches: list[pd.DataFrame] = []
        for first, stop in zip([0, *interim_sizes(config)], interim_sizes(config), strict=False):
            batches.append(play(first, stop))
            yield pd.concat(batches, ignore_index=True)

    *_, results = _analyses(played(), config, **options)
    return results


def _note(config: DAFComparisonConfig, analyses: Sequence[dict[str, Any]], sizes: Sequence[int]) -> str:
    last = analyses[-1]
    why = "every pair had a verdict" if not last["unsettled"] else "the cap was reached"
    return (
        f"Episodes were added until {why}: {last['episodes']} per policy and mission after "
        f"{len(analyses)} of {len(sizes)} interim analyses. The analyses share the "
        f"{100 * alpha_of(config.confidence_level):.3g} % chance of a false verdict; intervals and tests of this one "
        f"are at {100 * last['confidence_level']:.4g} %."
    )


# ---- in the workflow --------------------------------------------------------------------------------------
# The batches are known before anything runs. An interim analysis is a file that says whether the comparison is done. It
# is an input of the shards of later batches; if it says so, these contain no episodes, only the reason.


def first_episodes_of_batches(config: DAFComparisonConfig) -> list[int]:
    """First episode of each batch."""
    return [0, *interim_sizes(config)[:-1]]
