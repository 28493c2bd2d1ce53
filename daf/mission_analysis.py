"""Mission analysis: how a policy fares on a mission, and what missions there are.

Episodes come from `daf.engine.evaluation` or from files; this module describes them. Comparing policies with each
other is `daf.comparison`'s business.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from daf.config import MissionConfig
from daf.config.recipes import MissionRecipe
from daf.episodes.table import read_episodes, read_provenance
from daf.errors import BadInputError, ConfigError
from daf.evaluation.mission import MissionAnalysis, MissionMetadata, analyze_episodes, mission_metadata, usage_in
from daf.system.files import write_json
from daf.system.provenance import provenance
from daf.system.resource_usage import usage_since

DEFAULT_POLICY = "random"  # plays every mission, and says what a mission gives away for nothing
DEFAULT_EPISODES = 20


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
    start = time.perf_counter()
    frame = evaluate_policy(policy, mission, episodes=episodes, seed=seed, workers=workers, device=device)
    return analyze_episodes(frame, mission_metadata(mission), usage=usage_since(start))


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

    return mission_metadata(resolve_mission(mission_name))


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
    metadata = mission_metadata(mission)
    frames = [read_episodes(path) for path in episode_files]
    made = [read_provenance(path) for path in episode_files]
    analyses = [analyze_episodes(frame, metadata, usage=usage_in(one)) for frame, one in zip(frames, made, strict=True)]
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
