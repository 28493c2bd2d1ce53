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
from daf.system.nouns import number_of

if TYPE_CHECKING:
    import pandas as pd

    from daf.statistics.records import PairRecord
    from daf.statistics.results import ComparisonResults

EXPONENT = 2
SETTLED = ("better", "worse", "equivalent")
MOST_NAMED = 3  # pairs in a note
EVERY_VERDICT = "every pair had a verdict"


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
    """Pairs that more episodes may still decide: not those that scored the same in several episodes of every mission,
    nor those of which a policy failed in all.

    A verdict with a caution is not settled: the first episodes may lack an event that decides. So may episodes that
    all differ by the same amount.
    """
    records = results.headline_records("checkpoints")
    left = [record for record in records if record.verdict not in SETTLED or record.caution]
    beyond_help = {id(record) for record in (*_alike(results, left), *_without_episodes(left))}
    return [record for record in left if id(record) not in beyond_help]


def _alike(results: ComparisonResults, records: Sequence[PairRecord]) -> list[PairRecord]:
    """Pairs that scored the same in all episodes, several on each mission."""
    same = [r for r in records if not r.tested and r.difference == 0 and (r.n_a or 0) > r.n_missions]
    if not same or len(results.missions) < 2:
        return same
    everywhere = results.headline_records("checkpoints", overall_only=False)
    apart = {
        frozenset((r.policy_a, r.policy_b)) for r in everywhere if r.difference == r.difference and r.difference != 0
    }
    return [record for record in same if {record.policy_a, record.policy_b} not in apart]


def _without_episodes(records: Sequence[PairRecord]) -> list[PairRecord]:
    return [record for record in records if record.n_a == 0]


def why_none_is_open(results: ComparisonResults, records: Sequence[PairRecord], failed: Sequence[str]) -> str:
    """Why pairs need no more episodes, none of which is unsettled: "every pair had a verdict", or what else is so.

    Args:
        failed: policies without a result, which no pair has.
    """
    left = [record for record in records if record.verdict not in SETTLED]
    causes = (
        ("scored the same in every episode", _alike(results, left)),
        ("completed no episode in common", _without_episodes(left)),
    )
    said = [f"{_pairs(found)} {words}" for words, found in causes if found]
    if failed:
        names = " and ".join(failed) if len(failed) <= MOST_NAMED else number_of(len(failed), "policy")
        said.append(f"{names} completed no episode")
    return f"more would not help ({'; '.join(said)})" if said else EVERY_VERDICT


def _pairs(records: Sequence[PairRecord]) -> str:
    """'a and b', 'a and b, and c and d', or '5 pairs'."""
    if len(records) > MOST_NAMED:
        return number_of(len(records), "pair")
    return ", and ".join(f"{record.policy_a} and {record.policy_b}" for record in records)


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
            notes=(*results.notes, _note(results, config, analyses, sizes)) if done else results.notes,
        )
        if done:
            return


def play_until_settled(
    play: Callable[[int, int], pd.DataFrame], config: DAFComparisonConfig, **options: Any
) -> ComparisonResults:
    """Play batches until every pair has its verdict, more would not help, or the cap is reached.

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


def _note(
    results: ComparisonResults, config: DAFComparisonConfig, analyses: Sequence[dict[str, Any]], sizes: Sequence[int]
) -> str:
    last = analyses[-1]
    why = "the cap was reached"
    if not last["unsettled"]:
        records = results.headline_records("checkpoints")
        with_results = {record.policy for record in results.summary if record.n_episodes}
        failed = [policy for policy in config.policies if policy not in with_results]
        why = why_none_is_open(results, records, failed)
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
