"""Comparisons that play until there is a verdict: when is looked, how sure one must be then, and when it is enough.

The chance of a false verdict is spent over the looks: with K looks after equal shares t of the cap, look k may spend
alpha (t_k^2 - t_{k-1}^2), the power family of spending functions with exponent 2 (Kim and DeMets 1987). Each look is a
whole comparison at its own level, intervals, Holm's correction and equivalence included. The shares add up to alpha, so
the chance of any false difference at any look is at most alpha, and so is that of any false equivalence (Boole's
inequality), whatever the tests and however they depend on each other; of both together it is at most 2 alpha, for each
is a family of its own in Holm's correction, as are the overall pairs and those on single missions. Boundaries that use
the correlation of the looks would be somewhat less strict.

Looks concern question A: more episodes say more about these weights, but a recipe is known by its training seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import ceil, isfinite
from typing import TYPE_CHECKING, Any

from daf.config import DAFComparisonConfig
from daf.statistics.results import ComparisonResults

if TYPE_CHECKING:
    import pandas as pd


EXPONENT = 2
SETTLED = ("better", "worse", "equivalent")


def interim_sizes(config: DAFComparisonConfig) -> list[int]:
    """Episodes per policy and mission that each look sees; one look at all of them unless they are `auto`."""
    if config.episodes_per_mission != "auto":
        return [config.episodes_per_mission]
    cap, count = config.max_episodes_per_mission, config.num_interim_analyses
    return sorted({ceil(cap * (analysis + 1) / count) for analysis in range(count)})


def interim_levels(config: DAFComparisonConfig) -> list[float]:
    """Confidence level of each look; what they leave over adds up to what the comparison may spend."""
    sizes, alpha = interim_sizes(config), 1 - config.confidence_level
    spent = [alpha * (size / sizes[-1]) ** EXPONENT for size in sizes]
    return [1 - (now - before) for now, before in zip(spent, [0.0, *spent], strict=False)]


def unsettled(results: ComparisonResults) -> list[str]:
    """Pairs that more episodes may still decide. Two policies whose difference never varies are not among them."""
    open_pairs = []
    for record in results.headline_records("A"):
        constant = not isfinite(record["p"]) and record["n_a"] > 1
        if record["verdict"] not in SETTLED and not constant:
            open_pairs.append(f"{record['policy_a']} and {record['policy_b']}")
    return open_pairs


def interim_analyses(
    episodes: pd.DataFrame, config: DAFComparisonConfig, **options: Any
) -> Iterator[ComparisonResults]:
    """The comparison at every look that the episodes reach, up to the first that settles all pairs or the last one.

    Args:
        episodes: an episodes table; `episode` says which look sees a row.
        options: for `compare_episodes`.
    """
    from daf.statistics.comparison import compare_episodes

    sizes, taken = interim_sizes(config), []
    reached = int(episodes["episode"].max()) + 1
    for size, level in zip(sizes, interim_levels(config), strict=True):
        if size > reached:
            return
        at_level = config.model_copy(update={"confidence_level": level})
        results = compare_episodes(episodes[episodes["episode"] < size], at_level, **options)
        left = unsettled(results)
        taken.append({"episodes": size, "confidence_level": level, "unsettled": left})
        done = not left or size == sizes[-1]
        yield replace(
            results,
            sequential={
                "confidence_level": config.confidence_level,
                "interim_analyses": list(taken),
                "cap": sizes[-1],
                "done": done,
            },
            notes=(*results.notes, _note(config, taken, sizes)) if done else results.notes,
        )
        if done:
            return


def play_until_settled(
    play: Callable[[int, int], pd.DataFrame], config: DAFComparisonConfig, **options: Any
) -> ComparisonResults:
    """Play batches until the looks are over.

    Args:
        play: plays episodes first … stop - 1 of every policy on every mission and returns their rows.
    """
    import pandas as pd

    batches: list[pd.DataFrame] = []
    for first, stop in zip([0, *interim_sizes(config)], interim_sizes(config), strict=False):
        batches.append(play(first, stop))
        *_, results = interim_analyses(pd.concat(batches, ignore_index=True), config, **options)
        if results.sequential and results.sequential["done"]:
            break
    return results


def _note(config: DAFComparisonConfig, taken: Sequence[dict[str, Any]], sizes: Sequence[int]) -> str:
    last = taken[-1]
    why = "every pair had its verdict" if not last["unsettled"] else "the cap was reached"
    return (
        f"Episodes were added until {why}: {last['episodes']} per policy and mission after {len(taken)} of "
        f"{len(sizes)} looks. The looks share the {100 * (1 - config.confidence_level):.3g} % chance of a false "
        f"verdict; at this one intervals and tests are at {100 * last['confidence_level']:.4g} %."
    )


# ---- in the workflow --------------------------------------------------------------------------------------
# The batches are known before anything runs. A look is a file that says whether the comparison is done; the shards of
# later batches have it among their inputs and, if it is, hold no episodes and the reason.


def first_episodes_of_batches(config: DAFComparisonConfig) -> list[int]:
    """First episode of each batch."""
    return [0, *interim_sizes(config)[:-1]]
