"""Mission analysis: how a policy fares on a mission, and what missions there are.

Episodes come from `daf.engine.evaluation` or from files; this module describes them. Comparing policies with each
other is `daf.comparison`'s business.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.config import MissionConfig
from daf.episodes import read_episodes, read_provenance
from daf.errors import BadInputError, ConfigError
from daf.failure_modes import FailureMode, find_failure_modes, resource_flows
from daf.files import write_json
from daf.provenance import provenance
from daf.recipes import MissionRecipe

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_POLICY = "random"  # plays every mission, and says what a mission gives away for nothing
DEFAULT_EPISODES = 20
RESAMPLING_SEED = 0  # of the bootstrap interval; fixed, so that the same episodes give the same interval


@dataclass(frozen=True, kw_only=True)
class MissionMetadata:
    """What a mission is."""

    name: str
    description: str
    origin: str
    num_agents: int
    max_steps: int
    success: str | None
    action_names: list[str]
    observation_shape: list[int]
    resources: list[str]


@dataclass(frozen=True, kw_only=True)
class MissionAnalysis:
    """How one policy fares on one mission. Intervals are (low, high), or None where the data cannot say.

    Attributes:
        success_rate: share of episodes in which `success` held; None if the mission declares no success.
        mean_reward: mean over episodes of the mean over agents of the total reward.
        variance_reward: sample variance of the same over episodes.
        resource_usage: steps, seconds and memory spent (seconds and memory None if read from files), and engine
            resources gained and lost per episode.
    """

    mission: str
    policy: str
    num_episodes: int
    num_failed: int
    success: str | None
    success_rate: float | None
    success_interval: tuple[float, float] | None
    mean_reward: float | None
    reward_interval: tuple[float, float] | None
    variance_reward: float | None
    variance_interval: tuple[float, float] | None
    failure_modes: list[FailureMode]
    resource_usage: dict[str, Any]
    metadata: MissionMetadata

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def sentence(self) -> str:
        """One line for people."""
        parts = [f"{self.policy} on {self.mission}: {self.num_episodes} episodes"]
        if self.mean_reward is not None:
            parts.append(f"mean reward {self.mean_reward:.3f}{_span(self.reward_interval)}")
        if self.success_rate is not None:
            parts.append(f"success {self.success_rate:.0%}{_span(self.success_interval)}")
        if self.num_failed:
            parts.append(f"{self.num_failed} failed")
        return ", ".join(parts)


def _span(interval: tuple[float, float] | None) -> str:
    return f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""


# ---- public functions -------------------------------------------------------------------------------------


def daf_analyze_mission(
    mission_name: str | MissionConfig,
    policy: Any = DEFAULT_POLICY,
    episodes: int = DEFAULT_EPISODES,
    *,
    seed: int = 0,
    workers: int = 1,
    device: str = "cpu",
) -> MissionAnalysis:
    """Play a mission and describe what happened.

    Args:
        mission_name: a mission's name or file, or a MissionConfig.
        policy: shorthand, class path, bundle, PolicyConfig or PolicySpec; by default `random`.
        seed: environment seed of the first episode.

    Raises:
        BadInputError: unknown mission or policy.
    """
    import psutil

    from daf.engine.evaluation import evaluate_policy
    from daf.engine.missions import resolve_mission

    mission = resolve_mission(mission_name)
    began = time.perf_counter()
    frame = evaluate_policy(policy, mission, episodes=episodes, seed=seed, workers=workers, device=device)
    seconds = time.perf_counter() - began
    memory_mb = psutil.Process().memory_info().rss / 2**20
    return analyze_episodes(frame, _metadata(mission), seconds=seconds, memory_mb=memory_mb)


def daf_analyze_mission_set(
    mission_names: Sequence[str], policy: Any = DEFAULT_POLICY, episodes: int = DEFAULT_EPISODES, **options: Any
) -> dict[str, MissionAnalysis]:
    """`daf_analyze_mission` for several missions, by name. All names are checked before the first episode."""
    daf_validate_mission_set(mission_names)
    return {name: daf_analyze_mission(name, policy, episodes, **options) for name in mission_names}


def daf_get_mission_metadata(mission_name: str | MissionConfig) -> MissionMetadata:
    """What a mission is, without playing it.

    Raises:
        BadInputError: unknown mission.
    """
    from daf.engine.missions import resolve_mission

    return _metadata(resolve_mission(mission_name))


def daf_validate_mission_set(mission_names: Sequence[str | MissionConfig]) -> list[str]:
    """The names of missions, all of which exist and can be built.

    Raises:
        ConfigError: with one problem per mission that cannot.
    """
    from daf.engine.missions import resolve_mission

    names, problems = [], []
    for name in mission_names:
        try:
            names.append(resolve_mission(name).name)
        except BadInputError as error:
            problems.append(error)
    if problems:
        raise ConfigError(problems)
    return names


def daf_discover_missions_from_readme(readme: str | Path | None = None) -> list[str]:
    """Missions that a document names, in the order of their first mention.

    Args:
        readme: a text file; by default the documents that CoGames installs, or, where it installs none, all missions
            that have a name.

    Raises:
        BadInputError: there is no such file.
    """
    from daf.engine.missions import installed_documents, list_missions

    if readme is None:
        texts = installed_documents()
        if not texts:
            return list(list_missions())
    else:
        path = Path(readme)
        if not path.is_file():
            raise BadInputError("a text file", "no such file", str(path))
        texts = [path.read_text()]
    words = [word.strip(".") for text in texts for word in re.findall(r"[A-Za-z0-9_.]+", text)]
    known = set(list_missions())
    return list(dict.fromkeys(word for word in words if word in known))


# ---- from episodes ----------------------------------------------------------------------------------------


def analyze_episodes(
    episodes: pd.DataFrame, metadata: MissionMetadata, *, seconds: float | None = None, memory_mb: float | None = None
) -> MissionAnalysis:
    """Describe the episodes of one policy on one mission; a pure function of the table."""
    import numpy as np
    from scipy import stats

    from daf.statistics.intervals import mean_interval, wilson_interval

    played = episodes[episodes["failure"].isna()]
    rewards = played["mean_reward"].dropna().to_numpy(dtype=float)
    successes = played["success"].dropna()
    n = len(rewards)
    variance = float(rewards.var(ddof=1)) if n > 1 else None
    interval = mean_interval([rewards], rng=np.random.default_rng(RESAMPLING_SEED)) if n > 1 else None
    variance_interval = None
    if variance:  # chi-squared interval; assumes nearly normal rewards
        low, high = (float(variance * (n - 1) / stats.chi2.ppf(q, n - 1)) for q in (0.975, 0.025))
        variance_interval = (low, high)
    wilson = wilson_interval(float(successes.sum()), len(successes)) if len(successes) else None
    return MissionAnalysis(
        mission=metadata.name,
        policy=", ".join(dict.fromkeys(episodes["checkpoint"])),
        num_episodes=len(episodes),
        num_failed=len(episodes) - len(played),
        success=metadata.success,
        success_rate=float(successes.mean()) if len(successes) else None,
        success_interval=(wilson.low, wilson.high) if wilson else None,
        mean_reward=float(rewards.mean()) if n else None,
        reward_interval=(interval.low, interval.high) if interval and interval.known else None,
        variance_reward=variance,
        variance_interval=variance_interval,
        failure_modes=find_failure_modes(episodes),
        resource_usage={
            "steps_per_episode": float(played["length"].mean()) if len(played) else None,
            "timeouts": int(played["timeouts"].sum()),
            "seconds": seconds,
            "memory_mb": memory_mb,
            "resources_per_episode": resource_flows(episodes),
        },
        metadata=metadata,
    )


def _metadata(mission: Any) -> MissionMetadata:
    from daf.engine.missions import describe

    return MissionMetadata(**describe(mission))


def write_mission_report(
    recipe: MissionRecipe, episode_files: Sequence[str], *, json_path: str | Path, html_path: str | Path
) -> list[MissionAnalysis]:
    """Analyze every checkpoint's episodes on a mission, and write the results as JSON and as a page.

    Raises:
        DafError: an episode comes out differently when it is played again for the page's pictures.
    """
    from daf.engine.missions import resolve_mission
    from daf.reporting.mission_page import render_mission_page
    from daf.traces import trace_policies

    mission = resolve_mission(recipe.config, recipe.name)
    metadata = _metadata(mission)
    frames = [read_episodes(path) for path in episode_files]
    analyses = [analyze_episodes(frame, metadata) for frame in frames]
    traces = trace_policies(frames, mission)
    made_by = provenance(recipe.to_dict(), {}) | {"episodes": [read_provenance(path) for path in episode_files]}
    report = {
        "mission": recipe.name,
        "metadata": asdict(metadata),
        "analyses": [analysis.to_dict() for analysis in analyses],
        "drawn": [traced.to_dict() for traced in traces if traced is not None],
        "provenance": made_by,
    }
    render_mission_page(analyses, frames, traces, made_by, html_path)
    write_json(json_path, report)
    return analyses
