"""A cumulative leaderboard: one JSON file, with one board per suite and setting, and one entry per policy.

Entries are comparable because everything that could make them incomparable is either part of the board's key or
refused: the suite's missions, the number of episodes, the environment seeds, and the engine versions. Scores are raw
rewards, whatever the normalization of a comparison; each interval comes with its confidence level. A policy is
identified by what determines how it acts (class and its code, arguments, content of the weights, training recipe). If
it is entered again, it replaces its entry; a different policy with the same name gets a numbered name.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from daf.config import ExperimentConfig
from daf.config.recipes import MissionRecipe
from daf.errors import BadInputError
from daf.statistics.records import OVERALL, SummaryRecord
from daf.statistics.results import ComparisonResults
from daf.system.csv_files import csv_of_frame
from daf.system.engine_packages import DECIDING_PACKAGES
from daf.system.files import digest, write_json, write_text
from daf.system.json_files import read_own_json
from daf.system.locks import exclusive
from daf.system.plain import to_plain
from daf.system.provenance import versions
from daf.system.validated import validated
from daf.workflow.checkpoint_plan import Checkpoint
from daf.workflow.plan import Plan

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "daf-leaderboard/3"  # 1 identified policies differently, 2 without their code


class Figures(TypedDict):
    """What readers rely on of an entry's figures on one mission, in raw rewards."""

    mean: float | None


class Entry(TypedDict):
    """What readers rely on of one policy's entry."""

    policy: str
    identity: str
    missions: dict[str, Figures]
    provenance: dict[str, Any]
    mean_rank: NotRequired[float]
    mean: NotRequired[float | None]


class Board(TypedDict):
    """The entries of one suite and setting."""

    setting: dict[str, Any]
    entries: list[Entry]


class LeaderboardFile(TypedDict):
    """A leaderboard: boards by name, and the engine that they belong to."""

    format: str
    engine: dict[str, str | None]
    boards: dict[str, Board]


def read_leaderboard(path: str | Path) -> dict[str, Any]:
    """The file's content, or an empty leaderboard for the installed engine if the file does not exist.

    Raises:
        BadInputError: the file is not a leaderboard.
    """
    path = Path(path)
    if not path.is_file():
        return {"format": FORMAT, "engine": _engine(), "boards": {}}
    hint = "restore the file from a copy, or use another one"
    content = read_own_json(path, "a leaderboard", hint)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        actual = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise BadInputError(f"format '{FORMAT}'", repr(actual), str(path), "use another file")
    validated(LeaderboardFile, content, str(path), hint)
    return content


def check_engine(path: str | Path) -> None:
    """Raise BadInputError if the file holds results of engine versions other than those installed."""
    known, installed = read_leaderboard(path)["engine"], _engine()
    if known != installed:
        hint = "scores of different engine versions are not comparable: use another file"
        raise BadInputError(f"results of {_words(known)}", f"{_words(installed)} is installed", str(path), hint)


def enter(path: str | Path, suite: str, experiment: ExperimentConfig, results: ComparisonResults) -> dict[str, Any]:
    """Add or replace the entries of a comparison's policies, and write the file and a .csv of it.

    Args:
        suite: name of the suite, which is also the comparison's name in `experiment`.

    Returns:
        The whole content.

    Raises:
        BadInputError: the file holds results of a different engine version; it stays unchanged.
    """
    path = Path(path)
    comparison = experiment.comparisons[suite]
    plan = Plan(experiment)
    missions = [MissionRecipe.of(mission, experiment.missions).to_dict() for mission in comparison.missions]
    setting = {
        "suite": suite,
        "missions_digest": digest(missions),
        "episodes_per_mission": comparison.episodes_per_mission,
        "evaluation_seed": comparison.evaluation_seed,
        "max_action_time_ms": experiment.evaluation.max_action_time_ms,
    }
    key = f"{suite}, {comparison.episodes_per_mission} episodes from seed {comparison.evaluation_seed}"
    with exclusive(path.parent / f".{path.name}.lock", lambda _: None):
        check_engine(path)
        content = read_leaderboard(path)
        board = content["boards"].setdefault(key, {"setting": setting, "entries": []})
        if board["setting"] != setting:
            hint = "the suite's missions or the action time have changed since: use another file"
            raise BadInputError(f"the setting of the board '{key}'", "another", str(path), hint)
        for policy in results.policies:
            _replace(board["entries"], _entry(plan, policy, results))
        _rank(board["entries"], results.missions)
        write_json(path, content)
        write_text(path.with_suffix(".csv"), csv_of_frame(_table(content)))
    return content


def _entry(plan: Plan, policy: str, results: ComparisonResults) -> dict[str, Any]:
    checkpoints = list(plan.checkpoints.of_policy(policy))
    identity = digest([_identity(plan, checkpoint) for checkpoint in checkpoints])
    return {
        "policy": policy,
        "identity": identity,
        "class_path": checkpoints[0].config.class_path,
        "train_seeds": [checkpoint.seed for checkpoint in checkpoints if checkpoint.seed is not None],
        "missions": {
            record.mission: _figures(record, results)
            for record in results.summary
            if record.policy == policy and record.mission != OVERALL
        },
        "provenance": {key: results.provenance[key] for key in ("recipe_digest", "versions", "git", "host", "created")},
    }


def _figures(record: SummaryRecord, results: ComparisonResults) -> dict[str, Any]:
    """A summary record in raw rewards. Normalization is linear, so bounds and IQM are converted back exactly."""
    bottom, top = results.scale(record.mission)

    def raw(score: float) -> float:
        return bottom + (top - bottom) * score

    low, high = sorted((raw(record.interval_low), raw(record.interval_high)))
    figures = {
        "mean": record.mean_reward,
        "interval_low": low,
        "interval_high": high,
        "confidence_level": results.config.confidence_level,
        "iqm": raw(record.iqm),
        "success_rate": record.success_rate,
        "n_episodes": record.n_episodes,
        "failures": record.failures,
    }
    return {name: to_plain(value) for name, value in figures.items()}


def _identity(plan: Plan, checkpoint: Checkpoint) -> Any:
    if checkpoint.members:
        return [[share, _identity(plan, member)] for member, share in checkpoint.members]
    if checkpoint.training is not None and checkpoint.seed is not None:
        digest = plan.learning.training(checkpoint.training, checkpoint.seed).digest
        return digest if checkpoint.at is None else [digest, checkpoint.at]
    return checkpoint.recipe().identity()


def _replace(entries: list[dict[str, Any]], entry: dict[str, Any]) -> None:
    """Replace the entry of the same policy, or add one under a free name."""
    for index, known in enumerate(entries):
        if known["identity"] == entry["identity"]:
            entries[index] = entry | {"policy": known["policy"]}
            return
    taken = {known["policy"] for known in entries}
    names: Iterable[str] = (f"{entry['policy']}-{number}" for number in range(2, len(entries) + 3))
    free = next(name for name in (entry["policy"], *names) if name not in taken)
    entries.append(entry | {"policy": free})


def _rank(entries: list[dict[str, Any]], missions: list[str]) -> None:
    """Order by mean rank over missions, since reward scales differ between missions; ties share a rank."""
    import numpy as np

    from daf.statistics.ranking import ranks_of_scores

    if not entries:
        return
    means = [[entry["missions"].get(name, {}).get("mean") for name in missions] for entry in entries]
    scores = np.array([[-np.inf if mean is None else mean for mean in row] for row in means])  # unplayed: last
    for entry, ranks, row in zip(entries, ranks_of_scores(scores), scores, strict=True):
        entry["mean_rank"] = float(ranks.mean())
        entry["mean"] = float(row.mean()) if np.isfinite(row).all() else None
    entries.sort(key=lambda entry: (entry["mean_rank"], entry["policy"]))


def _table(content: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    rows = [
        {
            "board": key, "place": place, "policy": entry["policy"], "mean_rank": entry.get("mean_rank"),
            "mean": entry.get("mean"), **{name: figures["mean"] for name, figures in entry["missions"].items()},
            "created": entry["provenance"].get("created"),
        }
        for key, board in content["boards"].items()
        for place, entry in enumerate(board["entries"], start=1)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _engine() -> dict[str, str | None]:
    installed = versions()
    return {name: installed[name] for name in DECIDING_PACKAGES}


def _words(engine: dict[str, str | None]) -> str:
    return " and ".join(f"{name} {version or 'none'}" for name, version in engine.items())
