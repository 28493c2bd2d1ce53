"""How a policy performs on a mission: turns episodes into a description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from daf.episodes.failure_modes import FailureMode, find_failure_modes
from daf.episodes.statistics import EpisodeStatistics, episode_statistics
from daf.episodes.success import statistics_in
from daf.errors import did_you_mean
from daf.statistics.sentences import percent, percent_span
from daf.system.nouns import number_of
from daf.system.resource_usage import Usage
from daf.system.shown import Shown

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, repr=False)
class MissionMetadata(Shown):
    """Facts about a mission.

    Attributes:
        name: name of the mission.
        description: what CoGames says about it.
        origin: where its configuration comes from.
        num_agents: number of agents.
        max_steps: steps after which an episode ends; 0: never.
        action_names: names of the actions, by number.
        observation_shape: tokens per agent and numbers per token.
        resources: what agents can carry.
        success: when an episode is a success, an expression (`daf.episodes.success`); None if none is declared.
        success_reason: the source of the criterion, or why there is none.
    """

    name: str
    description: str
    origin: str
    num_agents: int
    max_steps: int
    success: str | None
    action_names: list[str]
    observation_shape: list[int]
    resources: list[str]
    success_reason: str = ""

    def _headline(self) -> str:
        steps = number_of(self.max_steps, "step") if self.max_steps else "no step limit"
        return f"{self.name}, {number_of(self.num_agents, 'agent')}, {steps}, success: {self.success or 'undeclared'}"


@dataclass(frozen=True, kw_only=True, repr=False)
class MissionAnalysis(Shown):
    """How one policy performs on one mission. Intervals are (low, high), or None if the data do not determine them.

    Attributes:
        mission: name of the mission.
        policy: label of the checkpoint.
        num_episodes: episodes played.
        num_failed: those without a result.
        first_failure: why the first of them failed; None if none did.
        success: the mission's success expression; None if it declares none.
        success_interval: 95 % interval of the success rate.
        success_rate: share of episodes in which `success` held; None if the mission declares no success.
        success_unreported: statistics in the success expression that no episode reported, which count as 0: either they
            did not occur, or the name is wrong; for each, which reported names are near.
        mean_reward: mean over episodes of the mean over agents of the total reward.
        reward_interval: 95 % interval of the mean reward.
        variance_interval: 95 % interval of the variance.
        variance_reward: sample variance of the same over episodes.
        interval_methods: how each interval was computed and what it assumes, or why there is none.
        failure_modes: most frequent first.
        resource_usage: steps (all episodes together, and per episode), actions that took longer than allowed,
            wall-clock seconds and peak memory in MiB (None if a file does not record them), and resources gained and
            lost per episode.
        metadata: what the mission is.
    """

    mission: str
    policy: str
    num_episodes: int
    num_failed: int
    first_failure: str | None
    success: str | None
    success_rate: float | None
    success_interval: tuple[float, float] | None
    success_unreported: dict[str, str]
    mean_reward: float | None
    reward_interval: tuple[float, float] | None
    variance_reward: float | None
    variance_interval: tuple[float, float] | None
    interval_methods: dict[str, str]
    failure_modes: list[FailureMode]
    resource_usage: dict[str, Any]
    metadata: MissionMetadata

    @property
    def failed(self) -> bool:
        """Whether the policy played but no episode has a result."""
        return 0 < self.num_episodes == self.num_failed

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def _headline(self) -> str:
        return self.sentence()

    def sentence(self) -> str:
        """One readable line."""
        parts = [f"{self.policy} on {self.mission}: {number_of(self.num_episodes, 'episode')}"]
        if self.mean_reward is not None:
            interval = self.reward_interval
            bounds = f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
            parts.append(f"mean reward {self.mean_reward:.3f}{bounds}")
        if self.success_rate is not None:
            bounds = f" ({percent_span(*self.success_interval)})" if self.success_interval else ""
            parts.append(f"success {percent(self.success_rate)}{bounds} of {self.success}")
            if self.success_unreported:
                unreported = (
                    f"'{name}' ({hint})" if hint else f"'{name}'" for name, hint in self.success_unreported.items()
                )
                parts.append(f"no episode reported {', '.join(unreported)}, which counts as 0")
        if self.num_failed:
            parts.append(f"{self.num_failed} failed, the first with {self.first_failure}")
        return ", ".join(parts)


def analyze_episodes(
    episodes: pd.DataFrame, metadata: MissionMetadata, *, usage: Usage | None = None
) -> MissionAnalysis:
    """Describe the episodes of one policy on one mission; a pure function of the table.

    Args:
        usage: time and memory used to play them, if known.
    """

    from daf.statistics.intervals import mean_interval, variance_interval, wilson_interval

    played = episodes[episodes["failure"].isna()]
    statistics = episode_statistics(episodes)
    rewards = played["mean_reward"].dropna().to_numpy(dtype=float)
    successes = played["success"].dropna()
    n = len(rewards)
    intervals = {
        "success": wilson_interval(float(successes.sum()), len(successes)),
        "reward": mean_interval([rewards]),
        "variance": variance_interval(rewards),
    }
    bounds = {name: (interval.low, interval.high) if interval.known else None for name, interval in intervals.items()}
    return MissionAnalysis(
        mission=metadata.name,
        policy=", ".join(dict.fromkeys(episodes["checkpoint"])),
        num_episodes=len(episodes),
        num_failed=len(episodes) - len(played),
        first_failure=next(iter(episodes["failure"].dropna()), None),
        success=metadata.success,
        success_rate=float(successes.mean()) if len(successes) else None,
        success_interval=bounds["success"],
        success_unreported=_unreported(metadata.success, statistics) if metadata.success and len(successes) else {},
        mean_reward=float(rewards.mean()) if n else None,
        reward_interval=bounds["reward"],
        variance_reward=float(rewards.var(ddof=1)) if n > 1 else None,
        variance_interval=bounds["variance"],
        interval_methods={
            f"{name}_interval": f"95 %, {interval.method}" if interval.known else interval.method
            for name, interval in intervals.items()
        },
        failure_modes=find_failure_modes(
            episodes, statistics, resources=metadata.resources, max_steps=metadata.max_steps
        ),
        resource_usage={
            "steps": int(played["length"].sum()),
            "steps_per_episode": float(played["length"].mean()) if len(played) else None,
            "timeouts": int(played["timeouts"].sum()),
            "seconds": usage.seconds if usage else None,
            "memory_mb": usage.peak_memory_mb if usage else None,
            "resources_per_episode": statistics.flows(),
        },
        metadata=metadata,
    )


def _unreported(success: str, statistics: EpisodeStatistics) -> dict[str, str]:
    missing: dict[str, str] = {}
    for used, reported in zip(statistics_in(success), (statistics.game, statistics.agent), strict=True):
        missing |= {name: did_you_mean(name, reported, list_at_most=0) for name in used if name not in reported}
    return missing


def mission_metadata(mission: Any) -> MissionMetadata:
    from daf.engine.missions import describe

    return MissionMetadata(**describe(mission))


def usage_in(provenance_record: Mapping[str, Any]) -> Usage | None:
    """Time and memory used, from the provenance of an episodes file: total seconds and peak memory of its shards."""
    shards = [shard.get("usage") for shard in provenance_record.get("shards", [provenance_record])]
    known = [Usage(**shard) for shard in shards if shard]
    if not known or len(known) < len(shards):
        return None
    return Usage(
        seconds=sum(shard.seconds for shard in known), peak_memory_mb=max(shard.peak_memory_mb for shard in known)
    )
