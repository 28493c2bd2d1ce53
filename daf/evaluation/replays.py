"""Replays: single episodes of an episodes table, replayed and written for `cogames replay`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from daf.config import MissionConfig, Replay
from daf.episodes.table import read_episodes
from daf.errors import BadInputError, did_you_mean
from daf.system.arguments import checked_arguments

if TYPE_CHECKING:
    import pandas as pd


def pick_episode(episodes: pd.DataFrame, which: str) -> dict[str, Any]:
    """The row of the best, median or worst episode by mean reward; among equals, the one played first.

    For an even number, the median is the lower of the two middle episodes.

    Raises:
        BadInputError: an unknown choice, several policies or missions in the table, or no episode with a result.
    """
    known = get_args(Replay)
    if which not in known:
        raise BadInputError(f"one of {', '.join(known)}", f"'{which}'", "which episode", did_you_mean(which, known))
    for column in ("checkpoint", "mission"):
        if episodes[column].nunique() > 1:
            found = ", ".join(map(str, episodes[column].unique()))
            raise BadInputError(f"episodes of one {column}", found, "episodes table", f"select one {column} first")
    played = episodes[episodes["failure"].isna()].sort_values(["mean_reward", "episode"], ignore_index=True)
    if played.empty:
        raise BadInputError("an episode with a result", f"{len(episodes)} that failed", "episodes table")
    reward = played["mean_reward"].iloc[{"worst": 0, "median": (len(played) - 1) // 2, "best": -1}[which]]
    row: dict[str, Any] = played[played["mean_reward"] == reward].iloc[0].to_dict()
    return row


@checked_arguments
def daf_write_replay(
    episodes: pd.DataFrame | str | Path,
    output: str | Path,
    which: str = "median",
    *,
    mission: str | MissionConfig | None = None,
) -> dict[str, Any]:
    """Write the replay of one episode; watch it with `cogames replay <output>`.

    Args:
        episodes: a table of one policy on one mission, or its parquet file.
        output: the file to write, named `….json.z`.
        which: best, median or worst, by mean reward.
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
