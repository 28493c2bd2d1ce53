"""The answer of a mission's page: how well each policy does, and which is better where that is settled.

Pairs of checkpoints are tested on paired episodes, adjusted by Holm for all pairs: success, if the mission declares it,
by the exact sign test of the episodes in which only one succeeded (McNemar); reward as in a comparison
(`daf.statistics.pairs`), whose verdict may differ only because it adjusts for all of its missions.
"""

from __future__ import annotations

import re
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
Wins = dict[tuple[str, str], str]  # (winner, loser) → a caution, or an empty text
WORDS: Mapping[Quantity, tuple[str, str, str]] = {  # of one policy, of several, and of one of those
    "success": ("succeeds more often", "succeed more often", "does so more often"),
    "reward": ("is better", "are better", "is better"),
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one quantity says.

    Attributes:
        quantity: whether it is about success or about reward.
        best: the policy with the highest value, by its name on the page; None if several share it, or none has any.
        better_than: policies that `best` is shown to beat; if several share the highest value, those that each of
            them is.
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
    leaders = [name for name in ranked if values[name] == values[ranked[0]]]
    others = ranked[len(leaders) :]
    played = {name: frame for name, frame in zip(names, frames, strict=True) if name in values}
    won: Wins = {}
    if others:
        won = _won_by_success(played, leaders) if quantity == "success" else _won_by_reward(played, leaders)
    better = tuple(name for name in others if all((leader, name) in won for leader in leaders))
    undecided = tuple(name for name in others if name not in better)
    cautions = [caution for (_, loser), caution in won.items() if caution and loser in better]
    return Finding(
        quantity=quantity,
        best=leaders[0] if len(leaders) == 1 else None,
        better_than=better,
        undecided=undecided if len(leaders) == 1 else tuple(name for name in ranked if name not in better),
        sentence=", ".join(texts) + _conclusion(quantity, leaders, better, undecided) + "." if ranked else "",
        caution="; ".join(dict.fromkeys(cautions)),
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


def _conclusion(quantity: Quantity, leaders: Sequence[str], better: Sequence[str], undecided: Sequence[str]) -> str:
    """Which policy is better, as the end of a sentence that has named the values.

    Args:
        leaders: those with the highest value; `better` and `undecided` are the others.
    """
    one, several, more = WORDS[quantity]
    count = len(leaders) + len(better) + len(undecided)
    if count < 2:
        return ""
    if len(leaders) == count:
        return ": the same for all" if count > 2 else ": the same for both"
    if not better:
        return f": which {one} is not settled"
    lead = f": {_listed(leaders)} {several if len(leaders) > 1 else one}"
    rest = f" than {'both' if len(better) == 2 else 'all'} others" if len(better) > 1 else f" than {better[0]}"
    if undecided:
        rest = f" than {_listed(better)}; against {_listed(undecided)} that is not settled"
    elif count == 2:
        rest = ""
    if len(leaders) == 1:
        return f"{lead}{rest}"
    return f"{lead}{rest}; which of the {'two' if len(leaders) == 2 else len(leaders)} {more} is not settled"


def _listed(names: Sequence[str]) -> str:
    """'a', 'a and b', 'a, b and 3 others'."""
    if len(names) > MOST_NAMED:
        return f"{', '.join(names[: MOST_NAMED - 1])} and {len(names) - MOST_NAMED + 1} others"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


# ---- tests: the policies that the best are shown to beat, each with a caution ---------------------------------------


def _won_by_success(frames: Mapping[str, pd.DataFrame], leaders: Sequence[str]) -> Wins:
    from daf.statistics.hypothesis_tests import holm

    pairs = list(combinations(frames, 2))
    adjusted = holm([_sign_test_p(frames[a], frames[b]) for a, b in pairs])
    different = [pair for pair, p in zip(pairs, adjusted, strict=True) if p <= ALPHA]
    won = [(b, a) if b in leaders else (a, b) for a, b in different]
    return {(winner, loser): "" for winner, loser in won if winner in leaders and loser not in leaders}


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


def _won_by_reward(frames: Mapping[str, pd.DataFrame], leaders: Sequence[str]) -> Wins:
    import pandas as pd

    from daf.statistics.checked_episodes import check_episodes
    from daf.statistics.pairs import compare_pairs
    from daf.statistics.records import OVERALL
    from daf.statistics.unit_collection import collect_units

    # A name may be any text, but not any label; these occur in no other words of a caution.
    labels = {f"policy_{place}": name for place, name in enumerate(frames)}
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
        if winner in leaders and record.verdict in ("better", "worse") and record.mission != OVERALL:
            won[winner, loser] = re.sub(r"\bpolicy_\d+\b", lambda label: labels[label[0]], record.caution)
    return won
