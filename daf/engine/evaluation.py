"""Evaluation: episodes of one policy or team on one mission → rows of the episodes table.

The contract: the same seed gives the same episode and the same results, with any number of workers and any shards.
How a policy plays depends on its kind (`daf.engine.play`, `daf.engine.team_play`). Policies of users play in a copy of
the process, which they may end (`daf.engine.isolation`).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from daf.config import EvaluationConfig
from daf.engine.episode import EPISODES_PER_BATCH, PlayedEpisode, episode_row
from daf.engine.isolation import PlayNumbers, may_end_the_process, play_isolated
from daf.engine.missions import Mission, resolve_mission
from daf.engine.play import play_episodes
from daf.engine.policies import build_policy
from daf.engine.random_state import random_state_kept
from daf.engine.simulation import SimulationFactory
from daf.engine.team_play import play_team
from daf.engine.teams import Player, Team, resolve_player
from daf.engine.user_code import state_kept
from daf.engine.worker_pool import worker_pool
from daf.episodes.table import episodes_frame
from daf.errors import BadInputError, ending_in_one_line
from daf.system.devices import resolve_device
from daf.system.failure_report import FailureReport

if TYPE_CHECKING:
    import pandas as pd

    from daf.engine.policies import ResolvedPolicy

_DEFAULTS = EvaluationConfig()

# Policies that never use torch, whose import costs more than their episodes.
WITHOUT_TORCH = ("mettagrid.policy.noop.NoopPolicy", "mettagrid.policy.random_agent.RandomMultiAgentPolicy")


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
        device: for networks: `auto`, `cpu`, or `cuda`, also with a number.
        on_progress: called with the number of episodes played so far.

    Raises:
        BadInputError: unknown mission or policy, a policy that does not fit, a mission that never ends.
        UnfitEnvironmentError: the device is not there.
    """
    require_at_least("evaluate_policy", episodes=(episodes, 0), seed=(seed, 0), workers=(workers, 1))
    device = resolve_device(device)
    player, mission = resolve_player(policy, options.policy_label), resolve_mission(mission)
    label = options.policy_label or player.label
    numbers = range(first_episode, first_episode + episodes)

    def tell(episode: PlayedEpisode, num_played: int) -> None:
        if options.on_failure is not None and episode.failure is not None:
            options.on_failure(episode.failure)
        if on_progress is not None:
            on_progress(num_played)

    with ending_in_one_line(f"evaluation of {label} on {mission.name}: stopped by Ctrl-C"):
        played = play_numbers(
            player, mission, numbers, seed=seed, device=device, workers=workers,
            max_action_time_ms=options.max_action_time_ms, on_episode=tell,
        )  # fmt: skip
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


def require_at_least(caller: str, **values: tuple[int, int]) -> None:
    """Refuse numbers below their least value, both by name."""
    for name, (value, least) in values.items():
        if value < least:
            raise BadInputError(f"at least {least}", str(value), f"{caller}: {name}")


def play_numbers(
    player: Player,
    mission: Mission,
    numbers: range,
    *,
    seed: int,
    device: str,
    workers: int,
    max_action_time_ms: int,
    on_episode: Callable[[PlayedEpisode, int], None],
) -> dict[int, PlayedEpisode]:
    """These episodes by their numbers; `on_episode` gets each as it finishes, and how many have.

    Raises:
        BadInputError: a policy that does not fit, or a mission that never ends.
    """
    if mission.max_steps == 0:
        found, hint = "max_steps is 0: an episode may never end", "set max_steps for it under `missions`"
        raise BadInputError("a mission with a step limit", found, f"mission '{mission.name}'", hint)
    _import_torch_for(player)
    play = _how_to_play(player, mission, seed, device, max_action_time_ms)
    classes = [member.class_path for member in _members(player)]
    played: dict[int, PlayedEpisode] = {}
    with random_state_kept(), state_kept():
        for number, episode in _share(play, numbers, workers, classes):
            played[number] = episode
            on_episode(episode, len(played))
    return played


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


def _members(player: Player) -> tuple[ResolvedPolicy, ...]:
    return player.members if isinstance(player, Team) else (player,)


def _import_torch_for(player: Player) -> None:
    """Import torch unless the player surely does without it: before generators are seeded, and not in a step, whose
    time is limited; the engine's own scripted policies import it in their first step."""
    if not all(member.class_path in WITHOUT_TORCH and member.bundle is None for member in _members(player)):
        importlib.import_module("torch")


def _play_here(
    player: Player, mission: Mission, numbers: Sequence[int], *, seed: int, device: str, max_action_time_ms: int
) -> Iterator[tuple[int, PlayedEpisode]]:
    _import_torch_for(player)
    factory = SimulationFactory.shared(mission.env_config)
    if isinstance(player, Team):
        yield from play_team(player, factory, numbers, seed, device, max_action_time_ms)
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
