"""Matches of tournaments: episodes of mixed teams → rows of the seats table, one per episode and seat.

Who sits where is in the recipe. The same episode has the same rows in any batch, split or number of workers, as
`daf.engine.evaluation` plays it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from daf.config.match_recipes import MatchRecipe, seats_of_episode
from daf.engine.episode import PlayedEpisode
from daf.engine.evaluation import play_numbers, require_at_least
from daf.engine.isolation import is_users
from daf.engine.missions import Mission, resolve_mission
from daf.engine.policies import resolve_policy
from daf.engine.simulation import SimulationFactory
from daf.engine.teams import Lineup
from daf.errors import BadInputError, ending_in_one_line
from daf.system.devices import resolve_device
from daf.system.failure_report import FailureReport
from daf.system.nouns import number_of


def play_match(
    recipe: MatchRecipe,
    players: Sequence[Any],
    *,
    device: str = "cpu",
    workers: int = 1,
    on_progress: Callable[[int], None] | None = None,
    on_failure: Callable[[FailureReport], None] | None = None,
    mission: Mission | None = None,
) -> list[dict[str, Any]]:
    """Play the episodes of a recipe; the rows are in order of episodes and seats.

    Args:
        players: the policy of each of the recipe's players, in their order: anything that `resolve_policy` takes.
        device: for networks: `auto`, `cpu`, or `cuda`, also with a number.
        workers: number of processes that share the episodes; results do not depend on it.
        on_progress: called with the number of episodes played so far.
        on_failure: called with the report of every episode that fails; rows contain only its text.
        mission: the recipe's, if it is already resolved.

    Raises:
        BadInputError: unknown mission or policy, policies that do not fit, a mission that never ends, or one with
            another number of agents than the recipe has seats; a player without a seat.
        UnfitEnvironmentError: the device is not there.
    """
    require_at_least("play_match", num_episodes=(recipe.num_episodes, 0), workers=(workers, 1))
    mission = mission or resolve_mission(recipe.mission.config, recipe.mission.name)
    require_seats(mission, len(recipe.seats))
    lineup = _lineup(recipe, players)
    numbers = range(recipe.first_episode, recipe.first_episode + recipe.num_episodes)

    def tell(episode: PlayedEpisode, num_played: int) -> None:
        if on_failure is not None and episode.failure is not None:
            on_failure(episode.failure)
        if on_progress is not None:
            on_progress(num_played)

    with ending_in_one_line(f"match {recipe.match} on {mission.name}: stopped by Ctrl-C"):
        played = play_numbers(
            lineup, mission, numbers, seed=recipe.first_seed, device=resolve_device(device), workers=workers,
            max_action_time_ms=recipe.max_action_time_ms, on_episode=tell,
        )  # fmt: skip
    names = SimulationFactory.shared(mission.env_config).interface.all_action_names
    return [
        row
        for number in numbers
        for row in _rows(recipe, mission.name, number, played[number], names, _blamed(lineup, played[number]))
    ]


def require_seats(mission: Mission, seats: int) -> None:
    """Refuse a mission with another number of agents than its matches have seats.

    Raises:
        BadInputError: it has.
    """
    if mission.num_agents != seats:
        hint = f"set num_agents: {mission.num_agents} for it under `missions`: it decides the matches"
        found = number_of(mission.num_agents, "agent")
        raise BadInputError(
            f"{number_of(seats, 'agent')}, as its matches have seats", found, f"mission '{mission.name}'", hint
        )


def _lineup(recipe: MatchRecipe, players: Sequence[Any]) -> Lineup:
    """The players in their seats, each under a name that is its own."""
    labels = [player.label for player in recipe.players]
    if idle := [label for number, label in enumerate(labels) if number not in recipe.seats]:
        hint = "leave out players without one"
        raise BadInputError("a seat for every player", f"none for '{idle[0]}'", f"match {recipe.match}", hint)
    members = tuple(
        replace(resolve_policy(policy, label), label=label) for policy, label in zip(players, labels, strict=True)
    )
    return Lineup(
        label=recipe.match,
        members=members,
        shares=tuple(float(recipe.seats.count(number)) for number in range(len(members))),
        seats=recipe.seats,
        order=None if recipe.drawn_by is None else partial(seats_of_episode, drawn_by=recipe.drawn_by),
    )


def _rows(
    recipe: MatchRecipe,
    mission: str,
    number: int,
    episode: PlayedEpisode,
    names: Sequence[str],
    blamed: Collection[str],
) -> Iterator[dict[str, Any]]:
    env_seed, failure = recipe.first_seed + number, episode.failure
    seats = [recipe.players[player] for player in seats_of_episode(recipe.seats, env_seed, recipe.drawn_by)]
    played = failure is None
    counts = _actions_by_agent(episode.actions, names) if played else []
    for seat, player in enumerate(seats):
        yield {
            "mission": mission,
            "match": recipe.match,
            "episode": number,
            "env_seed": env_seed,
            "seat": seat,
            "policy": player.policy.label,
            "train_seed": player.policy.train_seed,
            "in_pool": player.in_pool,
            "agent_reward": episode.agent_rewards[seat] if played else None,
            "team_reward": float(np.mean(episode.agent_rewards)) if played else None,
            "length": episode.length if played else None,
            "actions": json.dumps(counts[seat], sort_keys=True) if played else None,
            "timeouts": episode.agent_timeouts[seat] if played else None,
            "status": "played" if played else "failed",
            "failure": str(failure) if not played and player.label in blamed else None,
        }


def _blamed(lineup: Lineup, episode: PlayedEpisode) -> list[str]:
    """The members that made an episode fail: the one that its report names; else, as only code of users ends its
    process, those that have some; else all."""
    if episode.failure is None:
        return []
    everyone = [member.label for member in lineup.members]
    if episode.failure.member in everyone:
        return [episode.failure.member]
    users = [member.label for member in lineup.members if member.bundle or is_users(member.class_path)]
    return users or everyone


def _actions_by_agent(actions: np.ndarray, names: Sequence[str]) -> list[dict[str, int]]:
    """How often every agent chose each action that it chose at all; a vibe alone is not a noop, too.

    Args:
        actions: uint8 [2, steps, agents], see `PlayedEpisode`.
    """
    primary, vibes = actions.astype(np.int64)
    found = []
    for agent in range(actions.shape[2]):
        alone = (vibes[:, agent] > 0) & (primary[:, agent] == 0)
        counts = np.bincount(primary[~alone, agent], minlength=len(names))
        counts += np.bincount(vibes[vibes[:, agent] > 0, agent], minlength=len(names))
        found.append({name: int(count) for name, count in zip(names, counts, strict=True) if count})
    return found
