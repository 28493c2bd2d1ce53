"""Replays: single episodes of an episodes table, replayed and written for `cogames replay`.

From a shell, for a policy of a mission's report: `python -m daf.evaluation.replays REPORT POLICY EPISODE`.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, get_args

from pydantic import ConfigDict

from daf.config import MissionConfig, Replay
from daf.config.recipes import MissionRecipe
from daf.episodes.table import read_episodes
from daf.errors import BadInputError, DafError, did_you_mean
from daf.system.arguments import checked_arguments
from daf.system.validated import read_record

if TYPE_CHECKING:
    import pandas as pd


def pick_episode(episodes: pd.DataFrame, which: str | int) -> dict[str, Any]:
    """The row of an episode with a result: the best, median or worst by mean reward, or the one with this seed.

    For an even number, the median is the lower of the two middle episodes. Among equals, the one played first counts.

    Raises:
        BadInputError: an unknown choice, several policies or missions in the table, or no such episode with a result.
    """
    known = get_args(Replay)
    if isinstance(which, str) and which not in known:
        expected = f"one of {', '.join(known)}, or an environment seed"
        raise BadInputError(expected, f"'{which}'", "which episode", did_you_mean(which, known))
    for column in ("checkpoint", "mission"):
        if episodes[column].nunique() > 1:
            found = ", ".join(map(str, episodes[column].unique()))
            raise BadInputError(f"episodes of one {column}", found, "episodes table", f"select one {column} first")
    played = episodes[episodes["failure"].isna()].sort_values(["mean_reward", "episode"], ignore_index=True)
    if played.empty:
        raise BadInputError("an episode with a result", f"{len(episodes)} that failed", "episodes table")
    if isinstance(which, int):
        return _with_seed(episodes, which)
    reward = played["mean_reward"].iloc[{"worst": 0, "median": (len(played) - 1) // 2, "best": -1}[which]]
    row: dict[str, Any] = played[played["mean_reward"] == reward].iloc[0].to_dict()
    return row


def _with_seed(episodes: pd.DataFrame, seed: int) -> dict[str, Any]:
    rows = episodes[episodes["env_seed"] == seed].to_dict("records")
    if not rows:
        first, last = episodes["env_seed"].min(), episodes["env_seed"].max()
        raise BadInputError(f"one of the seeds from {first} to {last}", str(seed), "which episode")
    row: dict[str, Any] = rows[0]
    if isinstance(row["failure"], str):
        hint = "the log of its evaluation has the traceback"
        raise BadInputError("an episode with a result", f"one that failed: {row['failure']}", f"seed {seed}", hint)
    return row


@checked_arguments
def daf_write_replay(
    episodes: pd.DataFrame | str | Path,
    output: str | Path,
    which: str | int = "median",
    *,
    mission: str | MissionConfig | None = None,
) -> dict[str, Any]:
    """Write the replay of one episode; watch it with `cogames replay <output>`.

    Args:
        episodes: a table of one policy on one mission, or its parquet file.
        output: the file to write, named `….json.z`.
        which: best, median or worst, by mean reward; or an environment seed.
        mission: what was played, if its name does not determine it (changes of a MissionConfig, a mission file).

    Returns:
        The episode's row of the table.

    Raises:
        BadInputError: no such episode, or an unknown mission.
        DafError: the outcome differs when replayed: a different engine, or a changed mission.
    """
    from daf.engine.episode import unpack_actions
    from daf.engine.missions import resolve_mission
    from daf.engine.replays import write_replay

    frame = read_episodes(episodes) if isinstance(episodes, str | Path) else episodes
    row = pick_episode(frame, which)
    found = resolve_mission(mission if mission is not None else row["mission"])
    players = row["agent_policies"]
    write_replay(
        output,
        found,
        int(row["env_seed"]),
        unpack_actions(row["actions"], found.num_agents, int(row["length"])),
        agent_policies=[row["policy"]] * found.num_agents if players is None else list(players),
        expected_rewards=row["agent_rewards"],
    )
    return row


# ---- from a shell -----------------------------------------------------------------------------------------------


class ReplayedReport(TypedDict):
    """What a replay needs of a mission's report.

    Attributes:
        recipe: the mission.
        episodes: tables by checkpoint, relative to the report's folder.
    """

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    recipe: MissionRecipe
    episodes: dict[str, str]


def write_reported_replay(
    report: str | Path, policy: str, which: str | int, output: str | Path | None = None
) -> tuple[Path, dict[str, Any]]:
    """Write the replay of an episode of a mission's report, by default to `<policy>-<mission>-<seed>.json.z` in the
    current folder.

    Args:
        report: the mission's JSON.
        policy: label of the checkpoint.
        which: best, median or worst, by mean reward; or an environment seed.

    Returns:
        The file, and the episode's row of the table.

    Raises:
        BadInputError: no such report, policy or episode.
        DafError: the outcome differs when replayed.
    """
    path = Path(report)
    found = read_record(path, ReplayedReport, "a mission's report")
    tables = found["episodes"]
    if policy not in tables:
        hint = did_you_mean(policy, tables)
        raise BadInputError(f"one of {', '.join(tables)}", f"'{policy}'", f"{path}: episodes", hint)
    frame = read_episodes(os.path.normpath(path.parent / tables[policy]))
    mission = found["recipe"]
    if output is None:
        output = f"{policy}-{mission.name}-{pick_episode(frame, which)['env_seed']}.json.z"
    return Path(output), daf_write_replay(frame, output, which, mission=mission.config)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m daf.evaluation.replays",
        description="Write an episode of a mission's report for `cogames replay`.",
    )
    parser.add_argument("report", help="the JSON of a mission's report, in reports/missions/")
    parser.add_argument("policy", help="label of the checkpoint")
    parser.add_argument("episode", help="best, median, worst, or an environment seed")
    parser.add_argument("--output", help="file to write (default: <policy>-<mission>-<seed>.json.z)")
    given = parser.parse_args(arguments)
    which = int(given.episode) if given.episode.isdecimal() else given.episode
    try:
        path, row = write_reported_replay(given.report, given.policy, which, given.output)
    except DafError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(
        f"episode {row['episode']} (seed {row['env_seed']}), mean reward {row['mean_reward']:.3f}; watch it with:\n"
        f"cogames replay {shlex.quote(str(path))}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
