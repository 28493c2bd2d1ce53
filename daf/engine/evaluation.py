"""Evaluation: episodes of one policy on one mission → rows of the episodes table.

The contract: the same seed gives the same episode and the same results, with any number of workers and any shards.

- Networks that DAF knows (`grid`, `lstm`, `stateless`, any `NetworkPolicy`) play many episodes in lock step
  (`daf.engine.batches`).
- All other policies play one episode at a time (`daf.engine.rollout`), through `step_batch` if they have it, else one
  agent after another. They are rebuilt for every episode, as in the engine's own evaluation, so that their state cannot
  depend on the order of episodes; before that, the random generators of python, numpy and torch are seeded from the
  episode seed.
- Members of teams do the same, each through its single-agent interface.
- Policies of users play in a copy of the process, which they may end (`daf.engine.isolation`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mettagrid.policy.lstm import LSTMPolicy
from mettagrid.policy.policy import MultiAgentPolicy
from mettagrid.policy.stateless import StatelessPolicy

from daf.config import EvaluationConfig
from daf.engine.batches import EPISODES_PER_BATCH, play_in_batches
from daf.engine.episode import PlayedEpisode, episode_row, failed
from daf.engine.grid_policy import GridPolicy
from daf.engine.isolation import PlayNumbers, may_end_the_process, play_isolated
from daf.engine.missions import Mission, resolve_mission
from daf.engine.network_policy import NetworkPolicy
from daf.engine.networks import PolicyNetwork
from daf.engine.observations import TokenTable
from daf.engine.policies import build_policy
from daf.engine.random_state import random_state_kept
from daf.engine.rollout import StepFailedError, play_agents, play_step_batch, seed_everything
from daf.engine.simulation import SimulationFactory
from daf.engine.teams import Player, Team, resolve_player
from daf.engine.user_code import state_kept
from daf.engine.worker_pool import worker_pool
from daf.episodes.table import episodes_frame
from daf.errors import BadInputError, ending_in_one_line
from daf.system.failure_report import FailureReport
from daf.system.forked_work import note_step

if TYPE_CHECKING:
    import pandas as pd

_DEFAULTS = EvaluationConfig()

NETWORK_POLICIES: tuple[type[MultiAgentPolicy], ...] = (GridPolicy, LSTMPolicy, StatelessPolicy)


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """How episodes are scored and how their rows are labelled.

    Attributes:
        max_action_time_ms: wall-clock limit per action; slower actions count as timeouts.
        objective_metric: the metric in the objective column, see `daf.episodes.objective.episode_objective`.
        policy_label: default: the policy's own label.
        checkpoint_label: default: the policy's label.
        train_seed: training seed of the policy.
        on_failure: called with the report of every episode that fails; rows contain only its text.
    """

    max_action_time_ms: int = _DEFAULTS.max_action_time_ms
    objective_metric: str = _DEFAULTS.objective_metric
    policy_label: str | None = None
    checkpoint_label: str | None = None
    train_seed: int | None = None
    on_failure: Callable[[FailureReport], None] | None = None


DEFAULT_OPTIONS = EvaluationOptions()


def evaluate_policy(
    policy: Any,
    mission: Any,
    *,
    episodes: int,
    seed: int,
    first_episode: int = 0,
    workers: int = 1,
    device: str = "cpu",
    on_progress: Callable[[int], None] | None = None,
    options: EvaluationOptions = DEFAULT_OPTIONS,
) -> pd.DataFrame:
    """Play episodes `first_episode` … `first_episode + episodes - 1`; episode e has environment seed `seed + e`.

    Args:
        policy: anything that `resolve_player` takes: a policy that plays all agents of the mission, or a team.
        mission: anything that `resolve_mission` takes.
        workers: number of processes that share the episodes; results do not depend on it.
        on_progress: called with the number of episodes played so far.

    Raises:
        BadInputError: unknown mission or policy, a policy that does not fit, a mission that never ends.
    """
    for name, value, least in (("episodes", episodes, 0), ("seed", seed, 0), ("workers", workers, 1)):
        if value < least:
            raise BadInputError(f"at least {least}", str(value), f"evaluate_policy: {name}")
    player, mission = resolve_player(policy, options.policy_label), resolve_mission(mission)
    if mission.max_steps == 0:
        raise BadInputError(
            "a mission with a step limit",
            "max_steps is 0: an episode may never end",
            f"mission '{mission.name}'",
            "set max_steps for it under `missions`",
        )
    label = options.policy_label or player.label
    numbers = range(first_episode, first_episode + episodes)
    play = _how_to_play(player, mission, seed, device, options.max_action_time_ms)
    played: dict[int, PlayedEpisode] = {}
    classes = [member.class_path for member in (player.members if isinstance(player, Team) else [player])]
    title = f"evaluation of {label} on {mission.name}"
    with ending_in_one_line(f"{title}: stopped by Ctrl-C"), random_state_kept(), state_kept():
        for number, episode in _share(play, numbers, workers, classes):
            played[number] = episode
            if options.on_failure is not None and episode.failure is not None:
                options.on_failure(episode.failure)
            if on_progress is not None:
                on_progress(len(played))
    return episodes_frame(
        {
            "policy": label,
            "checkpoint": options.checkpoint_label or label,
            "train_seed": options.train_seed,
            "mission": mission.name,
            "episode": number,
            "env_seed": seed + number,
            **episode_row(played[number], mission, options.objective_metric),
        }
        for number in numbers
    )


def _how_to_play(player: Player, mission: Mission, seed: int, device: str, max_action_time_ms: int) -> PlayNumbers:
    play = partial(_play_here, player, mission, seed=seed, device=device, max_action_time_ms=max_action_time_ms)
    if may_end_the_process(player, device):
        return partial(play_isolated, play, seed=seed, num_agents=mission.num_agents)
    return play


# ---- sharing the work -------------------------------------------------------------------------------------


def _share(
    play: PlayNumbers, numbers: range, workers: int, classes: Sequence[str]
) -> Iterator[tuple[int, PlayedEpisode]]:
    """Episodes as they finish, with their numbers; `classes` are the paths of the classes that play."""
    if workers == 1 or len(numbers) <= 1:
        yield from play(numbers)
        return
    shares = [numbers[start : start + EPISODES_PER_BATCH] for start in range(0, len(numbers), EPISODES_PER_BATCH)]
    if len(shares) < workers:  # fewer batches than workers: split them, at the cost of emptier batches
        shares = [
            numbers[part[0] : part[-1] + 1] for part in np.array_split(np.arange(len(numbers)), workers) if len(part)
        ]
    with worker_pool(workers, classes) as pool:
        for job in [pool.submit(_as_list, play, share) for share in shares]:
            yield from job.result()


def _as_list(play: PlayNumbers, numbers: range) -> list[Any]:
    return list(play(numbers))


def _play_here(
    player: Player, mission: Mission, numbers: Sequence[int], *, seed: int, device: str, max_action_time_ms: int
) -> Iterator[tuple[int, PlayedEpisode]]:
    factory = SimulationFactory(mission.env_config)
    if isinstance(player, Team):
        yield from _play_team(player, factory, numbers, seed, device, max_action_time_ms)
        return
    yield from play_episodes(
        partial(build_policy, player, factory.interface, device=device),
        player.label,
        factory,
        numbers,
        seed,
        device=device,
        max_action_time_ms=max_action_time_ms,
    )


# ---- kinds of policies ------------------------------------------------------------------------------------


def play_episodes(
    make: Callable[[], MultiAgentPolicy],
    label: str,
    factory: SimulationFactory,
    numbers: Sequence[int],
    seed: int,
    *,
    device: str,
    max_action_time_ms: int,
) -> Iterator[tuple[int, PlayedEpisode]]:
    """Episodes `numbers` as they finish, with their numbers; episode e has environment seed `seed + e`.

    Args:
        make: returns the policy with its weights. It is called once for a network that DAF knows (which stays in
            evaluation mode), and once per episode for any other policy.

    Raises:
        PolicyError, CheckpointError: as `make`, the first time it is called.
    """
    torch.set_num_threads(1)  # with small batches, intra-op threads are many times slower
    seed_everything(0)  # a network without weights must be the same untrained one everywhere
    policy = make()
    if plays_from_logits(policy):
        yield from play_in_batches(PolicyNetwork(policy, label), policy, factory, numbers, seed, device)
        return
    if type(policy).step_batch is not MultiAgentPolicy.step_batch:
        yield from _one_by_one(
            lambda episode_seed: play_step_batch(make(), factory, episode_seed, max_action_time_ms),
            factory,
            numbers,
            seed,
        )
        return
    tokens, alone = TokenTable(factory.env_config), [0] * factory.num_agents

    def play(episode_seed: int) -> PlayedEpisode:
        return play_agents([make()], alone, factory, tokens, episode_seed, max_action_time_ms)

    yield from _one_by_one(play, factory, numbers, seed)


def plays_from_logits(policy: MultiAgentPolicy) -> bool:
    """Whether the policy's actions are samples from its network's logits, and nothing else."""
    if not isinstance(policy, NetworkPolicy):
        return type(policy) in NETWORK_POLICIES
    return all(
        getattr(type(policy), name) is getattr(NetworkPolicy, name)
        for name in ("network", "step_batch", "step_agents", "agent_policy", "reset", "reset_agent")
    )


def _play_team(
    team: Team,
    factory: SimulationFactory,
    numbers: Sequence[int],
    seed: int,
    device: str,
    max_action_time_ms: int,
) -> Iterator[tuple[int, PlayedEpisode]]:
    torch.set_num_threads(1)
    team.assignments(factory.num_agents, seed)  # raises now if the mission has too few agents
    tokens, names = TokenTable(factory.env_config), [member.label for member in team.members]

    def members() -> list[MultiAgentPolicy]:
        return [build_policy(member, factory.interface, device=device) for member in team.members]

    def play(episode_seed: int) -> PlayedEpisode:
        assignments = team.assignments(factory.num_agents, episode_seed)
        return play_agents(members(), assignments, factory, tokens, episode_seed, max_action_time_ms, names)

    members()  # a policy that does not fit is an error, not a failed episode
    yield from _one_by_one(play, factory, numbers, seed)


def _one_by_one(
    play: Callable[[int], PlayedEpisode], factory: SimulationFactory, numbers: Sequence[int], seed: int
) -> Iterator[tuple[int, PlayedEpisode]]:
    """Episodes in a row; one that fails is recorded, the others are kept."""
    for number in numbers:
        note_step()  # none yet
        seed_everything(seed + number)
        try:
            with state_kept():
                episode = play(seed + number)
        except StepFailedError as failure:
            report = FailureReport.of(failure.__cause__ or failure)
            episode = failed(report.at(step=failure.step, env_seed=seed + number), factory.num_agents)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # while the policy was built or reset
            report = FailureReport.of(error).at(step=None, env_seed=seed + number)
            episode = failed(report, factory.num_agents)
        yield number, episode
