"""Mission analysis: how a policy fares on a mission, and what missions there are.

Episodes come from `daf.engine.evaluation` or from files; this module describes them. Comparing policies with each
other is `daf.comparison`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.config import MissionConfig
from daf.config.recipes import MissionRecipe
from daf.episodes.failure_modes import FailureMode, find_failure_modes
from daf.episodes.statistics import EpisodeStatistics, episode_statistics
from daf.episodes.success import statistics_in
from daf.episodes.table import read_episodes, read_provenance
from daf.errors import BadInputError, ConfigError
from daf.system.files import write_json
from daf.system.provenance import provenance
from daf.system.resource_usage import Usage, UsageMeter

if TYPE_CHECKING:
    import pandas as pd

DEFAULT_POLICY = "random"  # plays every mission, and says what a mission gives away for nothing
DEFAULT_EPISODES = 20
RESAMPLING_SEED = 0  # of the bootstrap interval; fixed, so that the same episodes give the same interval


@dataclass(frozen=True, kw_only=True)
class MissionMetadata:
    """What a mission is.

    Attributes:
        success: when an episode is a success, an expression (`daf.episodes.success`); None if nobody says.
        success_reason: where that comes from, or why there is none.
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


@dataclass(frozen=True, kw_only=True)
class MissionAnalysis:
    """How one policy fares on one mission. Intervals are (low, high), or None where the data cannot say.

    Attributes:
        success_rate: share of episodes in which `success` held; None if the mission declares no success.
        success_unreported: statistics of the success expression that no episode reported, which count as 0: nothing of
            the kind happened, or the name is wrong.
        mean_reward: mean over episodes of the mean over agents of the total reward.
        variance_reward: sample variance of the same over episodes.
        interval_methods: how each interval was made and what it assumes, or why there is none.
        failure_modes: most frequent first.
        resource_usage: steps (all episodes together, and per episode), actions that took longer than allowed, wall
            seconds and peak memory in MiB of playing (None if a file does not say), and engine resources gained and
            lost per episode.
    """

    mission: str
    policy: str
    num_episodes: int
    num_failed: int
    success: str | None
    success_rate: float | None
    success_interval: tuple[float, float] | None
    success_unreported: list[str]
    mean_reward: float | None
    reward_interval: tuple[float, float] | None
    variance_reward: float | None
    variance_interval: tuple[float, float] | None
    interval_methods: dict[str, str]
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
            parts.append(f"success {self.success_rate:.0%}{_span(self.success_interval)} of {self.success}")
            if self.success_unreported:
                parts.append(f"no episode reported {', '.join(map(repr, self.success_unreported))}")
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
    from daf.engine.evaluation import evaluate_policy
    from daf.engine.missions import check_buildable, resolve_mission

    if episodes < 1:
        raise BadInputError("at least one episode", str(episodes), "daf_analyze_mission: episodes")
    mission = resolve_mission(mission_name)
    check_buildable(mission)
    with UsageMeter() as meter:
        frame = evaluate_policy(policy, mission, episodes=episodes, seed=seed, workers=workers, device=device)
    return analyze_episodes(frame, _metadata(mission), usage=meter.usage)


def daf_analyze_mission_set(
    mission_names: Sequence[str | MissionConfig],
    policy: Any = DEFAULT_POLICY,
    episodes: int = DEFAULT_EPISODES,
    **options: Any,
) -> dict[str, MissionAnalysis]:
    """`daf_analyze_mission` for several missions, by name. All missions are checked before the first episode.

    Raises:
        BadInputError: two different missions of one name.
        ConfigError: with one problem per mission that does not exist or cannot be built.
    """
    names = daf_validate_mission_set(mission_names)
    missions: dict[str, str | MissionConfig] = {}
    for name, mission in zip(names, mission_names, strict=True):
        if missions.setdefault(name, mission) != mission:
            hint = "analyze them one by one"
            raise BadInputError("missions of different names", f"'{name}' twice", "mission set", hint)
    return {name: daf_analyze_mission(mission, policy, episodes, **options) for name, mission in missions.items()}


def daf_get_mission_metadata(mission_name: str | MissionConfig) -> MissionMetadata:
    """What a mission is, without playing it.

    Raises:
        BadInputError: unknown mission.
    """
    from daf.engine.missions import resolve_mission

    return _metadata(resolve_mission(mission_name))


def daf_validate_mission_set(mission_names: Sequence[str | MissionConfig]) -> list[str]:
    """The names of missions, all of which exist and can be built (the first episode of each is, to find out).

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


def daf_discover_missions_from_readme(readme: str | Path | None = None) -> list[str]:
    """Missions that a document names, in the order of their first mention, without the prefix `evals.`.

    A name that is also a word (`arena`, `empty`, `tutorial`) counts only where it is marked as a name: in backticks,
    quotes or bold, alone in a table's cell, or after `-m`, `--mission` or `mission:`.

    Args:
        readme: a text file; by default the documents that CoGames installs, or, where it installs none, all missions
            that have a name.

    Raises:
        BadInputError: there is no such file, or it holds no text.
    """
    from daf.engine.missions import installed_documents, list_missions

    known = list_missions()
    texts = installed_documents() if readme is None else [_read_text(Path(readme))]
    if readme is None and not texts:
        return list(known)
    found = [name for text in texts for name in _mentions(text.replace(r"\_", "_"), frozenset(known))]
    return list(dict.fromkeys(found))


_NAME = re.compile(r"(?<![\w.])(?:evals\.)?(?P<name>[A-Za-z]\w*(?:\.\w+)*)")
_OPENING = re.compile(r"""([`"'|]|\*\*)\s*$""")
_CLOSING = re.compile(r"""\s*([`"'|]|\*\*)""")
_ANNOUNCING = re.compile(r"(-m|--mission|\bmissions?\s*[:=])[\s=]*$")


def _mentions(text: str, known: frozenset[str]) -> list[str]:
    names = []
    for match in _NAME.finditer(text):
        name = match["name"]
        if name not in known:
            continue
        before, after = text[max(0, match.start() - 20) : match.start()], text[match.end() : match.end() + 20]
        marked = (_OPENING.search(before) and _CLOSING.match(after)) or _ANNOUNCING.search(before)
        if marked or not name.isalpha():
            names.append(name)
    return names


def _read_text(path: Path) -> str:
    if not path.is_file():
        raise BadInputError("a text file", "a folder" if path.is_dir() else "no such file", str(path))
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInputError("a text file", f"bytes that are no UTF-8 text: {error.reason}", str(path)) from error


# ---- from episodes ----------------------------------------------------------------------------------------


def analyze_episodes(
    episodes: pd.DataFrame, metadata: MissionMetadata, *, usage: Usage | None = None
) -> MissionAnalysis:
    """Describe the episodes of one policy on one mission; a pure function of the table.

    Args:
        usage: what playing them took, if it is known.
    """
    import numpy as np

    from daf.statistics.intervals import mean_interval, variance_interval, wilson_interval

    played = episodes[episodes["failure"].isna()]
    statistics = episode_statistics(episodes)
    rewards = played["mean_reward"].dropna().to_numpy(dtype=float)
    successes = played["success"].dropna()
    n = len(rewards)
    intervals = {
        "success": wilson_interval(float(successes.sum()), len(successes)),
        "reward": mean_interval([rewards], rng=np.random.default_rng(RESAMPLING_SEED)),
        "variance": variance_interval(rewards),
    }
    bounds = {name: (one.low, one.high) if one.known else None for name, one in intervals.items()}
    return MissionAnalysis(
        mission=metadata.name,
        policy=", ".join(dict.fromkeys(episodes["checkpoint"])),
        num_episodes=len(episodes),
        num_failed=len(episodes) - len(played),
        success=metadata.success,
        success_rate=float(successes.mean()) if len(successes) else None,
        success_interval=bounds["success"],
        success_unreported=_unreported(metadata.success, statistics) if metadata.success and len(successes) else [],
        mean_reward=float(rewards.mean()) if n else None,
        reward_interval=bounds["reward"],
        variance_reward=float(rewards.var(ddof=1)) if n > 1 else None,
        variance_interval=bounds["variance"],
        interval_methods={
            f"{name}_interval": f"95 %, {one.method}" if one.known else one.method for name, one in intervals.items()
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


def _unreported(success: str, statistics: EpisodeStatistics) -> list[str]:
    of_game, of_agents = statistics_in(success)
    missing = [name for name in of_game if name not in statistics.game]
    return missing + [name for name in of_agents if name not in statistics.agent]


def _metadata(mission: Any) -> MissionMetadata:
    from daf.engine.missions import describe

    return MissionMetadata(**describe(mission))


def _usage_in(made_by: Mapping[str, Any]) -> Usage | None:
    """What playing took, from the provenance of an episodes file: the seconds of all shards, the largest memory."""
    shards = [shard.get("usage") for shard in made_by.get("shards", [made_by])]
    known = [Usage(**shard) for shard in shards if shard]
    if not known or len(known) < len(shards):
        return None
    return Usage(
        seconds=sum(shard.seconds for shard in known), peak_memory_mb=max(shard.peak_memory_mb for shard in known)
    )


def write_mission_report(
    recipe: MissionRecipe, episode_files: Sequence[str], *, json_path: str | Path, html_path: str | Path
) -> list[MissionAnalysis]:
    """Analyze every checkpoint's episodes on a mission, and write the results as JSON and as a page.

    Raises:
        DafError: an episode comes out differently when it is played again for the page's pictures.
    """
    from daf.engine.missions import resolve_mission
    from daf.evaluation.traces import trace_policies
    from daf.reporting.mission_page import render_mission_page

    mission = resolve_mission(recipe.config, recipe.name)
    metadata = _metadata(mission)
    frames = [read_episodes(path) for path in episode_files]
    made = [read_provenance(path) for path in episode_files]
    analyses = [
        analyze_episodes(frame, metadata, usage=_usage_in(one)) for frame, one in zip(frames, made, strict=True)
    ]
    traces = trace_policies(frames, mission)
    made_by = provenance(recipe.to_dict(), {}) | {"episodes": made}
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
