"""Whether a new version is at least about as good as the one that serves: DAF's comparison, with a declared margin.

Both packages play the same episodes, each in its confined process. The new version is non-inferior if the interval of
the paired difference of their mean rewards lies above minus the margin (as in ICH E9, section 3.3.2; Piaggio et al.,
CONSORT extension for non-inferiority trials, JAMA 2012).

Equal differences in all episodes, as between versions that act alike, have no such interval. Then the exact bound on
the share of other episodes (Clopper and Pearson) must be small.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from daf.config import DAFComparisonConfig, MissionConfig, NonInferiorityConfig
from daf.errors import BadInputError, DeploymentError
from daf.packaging.player import DEFAULT_ACTION_TIME_MS, package_player
from daf.packaging.sandbox import GuestError, Limits
from daf.statistics.records import PairRecord
from daf.system.nouns import number_of

if TYPE_CHECKING:
    from daf.engine.missions import Mission

LARGEST_UNSEEN_SHARE = 0.1  # of episodes that may differ from those played, if these are all alike

NonInferiorityVerdict = Literal["non-inferior", "inferior", "inconclusive", "insufficient data"]


@dataclass(frozen=True, kw_only=True)
class NonInferiority:
    """The result, as a deployment's entry in the history records it.

    Attributes:
        against: the version that served.
        against_sha256: its content.
        difference: mean reward of the new version minus that of the other one; null if unknown.
        interval: its interval.
        interval_method: how it was computed.
        sentence: the verdict in words.
    """

    verdict: NonInferiorityVerdict
    sentence: str
    against: str
    against_sha256: str
    mission: str
    difference: float | None
    interval: tuple[float, float] | None
    interval_method: str | None
    margin: float
    confidence_level: float
    episodes: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        content = asdict(self)
        return content | {"interval": None if self.interval is None else list(self.interval)}


@dataclass(frozen=True, kw_only=True)
class Version:
    """A package on disk that plays."""

    package: Path
    version: str
    sha256: str


def compare_versions(
    new: Version, serving: Version, mission: str | MissionConfig, requirement: NonInferiorityConfig
) -> NonInferiority:
    """Play both versions and judge their difference.

    Raises:
        DeploymentError: a version cannot be played to the end.
        BadInputError: an unknown mission, or one whose episodes never end.
    """
    import numpy as np
    import pandas as pd

    from daf.engine.missions import resolve_mission
    from daf.statistics.comparison import compare_episodes

    resolved = resolve_mission(mission)
    if resolved.max_steps == 0:
        found = "max_steps is 0: an episode may never end"
        raise BadInputError("a mission with a step limit", found, f"mission '{resolved.name}'", "set max_steps")
    config = DAFComparisonConfig(
        policies=[new.version, serving.version], missions=[resolved.name], episodes_per_mission=requirement.episodes,
        evaluation_seed=requirement.seed, confidence_level=requirement.confidence_level,
        equivalence_margin=requirement.margin,
    )  # fmt: skip
    table = pd.concat([_episodes(version, resolved, requirement) for version in (new, serving)], ignore_index=True)
    results = compare_episodes(table, config)
    pair = next(pair for pair in results.pairs if pair.estimand == "checkpoints" and pair.mission == resolved.name)
    rewards = [table.loc[table["policy"] == label, "mean_reward"].to_numpy() for label in config.policies]
    return judge(pair, serving, requirement, all_equal=bool(np.ptp(rewards[0] - rewards[1]) == 0))


def judge(
    pair: PairRecord, serving: Version, requirement: NonInferiorityConfig, *, all_equal: bool = False
) -> NonInferiority:
    """The verdict on the first policy of a pair, the new version.

    Args:
        all_equal: whether the difference is the same in all episodes.
    """
    low, high, margin = pair.interval_low, pair.interval_high, requirement.margin
    known = not (isnan(low) or isnan(high))
    unseen = 1 - ((1 - requirement.confidence_level) / 2) ** (1 / pair.n_a) if pair.n_a else 1.0
    verdict: NonInferiorityVerdict
    if not known and all_equal and unseen <= LARGEST_UNSEEN_SHARE:
        verdict = "non-inferior" if pair.difference > -margin else "inferior"
        meaning = f"their difference is the same in every episode, and another in at most {100 * unseen:.1f} % of all"
    elif not known:
        verdict, meaning = "insufficient data", pair.interval_method or "its interval is unknown"
    elif low > -margin:
        verdict, meaning = "non-inferior", "it is not worse by more than the margin"
    elif high < -margin:
        verdict, meaning = "inferior", "it is worse by more than the margin"
    else:
        verdict, meaning = "inconclusive", "it may be worse by more than the margin; more episodes would tell"
    interval = f"[{low:+.4g}, {high:+.4g}]" if known else "unknown"
    sentence = (
        f"{pair.policy_a} is {verdict} to {serving.version}: {meaning}." if verdict in ("non-inferior", "inferior")
        else f"Whether {pair.policy_a} is non-inferior to {serving.version} is open ({verdict}): {meaning}."
    )  # fmt: skip
    level = f"{100 * requirement.confidence_level:.4g} %"
    sentence += (
        f" Difference of mean rewards {pair.difference:+.4g}, {level} interval {interval}, "
        f"margin {margin:g}, {number_of(pair.n_a or 0, 'paired episode')} on {pair.mission}."
    )
    return NonInferiority(
        verdict=verdict, sentence=sentence, against=serving.version, against_sha256=serving.sha256,
        mission=pair.mission, difference=None if isnan(pair.difference) else pair.difference,
        interval=(low, high) if known else None, interval_method=pair.interval_method, margin=margin,
        confidence_level=requirement.confidence_level, episodes=requirement.episodes, seed=requirement.seed,
    )  # fmt: skip


def require_non_inferior(result: NonInferiority, package: Path) -> None:
    """Raise DeploymentError, with the verdict in a sentence, unless the new version is non-inferior."""
    if result.verdict != "non-inferior":
        hint = "nothing was deployed; the margin and the episodes are those of require_non_inferiority"
        expected = f"a version that is non-inferior to {result.against}, which serves"
        raise DeploymentError(expected, result.sentence, str(package), hint)


def _episodes(version: Version, mission: Mission, requirement: NonInferiorityConfig) -> Any:
    """The episodes table of a version."""
    from daf.engine.episode import episode_row
    from daf.engine.simulation import SimulationFactory
    from daf.episodes.table import episodes_frame

    factory, rows = SimulationFactory(mission.env_config), []
    seconds = requirement.timeout_seconds
    limits = replace(Limits(), wall_seconds=seconds, cpu_seconds=int(2 * seconds) + 1)
    with package_player(version.package, limits) as player:
        try:
            if faults := player.start():
                raise GuestError(faults)
            for number in range(requirement.episodes):
                seed = requirement.seed + number
                episode = player.play(factory, seed, DEFAULT_ACTION_TIME_MS)
                rows.append({
                    "policy": version.version, "checkpoint": version.version, "train_seed": None,
                    "mission": mission.name, "episode": number, "env_seed": seed,
                    **episode_row(episode, mission, "mean_reward"),
                })  # fmt: skip
        except GuestError as error:
            found = f"{error} in episode {len(rows)}, with seed {requirement.seed + len(rows)}"
            expected = f"{number_of(requirement.episodes, 'episode')} on {mission.name}"
            raise DeploymentError(expected, found, str(version.package), "nothing was deployed") from None
    return episodes_frame(rows)
