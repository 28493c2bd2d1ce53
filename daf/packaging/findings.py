"""What a comparison found about a packaged policy: the scores of this checkpoint, and the verdicts on its policy.

The figures are those of the comparison's tables. Where a policy has several training seeds, its tables pool them; the
package holds one, whose scores are taken from the same episodes, with the same interval.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.errors import BadInputError, did_you_mean
from daf.statistics.records import OVERALL, PairRecord, SummaryRecord
from daf.system.files import digest
from daf.system.plain import to_plain

if TYPE_CHECKING:
    from daf.statistics.results import ComparisonResults


@dataclass(frozen=True, kw_only=True)
class Score:
    """The packaged checkpoint on one mission. Unknown figures are None."""

    mission: str
    n_episodes: int
    mean: float | None
    low: float | None
    high: float | None
    method: str
    success_rate: float | None = None
    success_low: float | None = None
    success_high: float | None = None
    failures: int = 0
    timeouts: int = 0


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a model card shows.

    Attributes:
        policy: its name in the comparison.
        level: confidence level of all intervals.
        unit: unit of all scores.
        scores: of this checkpoint, one per mission, and one over all if there are several.
        pairs: one record per other policy, with this policy first.
        recipe: over the training seeds of the policy, with several of them: one record per mission, or overall.
        n_seeds: training seeds of the policy in the comparison.
        notes: the notes of the comparison, without advice on its configuration.
        episode_seeds: environment seeds, by mission.
        sha256: digest of the tables that these figures come from.
    """

    policy: str
    level: float
    unit: str
    scores: tuple[Score, ...]
    pairs: tuple[PairRecord, ...]
    recipe: tuple[SummaryRecord, ...]
    n_seeds: int
    notes: tuple[str, ...]
    episode_seeds: dict[str, str]
    sha256: str


def read_comparison(path: str | Path) -> ComparisonResults:
    """The results in a comparison.json, or in the folder that holds one."""
    from daf.statistics.results import ComparisonResults

    path = Path(path)
    return ComparisonResults.read(path.parent if path.is_file() else path)


def findings(results: ComparisonResults, policy: str, train_seed: int | None) -> Findings:
    """What the comparison found about one checkpoint of a policy.

    Raises:
        BadInputError: the comparison has no such policy, or no such training seed of it.
    """
    from daf.statistics.sentences import mirrored

    if policy not in results.policies:
        hint = did_you_mean(policy, results.policies)
        raise BadInputError("a policy of the comparison", f"'{policy}'", "comparison", hint)
    records = [record for record in results.summary if record.policy == policy]
    frame = results.episodes
    seeds = sorted(int(seed) for seed in frame.loc[frame["policy"] == policy, "train_seed"].dropna().unique())
    if train_seed is not None and seeds and train_seed not in seeds:
        known = ", ".join(map(str, seeds))
        raise BadInputError(f"a training seed in the comparison ({known})", str(train_seed), f"policy '{policy}'")
    several = len(seeds) > 1 and train_seed is not None
    places = [record for record in records if len(results.missions) > 1 or record.mission != OVERALL]
    scores = (
        _scores_of_seed(results, policy, int(train_seed or 0)) if several else [_score(record) for record in places]
    )
    leads = [record for record in results.lead_records() if policy in (record.policy_a, record.policy_b)]
    pairs = tuple(record if record.policy_a == policy else mirrored(record) for record in leads)
    return Findings(
        policy=policy,
        level=results.config.confidence_level,
        unit=results.unit,
        scores=tuple(scores),
        pairs=pairs,
        recipe=tuple(places) if several else (),
        n_seeds=len(seeds),
        notes=tuple(said for note in results.notes if (said := _without_advice(note))),
        episode_seeds={name: str(text) for name, text in _computation(results).get("episode_seeds", {}).items()},
        sha256=digest(to_plain([results.config.to_dict(), results.summary, tuple(results.pairs)])),
    )


def _computation(results: ComparisonResults) -> dict[str, Any]:
    computation: dict[str, Any] = results.provenance.get("computation", {})
    return computation


def _score(record: SummaryRecord) -> Score:
    return Score(
        mission=record.mission, n_episodes=record.n_episodes, mean=known(record.mean), low=known(record.interval_low),
        high=known(record.interval_high), method=record.interval_method, success_rate=known(record.success_rate),
        success_low=known(record.success_low), success_high=known(record.success_high), failures=record.failures,
        timeouts=record.timeouts,
    )  # fmt: skip


def _scores_of_seed(results: ComparisonResults, policy: str, train_seed: int) -> list[Score]:
    """From the episodes of one training seed: means, success and intervals as the summary computes them."""
    frame = results.episodes
    own = frame[(frame["policy"] == policy) & (frame["train_seed"] == train_seed)]
    scores, strata, successes = [], [], []
    for mission in results.missions:
        played = own[own["mission"] == mission]
        low, high = results.scale(mission)
        rewards = (played["mean_reward"].dropna().to_numpy(dtype=float) - low) / (high - low)
        if rewards.size:
            strata.append(rewards)
        counted = played.loc[played["mean_reward"].notna(), "success"].dropna().astype(float)
        if counted.size:
            successes.append((float(counted.mean()), counted.size))
        score = _of_rewards(mission, [rewards] if rewards.size else [], results, len(played) - rewards.size)
        timeouts = int(played["timeouts"].fillna(0).sum())
        scores.append(_with_success(score, successes[-1:] if counted.size else [], results, timeouts))
    if len(results.missions) > 1:
        failures, timeouts = (sum(getattr(score, name) for score in scores) for name in ("failures", "timeouts"))
        scores.append(_with_success(_of_rewards(OVERALL, strata, results, failures), successes, results, timeouts))
    return scores


def _with_success(
    score: Score, successes: Sequence[tuple[float, int]], results: ComparisonResults, timeouts: int
) -> Score:
    """The score with its success rate, every mission that declares success with the same weight.

    Args:
        successes: on each of these missions, the share of successful episodes, and their number.
    """
    from daf.statistics.intervals import combined_wilson_interval

    if not successes:
        return replace(score, timeouts=timeouts)
    shares, counts = zip(*successes, strict=True)
    interval = combined_wilson_interval(shares, counts, results.config.confidence_level)
    return replace(
        score, success_rate=sum(shares) / len(shares), success_low=known(interval.low),
        success_high=known(interval.high), timeouts=timeouts,
    )  # fmt: skip


def _of_rewards(mission: str, strata: Sequence[Any], results: ComparisonResults, failures: int) -> Score:
    from daf.statistics import intervals

    if not strata:
        return Score(mission=mission, n_episodes=0, mean=None, low=None, high=None, method="no episode has a result",
                     failures=failures)  # fmt: skip
    interval = intervals.mean_interval(strata, results.config.confidence_level)
    return Score(
        mission=mission, n_episodes=sum(rewards.size for rewards in strata),
        mean=float(intervals.mean_of_strata(strata)), low=known(interval.low), high=known(interval.high),
        method=interval.method, failures=failures,
    )  # fmt: skip


def _without_advice(note: str) -> str:
    """A note without the sentences, and parts after a semicolon, that tell the experimenter to change a setting."""
    from daf.config import DAFComparisonConfig

    setting = re.compile(rf"`(?:{'|'.join(DAFComparisonConfig.model_fields)})\b[^`]*`")
    kept = " ".join(part for part in re.split(r"(?<=[.;]) ", note) if not setting.search(part))
    return f"{kept[:-1]}." if kept.endswith(";") else kept


def known(value: float | None) -> float | None:
    """The value; None if it is unknown."""
    return value if value is not None and isfinite(value) else None
