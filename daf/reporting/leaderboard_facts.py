"""Which policies have which scores on which missions, over all comparisons in an output folder.

Scores stand on one board only if the same thing was measured: the mission with all of its settings, the environment
seeds, the versions of the engine, and the confidence level of the intervals. Jobs leave the digests of what they read.
With these, a score is traced to its episodes, and these to the mission that was played. Where that fails, since files
were made again or by hand, a comparison has boards that nothing else is on.

`daf.compare.leaderboard` is the leaderboard of benchmark suites, a file that grows from run to run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daf.errors import DafError
from daf.system.engine_packages import DECIDING_PACKAGES
from daf.system.files import digest
from daf.system.job_records import RECORD
from daf.system.json_files import read_json
from daf.system.nouns import number_of

COMPARISON = "comparisons/{name}/comparison.json"
_LOG = "logs/comparisons/{name}/compare" + RECORD
OVERALL = "overall"  # a row of summaries that is not about one mission


@dataclass(frozen=True, kw_only=True)
class Score:
    """A policy on a mission, in raw rewards.

    Attributes:
        policy: its name.
        episodes: how many behind the score.
        mean: reward per agent.
        low, high: its interval; None if it has none.
        success: share of successful episodes; None if that is not measured.
        failed: episodes without a result.
        timeouts: actions that took longer than allowed.
        comparisons: in which it is, by name.
    """

    policy: str
    episodes: int
    mean: float | None
    low: float | None
    high: float | None
    success: float | None
    failed: int
    timeouts: int
    comparisons: tuple[str, ...]


@dataclass(kw_only=True)
class Board:
    """Scores that measure the same thing, the best first.

    Attributes:
        mission: its name.
        setting: what else was the same, in words.
        scores: of all policies.
    """

    mission: str
    setting: str
    scores: list[Score] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """All boards of an output folder.

    Attributes:
        boards: by mission.
        unread: comparisons that are damaged, with what is wrong.
    """

    boards: list[Board]
    unread: dict[str, str]


def read_boards(out: Path) -> Leaderboard:
    """The boards of an output folder."""
    missions = _missions(out)
    boards: dict[tuple[str, str], Board] = {}
    entries: dict[tuple[str, str], dict[tuple[str, str], Score]] = {}
    unread: dict[str, str] = {}
    for path in sorted(out.glob(COMPARISON.format(name="*"))):
        name = path.parent.name
        try:
            rows = list(_rows(out, name, read_json(path, "a comparison"), missions))
        except DafError as error:
            unread[name] = error.found
            continue
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            unread[name] = f"another format ({error})"
            continue
        for board, identity, score in rows:
            key = (board.mission, board.setting)
            boards.setdefault(key, board)
            known = entries.setdefault(key, {})
            place = (score.policy, identity)
            known[place] = _joined(known[place], name) if place in known else score
    for key, board in boards.items():
        board.scores = sorted(entries[key].values(), key=_order)
    return Leaderboard(boards=[boards[key] for key in sorted(boards)], unread=unread)


def _joined(score: Score, comparison: str) -> Score:
    values = {**score.__dict__, "comparisons": (*score.comparisons, comparison)}
    return Score(**values)


def _order(score: Score) -> tuple[bool, float, str, tuple[str, ...]]:
    return score.mean is None, -(score.mean or 0.0), score.policy, score.comparisons


def _rows(out: Path, name: str, content: Mapping[str, Any], missions: Mapping[tuple[str, str], dict[str, Any]]) -> Any:
    """Board, identity of the episodes, and score of every policy and mission of a comparison."""
    read = _inputs(out, name)
    computation, versions = content["provenance"]["computation"], content["provenance"].get("versions") or {}
    engine = ", ".join(f"{package} {versions.get(package) or 'unknown'}" for package in DECIDING_PACKAGES)
    checkpoints = _checkpoints(content["episodes"])
    level = f"{100 * content['config']['confidence_level']:.4g} % intervals"
    for row in content["summary_statistics"]:
        policy, mission = row["policy"], row["mission"]
        if mission == OVERALL:
            continue
        paths = [f"evaluations/{one}/{mission}/episodes.parquet" for one in checkpoints.get((policy, mission), ())]
        digests = [read[path] for path in paths if path in read]
        is_known = bool(paths) and len(digests) == len(paths)
        played = [missions.get((path, read[path])) for path in paths] if is_known else [None]
        setting = played[0] if played[0] is not None and all(one == played[0] for one in played) else None
        what = _mission_in_words(setting) if setting is not None else f"as comparison {name} had it"
        seeds = computation["episode_seeds"].get(mission, "unknown")
        board = Board(mission=mission, setting=f"{what}; environment seeds {seeds}; {engine}; {level}")
        yield board, digest(digests) if is_known else name, _score(row, name, computation["normalization"])


def _score(row: Mapping[str, Any], comparison: str, scales: Any) -> Score:
    """A row of a summary in raw rewards. Normalization is linear, so bounds are converted back exactly."""
    bottom, top = scales[row["mission"]] if isinstance(scales, Mapping) else (0.0, 1.0)
    bounds = [row["interval_low"], row["interval_high"]]
    low, high = (None, None) if None in bounds else sorted(bottom + (top - bottom) * bound for bound in bounds)
    return Score(
        policy=row["policy"],
        episodes=row["n_episodes"],
        mean=row["mean_reward"],
        low=low,
        high=high,
        success=row["success_rate"],
        failed=row["failures"],
        timeouts=row["timeouts"],
        comparisons=(comparison,),
    )


def _checkpoints(episodes: Mapping[str, list[Any]]) -> dict[tuple[str, str], list[str]]:
    """The checkpoints of every policy on every mission."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for policy, mission, checkpoint in zip(
        episodes["policy"], episodes["mission"], episodes["checkpoint"], strict=True
    ):
        found.setdefault((policy, mission), {})[checkpoint] = None
    return {key: sorted(names) for key, names in found.items()}


def _inputs(out: Path, name: str) -> Mapping[str, str]:
    """The digests of what a comparison read; empty if no job of the workflow made it, or has made it again since."""
    try:
        record = read_json(out / _LOG.format(name=name), "the record of a job")
        inputs: Mapping[str, str] = record["inputs"]
    except (DafError, KeyError, TypeError):
        return {}
    return inputs


def _missions(out: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """By path and digest of a table of episodes, the mission on which they were played."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for path in out.glob("reports/missions/*.json"):
        try:
            report = read_json(path, "the report of a mission")
            record = read_json(out / "logs" / "reports" / "missions" / f"{path.stem}{RECORD}", "the record of a job")
            played = {"recipe": report["recipe"], "max_steps": report["metadata"]["max_steps"],
                      "agents": report["metadata"]["num_agents"]}  # fmt: skip
            found |= dict.fromkeys(record["inputs"].items(), played)
        except (DafError, KeyError, TypeError, AttributeError):
            continue
    return found


def _mission_in_words(played: Mapping[str, Any]) -> str:
    recipe, steps = played["recipe"], played["max_steps"]
    length = f"at most {number_of(steps, 'step')}" if steps else "no limit of steps"
    source = recipe["config"]["source"]
    where = "" if source == recipe["name"] else f"{source}, "
    return f"{where}{length}, {number_of(played['agents'], 'agent')} (settings {digest(recipe)[:8]})"
