"""The answer of a mission's page: how well each policy does, and which is better where that is settled.

Pairs of checkpoints are tested on paired episodes, adjusted by Holm for all pairs: success, if the mission declares it,
by the exact sign test of the episodes in which only one succeeded (McNemar); reward as in a comparison
(`daf.statistics.pairs`), whose verdict may differ only because it adjusts for all of its missions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from math import nan
from typing import TYPE_CHECKING, Any, Literal

from daf.config import DAFComparisonConfig
from daf.statistics.sentences import number, percent, percent_span, span

if TYPE_CHECKING:
    import pandas as pd

    from daf.evaluation.mission import MissionAnalysis

ALPHA = 0.05
MOST_NAMED = 4  # policies in a sentence; the chart below it names all

Quantity = Literal["success", "reward"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one quantity says.

    Attributes:
        quantity: whether it is about success or about reward.
        best: the policy with the highest value, by its name on the page; None if several share it, or none has any.
        better_than: policies that `best` is shown to beat.
        undecided: the others.
        sentence: all of it in words.
        caution: what makes these verdicts less reliable than their p-values; empty: nothing.
    """

    quantity: Quantity
    best: str | None
    better_than: tuple[str, ...]
    undecided: tuple[str, ...]
    sentence: str
    caution: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def display_names(frames: Sequence[pd.DataFrame]) -> list[str]:
    """The name of each table's policy on the page: as in a comparison, with the training seed if it has several."""
    owners = [(str(frame["policy"].iloc[0]), frame["train_seed"].iloc[0]) for frame in frames]
    policies = [policy for policy, _ in owners]
    return [policy if policies.count(policy) == 1 else f"{policy}, seed {seed}" for policy, seed in owners]


def find_answer(
    analyses: Sequence[MissionAnalysis], frames: Sequence[pd.DataFrame], names: Sequence[str]
) -> list[Finding]:
    """What success and reward say about the policies, the quantity that the mission is about first.

    Args:
        names: of the policies on the page, all different.
    """
    quantities: list[Quantity] = (
        ["success", "reward"] if any(a.success_rate is not None for a in analyses) else ["reward"]
    )
    return [_finding(quantity, analyses, frames, names) for quantity in quantities]


def _finding(
    quantity: Quantity, analyses: Sequence[MissionAnalysis], frames: Sequence[pd.DataFrame], names: Sequence[str]
) -> Finding:
    values = {
        name: value
        for name, analysis in zip(names, analyses, strict=True)
        if (value := analysis.success_rate if quantity == "success" else analysis.mean_reward) is not None
    }
    ranked = sorted(values, key=lambda name: -values[name])
    by_name = dict(zip(names, analyses, strict=True))
    texts = [_value(quantity, by_name[name], is_first=name == ranked[0], name=name) for name in ranked[:MOST_NAMED]]
    if len(ranked) > MOST_NAMED:
        low, high = (_bare(quantity, values[name]) for name in (ranked[-1], ranked[MOST_NAMED]))
        texts.append(f"{len(ranked) - MOST_NAMED} others {low if low == high else f'{low} to {high}'}")
    shared = len(ranked) > 1 and values[ranked[0]] == values[ranked[1]]
    played = {name: frame for name, frame in zip(names, frames, strict=True) if name in values}
    won: dict[str, str] = {}
    if not shared and len(ranked) > 1:
        won = _won_by_success(played, ranked[0]) if quantity == "success" else _won_by_reward(played, ranked[0])
    better = tuple(name for name in ranked[1:] if name in won)
    undecided = tuple(name for name in ranked[1:] if name not in won)
    return Finding(
        quantity=quantity,
        best=None if shared or not ranked else ranked[0],
        better_than=better,
        undecided=undecided,
        sentence=", ".join(texts) + _conclusion(ranked, values, better, undecided) + "." if ranked else "",
        caution="; ".join(dict.fromkeys(caution for caution in won.values() if caution)),
    )


# ---- words --------------------------------------------------------------------------------------------------------


def _value(quantity: Quantity, analysis: MissionAnalysis, *, is_first: bool, name: str) -> str:
    """'random 12 % success (3 to 36 %)'; the unit is named once."""
    if quantity == "success":
        bounds = f" ({percent_span(*analysis.success_interval)})" if analysis.success_interval else ""
        return f"{name} {percent(analysis.success_rate)}{' success' if is_first else ''}{bounds}"
    bounds = f" ({span(*analysis.reward_interval)})" if analysis.reward_interval else ""
    return f"{name} {number(analysis.mean_reward)}{' reward per agent' if is_first else ''}{bounds}"


def _bare(quantity: Quantity, value: float) -> str:
    return percent(value) if quantity == "success" else number(value)


def _conclusion(
    ranked: Sequence[str], values: Mapping[str, float], better: Sequence[str], undecided: Sequence[str]
) -> str:
    """Which policy is better, as the end of a sentence that has named the values."""
    if len(ranked) < 2:
        return ""
    if values[ranked[0]] == values[ranked[-1]]:
        return ": the same for all" if len(ranked) > 2 else ": the same for both"
    if not better:
        return ": which is better is not settled"
    if not undecided:
        rest = "" if len(ranked) == 2 else " than both others" if len(ranked) == 3 else " than all others"
        return f": {ranked[0]} is better{rest}"
    return f": {ranked[0]} is better than {_listed(better)}; against {_listed(undecided)} that is not settled"


def _listed(names: Sequence[str]) -> str:
    """'a', 'a and b', 'a, b and 3 others'."""
    if len(names) > MOST_NAMED:
        return f"{', '.join(names[: MOST_NAMED - 1])} and {len(names) - MOST_NAMED + 1} others"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


# ---- tests: the policies that the best is shown to beat, each with a caution ----------------------------------------


def _won_by_success(frames: Mapping[str, pd.DataFrame], best: str) -> dict[str, str]:
    from daf.statistics.hypothesis_tests import holm

    pairs = list(combinations(frames, 2))
    adjusted = holm([_sign_test_p(frames[a], frames[b]) for a, b in pairs])
    beaten = [b if a == best else a for (a, b), p in zip(pairs, adjusted, strict=True) if best in (a, b) and p <= ALPHA]
    return dict.fromkeys(beaten, "")


def _sign_test_p(a: pd.DataFrame, b: pd.DataFrame) -> float:
    """The exact p of success on paired episodes; NaN if the episodes are copies of one."""
    from scipy import special

    joined = a.merge(b, on="env_seed", suffixes=("_a", "_b"))
    joined = joined[joined["success_a"].notna() & joined["success_b"].notna()]
    if len(joined) > 1 and (joined["mean_reward_a"] - joined["mean_reward_b"]).nunique() == 1:
        return nan  # the seeds made no difference, as between two deterministic policies on one map
    first, second = joined["success_a"].astype(bool), joined["success_b"].astype(bool)
    wins, losses = int((first & ~second).sum()), int((second & ~first).sum())
    if not wins + losses:
        return nan
    return min(1.0, 2 * float(special.bdtr(min(wins, losses), wins + losses, 0.5)))


def _won_by_reward(frames: Mapping[str, pd.DataFrame], best: str) -> dict[str, str]:
    import pandas as pd

    from daf.statistics.checked_episodes import check_episodes
    from daf.statistics.pairs import compare_pairs
    from daf.statistics.records import OVERALL
    from daf.statistics.unit_collection import collect_units

    labels = dict(zip(map(str, range(len(frames))), frames, strict=True))  # a name may be any text, but not any label
    columns = ["env_seed", "mean_reward", "failure"]
    tables = [
        frame[columns].assign(policy=label, mission="m") for label, frame in zip(labels, frames.values(), strict=True)
    ]
    config = DAFComparisonConfig(policies=list(labels), missions=["m"], confidence_level=1 - ALPHA)
    episodes = check_episodes(pd.concat(tables, ignore_index=True), config.policies, config.missions)
    won = {}
    for record in compare_pairs(collect_units(episodes, config.policies, config.missions), config):
        winner, loser = labels[record.policy_a], labels[record.policy_b]
        if record.verdict == "worse":
            winner, loser = loser, winner
        if winner == best and record.verdict in ("better", "worse") and record.mission != OVERALL:
            won[loser] = record.caution
    return won
