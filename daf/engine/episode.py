"""The stored results of an episode, and the actions from which it can be replayed.

The engine is deterministic, so mission, seed and actions determine everything: replays, heat maps and animations are
made from them later, without the policy (`daf.engine.replays`).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from daf.engine.missions import Mission
from daf.episodes.objective import episode_objective
from daf.episodes.success import EpisodeFacts, is_success
from daf.system.compressed import unpack
from daf.system.failure_report import FailureReport

EPISODES_PER_BATCH = 16  # that one network plays in lock step


@dataclass(frozen=True, kw_only=True)
class PlayedEpisode:
    """The results of one episode, before it becomes a row.

    Attributes:
        actions: uint8 [2, steps, agents]: indices into `all_action_names` of the primary actions, and of the vibes
            chosen in addition or instead (0: none).
        agent_timeouts: how often an action of each agent took too long.
        agent_policies: the team member that played each agent; None without a team.
        failure: why the episode has no result.
    """

    agent_rewards: list[float]
    length: int
    agent_timeouts: list[int]
    action_counts: dict[str, int]
    game_stats: dict[str, float]
    agent_stats: list[dict[str, float]]
    actions: np.ndarray
    agent_policies: list[str] | None = None
    failure: FailureReport | None = None

    @property
    def timeouts(self) -> int:
        """How often an action took too long."""
        return sum(self.agent_timeouts)

    def facts(self) -> EpisodeFacts:
        """The values for objectives and success expressions; not available for a failed episode."""
        return EpisodeFacts(
            mean_reward=float(np.mean(self.agent_rewards)),
            length=self.length,
            game_stats=self.game_stats,
            agent_stats=self.agent_stats,
        )


def finished(
    simulation: Any,
    names: Sequence[str],
    counts: np.ndarray,
    actions: np.ndarray,
    *,
    timeouts: np.ndarray | None = None,
    agent_policies: list[str] | None = None,
) -> PlayedEpisode:
    """The result of a simulation that has ended.

    Args:
        counts: how often each of `names` was chosen.
        timeouts: how often an action of each agent took too long; None: never.
    """
    stats = simulation.get_episode_stats()
    return PlayedEpisode(
        agent_rewards=[float(reward) for reward in simulation.get_episode_rewards()],
        length=int(simulation.current_step),
        agent_timeouts=[0] * actions.shape[2] if timeouts is None else timeouts.tolist(),
        action_counts={name: int(count) for name, count in zip(names, counts, strict=True)},
        game_stats=dict(stats["game"]),
        agent_stats=[dict(agent) for agent in stats["agent"]],
        actions=actions,
        agent_policies=agent_policies,
    )


def failed(failure: FailureReport, num_agents: int) -> PlayedEpisode:
    """An episode without a result."""
    return PlayedEpisode(
        agent_rewards=[],
        length=0,
        agent_timeouts=[],
        action_counts={},
        game_stats={},
        agent_stats=[],
        actions=np.zeros((2, 0, num_agents), dtype=np.uint8),
        failure=failure,
    )


def success_of(episode: PlayedEpisode, mission: Mission) -> bool | None:
    """None if the mission declares no success or the episode failed."""
    if not mission.success or episode.failure is not None:
        return None
    return is_success(mission.success, episode.facts())


def episode_row(episode: PlayedEpisode, mission: Mission, objective_metric: str) -> dict[str, Any]:
    """What happened in an episode, as columns of the episodes table."""
    facts = None if episode.failure is not None else episode.facts()
    success = success_of(episode, mission)
    return {
        "mean_reward": facts and facts.mean_reward,
        "agent_rewards": episode.agent_rewards,
        "agent_policies": episode.agent_policies,
        "objective": facts and episode_objective(facts, success, objective_metric),
        "success": success,
        "length": episode.length,
        "timeouts": episode.timeouts,
        "agent_timeouts": episode.agent_timeouts,
        "failure": None if episode.failure is None else str(episode.failure),
        "action_counts": json.dumps(episode.action_counts, sort_keys=True),
        "game_stats": json.dumps(episode.game_stats, sort_keys=True),
        "agent_stats": json.dumps(episode.agent_stats, sort_keys=True),
        "actions": pack_actions(episode.actions),
    }


def pack_actions(actions: np.ndarray) -> bytes:
    """Pack uint8 [2, steps, agents] for the episodes table."""
    return zlib.compress(np.ascontiguousarray(actions).tobytes(), level=1)


def unpack_actions(packed: bytes, num_agents: int, steps: int) -> np.ndarray:
    """The actions of a row of the episodes table: uint8 [2, steps, agents].

    Args:
        steps: the episode's length.

    Raises:
        BadInputError: they are damaged, or of another length.
    """
    content = unpack(packed, "the actions of an episode", size=2 * steps * num_agents, hint="evaluate the policy again")
    return np.frombuffer(content, dtype=np.uint8).reshape(2, steps, num_agents)
