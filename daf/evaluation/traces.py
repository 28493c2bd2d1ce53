"""The episodes that a mission's page draws, replayed from the table: those that it plays, and those of the heat map.

Paths of agents can be overlaid only on one map, and many missions build a different map from every seed. The heat map
therefore shows only episodes on the map of the animated one, and states their number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from daf.config import Replay
from daf.evaluation.replays import pick_episode

if TYPE_CHECKING:
    import pandas as pd

    from daf.engine.missions import Mission
    from daf.engine.replays import EpisodeTrace

ANIMATED: Replay = "median"
PLAYED: tuple[Replay, ...] = ("best", "median", "worst")
MOST_POLICIES = 8  # with more, only the median episode of each is drawn, so that a page stays small
HEAT_MAP_AGENT_STEPS = 200_000  # maximum number of episodes replayed for a heat map: takes seconds on common maps
MAPS_COMPARED = 64  # maximum number of episodes whose maps are compared with the animated one's
GIVE_UP_AFTER = 16  # stop after this number of different maps in a row; building a large map takes seconds


@dataclass(frozen=True, kw_only=True)
class TracedEpisode:
    """An episode to watch.

    Attributes:
        ranks: which it is by mean reward; with few episodes, or equal rewards, one episode is several of them.
        success: None if the mission declares none.
    """

    ranks: tuple[Replay, ...]
    episode: int
    env_seed: int
    mean_reward: float
    success: bool | None
    trace: EpisodeTrace

    def to_dict(self) -> dict[str, Any]:
        return {
            "ranks": list(self.ranks),
            "episode": self.episode,
            "env_seed": self.env_seed,
            "mean_reward": self.mean_reward,
        }


@dataclass(frozen=True, kw_only=True)
class PolicyTraces:
    """What is drawn for one policy.

    Attributes:
        policy: label of the checkpoint.
        episodes: those to watch, the best first, each once.
        heat_map: episodes on one map, including the animated one, in the order played.
        heat_map_episodes: their numbers.
        num_played: episodes that have a result.
        one_map: whether every compared map equals that of the animated episode; None if there was no other episode.
    """

    policy: str
    episodes: tuple[TracedEpisode, ...]
    agent_policies: list[str] | None
    heat_map: tuple[EpisodeTrace, ...]
    heat_map_episodes: list[int]
    heat_map_seeds: list[int]
    num_played: int
    one_map: bool | None

    @property
    def animated(self) -> TracedEpisode:
        """The median episode by mean reward, whose map the heat map shows."""
        return next(episode for episode in self.episodes if ANIMATED in episode.ranks)

    def to_dict(self) -> dict[str, Any]:
        """Which episodes were drawn, for the mission's JSON."""
        return {
            "policy": self.policy,
            "episodes": [episode.to_dict() for episode in self.episodes],
            "heat_map": {"episodes": self.heat_map_episodes, "seeds": self.heat_map_seeds},
            "one_map": self.one_map,
        }


def trace_policies(frames: Sequence[pd.DataFrame], mission: Mission) -> list[PolicyTraces | None]:
    """The traces of every policy, one table each; None for a policy whose episodes all failed.

    Raises:
        DafError: the outcome of an episode differs when replayed: a different engine or mission.
    """
    import numpy as np

    from daf.engine.replays import trace_episode

    @cache
    def map_of(seed: int) -> tuple[Any, ...]:  # policies play the same seeds
        nothing = np.zeros((2, 0, mission.num_agents), dtype=np.uint8)
        return _map(trace_episode(mission, seed, nothing))

    ranks: tuple[Replay, ...] = PLAYED if len(frames) <= MOST_POLICIES else (ANIMATED,)
    return [_trace_policy(frame, mission, ranks, map_of) for frame in frames]


def _trace_policy(
    frame: pd.DataFrame, mission: Mission, ranks: Sequence[Replay], map_of: Callable[[int], tuple[Any, ...]]
) -> PolicyTraces | None:
    played = frame[frame["failure"].isna()]
    if played.empty:
        return None
    picked = {rank: pick_episode(frame, rank) for rank in ranks}
    animated = picked[ANIMATED]
    others = [row for row in played.to_dict("records") if row["episode"] != animated["episode"]]
    on_map, one_map = _on_the_map_of(animated, others, map_of)
    longest = int(played["length"].max()) * mission.num_agents
    drawn = [animated, *evenly(on_map, HEAT_MAP_AGENT_STEPS // longest - 1)]
    drawn.sort(key=lambda row: row["episode"])
    rows = {row["episode"]: row for row in [*drawn, *picked.values()]}
    traces = {number: _trace(row, mission) for number, row in rows.items()}
    watched = dict.fromkeys(row["episode"] for row in picked.values())
    players = animated["agent_policies"]
    return PolicyTraces(
        policy=animated["checkpoint"],
        episodes=tuple(
            TracedEpisode(
                ranks=tuple(rank for rank in ranks if picked[rank]["episode"] == number),
                episode=int(number),
                env_seed=int(rows[number]["env_seed"]),
                mean_reward=float(rows[number]["mean_reward"]),
                success=_known(rows[number]["success"]),
                trace=traces[number],
            )
            for number in watched
        ),
        agent_policies=None if players is None else list(players),
        heat_map=tuple(traces[row["episode"]] for row in drawn),
        heat_map_episodes=[int(row["episode"]) for row in drawn],
        heat_map_seeds=[int(row["env_seed"]) for row in drawn],
        num_played=len(played),
        one_map=one_map,
    )


def _known(success: Any) -> bool | None:
    """A cell of the nullable column."""
    import pandas as pd

    return None if pd.isna(success) else bool(success)


def _on_the_map_of(
    animated: dict[str, Any], others: list[dict[str, Any]], map_of: Callable[[int], tuple[Any, ...]]
) -> tuple[list[dict[str, Any]], bool | None]:
    """The episodes on the animated one's map, and whether all examined episodes are on it."""
    found: list[dict[str, Any]] = []
    compared = 0
    for row in evenly(others, MAPS_COMPARED):
        if not found and compared == GIVE_UP_AFTER:
            break
        compared += 1
        if map_of(int(row["env_seed"])) == map_of(int(animated["env_seed"])):
            found.append(row)
    return found, len(found) == compared if compared else None


def evenly(rows: Sequence[Any], count: int) -> list[Any]:
    """At most `count` evenly spaced rows, including the first and the last if there are two or more."""
    if count >= len(rows):
        return list(rows)
    if count <= 1:
        return list(rows[:1]) if count == 1 else []
    return [rows[round(place * (len(rows) - 1) / (count - 1))] for place in range(count)]


def _trace(row: dict[str, Any], mission: Mission) -> EpisodeTrace:
    from daf.engine.episode import unpack_actions
    from daf.engine.replays import trace_episode

    actions = unpack_actions(row["actions"], mission.num_agents, int(row["length"]))
    return trace_episode(mission, int(row["env_seed"]), actions, row["agent_rewards"])


def _map(trace: EpisodeTrace) -> tuple[Any, ...]:
    """A key that is equal for equal maps: walls and objects in the same places."""
    return trace.walls.shape, trace.walls.tobytes(), frozenset(trace.objects)
