"""Mission analysis: how a policy performs on a mission, and which missions exist.

To compare policies with each other, see `daf.comparison`.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from daf.config import MissionConfig
from daf.episodes.failure_modes import FailureMode
from daf.errors import BadInputError, ConfigError
from daf.evaluation.mission import MissionAnalysis, MissionMetadata, analyze_episodes, mission_metadata
from daf.evaluation.replays import daf_write_replay
from daf.system.arguments import checked_arguments
from daf.system.live_progress import live_progress
from daf.system.resource_usage import usage_since
from daf.system.shown import ResultsByName
from daf.system.user_paths import user_path

__all__ = [
    "FailureMode",
    "MissionAnalysis",
    "MissionMetadata",
    "daf_analyze_mission",
    "daf_analyze_mission_set",
    "daf_discover_missions_from_readme",
    "daf_get_mission_metadata",
    "daf_list_statistics",
    "daf_validate_mission_set",
    "daf_write_replay",
]

DEFAULT_POLICY = "random"  # can play every mission, and shows the reward that needs no skill
DEFAULT_EPISODES = 20


@checked_arguments
def daf_analyze_mission(
    mission_name: str | MissionConfig,
    policy: Any = None,
    episodes: int = DEFAULT_EPISODES,
    *,
    seed: int = 0,
    workers: int = 1,
    device: str = "cpu",
) -> MissionAnalysis:
    """Play a mission and describe what happened.

    Args:
        mission_name: a mission's name or file, or a MissionConfig.
        policy: shorthand, class path, class, bundle, PolicyConfig or PolicySpec; without one `random` plays, and a
            warning says so.
        seed: environment seed of the first episode.
        device: for networks: auto, cpu, or cuda, also with a number.

    Raises:
        BadInputError: unknown mission or policy; UnfitEnvironmentError: the device is not there.
    """
    from daf.engine.evaluation import evaluate_policy
    from daf.engine.missions import check_buildable, resolve_mission

    if episodes < 1:
        raise BadInputError("at least one episode", str(episodes), "daf_analyze_mission: episodes")
    mission = resolve_mission(mission_name)
    check_buildable(mission)
    policy = _given(policy)
    start = time.perf_counter()
    with live_progress(f"playing {mission.name}", episodes, "episodes") as progress:
        frame = evaluate_policy(
            policy, mission, episodes=episodes, seed=seed, workers=workers, device=device, on_progress=progress.update
        )
    return analyze_episodes(frame, mission_metadata(mission), usage=usage_since(start))


@checked_arguments
def daf_analyze_mission_set(
    mission_names: Sequence[str | MissionConfig],
    policy: Any = None,
    episodes: int = DEFAULT_EPISODES,
    **options: Any,
) -> dict[str, MissionAnalysis]:
    """Analyze several missions, by name (see `daf_analyze_mission`); all are checked before the first episode.

    Raises:
        BadInputError: two different missions with the same name.
        ConfigError: with one problem per mission that does not exist or cannot be built.
    """
    names = daf_validate_mission_set(mission_names)
    policy = _given(policy)
    missions: dict[str, str | MissionConfig] = {}
    for name, mission in zip(names, mission_names, strict=True):
        if missions.setdefault(name, mission) != mission:
            hint = "analyze them one by one"
            raise BadInputError("missions with different names", f"'{name}' twice", "mission set", hint)
    return ResultsByName(
        (name, daf_analyze_mission(mission, policy, episodes, **options)) for name, mission in missions.items()
    )


def _given(policy: Any) -> Any:
    if policy is not None:
        return policy
    text = f"no policy was given, so the missions are analyzed with '{DEFAULT_POLICY}': pass policy=… for your own"
    warnings.warn(text, stacklevel=4)
    return DEFAULT_POLICY


@checked_arguments
def daf_get_mission_metadata(mission_name: str | MissionConfig) -> MissionMetadata:
    """Describe a mission without playing it.

    Raises:
        BadInputError: unknown mission.
    """
    from daf.engine.missions import resolve_mission

    return mission_metadata(resolve_mission(mission_name))


@checked_arguments
def daf_list_statistics(mission_name: str | MissionConfig, policy: Any = DEFAULT_POLICY) -> dict[str, list[str]]:
    """The statistics that a `success` expression may name on a mission, as one short run of a policy reports them.

    The engine reports a statistic once it has occurred, so a policy that does more shows more.

    Returns:
        `game`: names for `game('…')`; `agent`: names for `agent_sum('…')`, `agent_mean`, `agent_min` and `agent_max`.

    Raises:
        BadInputError: unknown mission or policy.
    """
    from daf.engine.evaluation import evaluate_policy
    from daf.episodes.statistics import episode_statistics

    return episode_statistics(evaluate_policy(policy, mission_name, episodes=2, seed=0)).names()


@checked_arguments
def daf_validate_mission_set(mission_names: Sequence[str | MissionConfig]) -> list[str]:
    """Check that missions exist and can be built, by building the first episode of each; return their names.

    Raises:
        BadInputError: one mission instead of a list.
        ConfigError: with one problem per mission that does not exist or cannot be built.
    """
    from daf.engine.missions import check_buildable, resolve_mission

    if isinstance(mission_names, str | MissionConfig):
        raise BadInputError("a list of missions", repr(mission_names), "mission set", "put it in brackets")
    names, problems = [], []
    for name in mission_names:
        try:
            mission = resolve_mission(name)
            check_buildable(mission)
            names.append(mission.name)
        except BadInputError as error:
            problems.append(error)
    if problems:
        raise ConfigError(problems)
    return names


@checked_arguments
def daf_discover_missions_from_readme(readme: str | Path | None = None) -> list[str]:
    """List the missions that a document names, in the order of their first mention, without the prefix `evals.`.

    A name that is also an ordinary word (`arena`, `empty`, `tutorial`) counts only if marked as a name: in backticks,
    quotes or bold, alone in a table cell, or after `-m`, `--mission` or `mission:`.

    Args:
        readme: a text file; default: the documents that CoGames installs, or all named missions if it installs none.

    Raises:
        BadInputError: the file is missing or is not text.
    """
    from daf.engine.documents import discover_missions

    return discover_missions(None if readme is None else user_path(readme, "readme"))
