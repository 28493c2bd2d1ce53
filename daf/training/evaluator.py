"""Evaluations during training, on held-out episodes: they decide which weights are published.

The final weights are often not the best, so those of the best evaluation are published. The best of several noisy
scores is biased upward, so it does not estimate the model's score elsewhere.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import mul
from typing import Any

import torch

from daf.config import EvaluationConfig, direction_sign
from daf.config.recipes import HeldOutRecipe
from daf.distributed.process_group import Group
from daf.engine.episode import PlayedEpisode, success_of
from daf.engine.missions import Mission
from daf.engine.play import play_episodes
from daf.engine.policies import ResolvedPolicy
from daf.engine.random_state import random_state_kept
from daf.engine.simulation import SimulationFactory
from daf.engine.team_play import play_team
from daf.episodes.objective import OWN_METRICS, episode_objective
from daf.errors import BadInputError, did_you_mean
from daf.system.failure_report import FailureReport
from daf.system.forked_work import steps_watched
from daf.training.partnering import own_seats, validation_lineup

MAX_ACTION_TIME_MS = EvaluationConfig().max_action_time_ms  # for policies that play one agent at a time


def check_objective(metric: str, mission: Mission) -> None:
    """Check that an objective can be measured on a mission.

    Whether an engine statistic exists is known only once the engine has reported it.

    Raises:
        BadInputError: episodes never end, the mission defines no success, or the metric is nearly one of DAF's names.
    """
    where = f"mission '{mission.name}'"
    if metric not in OWN_METRICS and difflib.get_close_matches(metric, OWN_METRICS, cutoff=0.8):
        expected = f"{', '.join(OWN_METRICS)}, or a statistic of the engine"
        raise BadInputError(expected, f"'{metric}'", "objective_metric", did_you_mean(metric, OWN_METRICS))
    if mission.max_steps == 0:
        hint = "set max_steps for it under `missions`, or num_evaluations: 0"
        raise BadInputError("a mission with a step limit", "max_steps is 0", where, hint)
    if metric == "success_rate" and not mission.success:
        hint = "declare one (`success`) under `missions`, or choose another objective_metric"
        raise BadInputError("a mission that defines success", "it does not", where, hint)


class Evaluator:
    """Plays the evaluation episodes of a training run, shared between its processes.

    Args:
        policy: the policy being trained; it plays with its current weights.
        resolved: the same, as it would be built.
        on_failure: called with the report of every episode that fails in this process.

    Attributes:
        validation: who plays the seats that the policy leaves; empty: it plays them all.

    Raises:
        BadInputError: see `check_objective`.
    """

    def __init__(
        self,
        recipe: HeldOutRecipe,
        mission: Mission,
        factory: SimulationFactory,
        policy: Any,
        resolved: ResolvedPolicy,
        group: Group,
        device: torch.device,
        on_failure: Callable[[FailureReport], None] = lambda report: None,
    ) -> None:
        check_objective(recipe.objective_metric, mission)
        self._recipe, self._mission, self._factory = recipe, mission, factory
        self._policy, self._resolved, self._group, self._device = policy, resolved, group, device
        self._on_failure = on_failure
        self.validation: Sequence[ResolvedPolicy] = ()

    def is_due(self, update: int, num_updates: int) -> bool:
        """Whether an evaluation follows an update (counted from 1); the last update always has one."""
        number = self._recipe.num_evaluations
        return any(update == math.ceil(num_updates * part / number) for part in range(1, number + 1))

    def evaluate(self) -> dict[str, Any]:
        """Mean objective (None if no episode has one) and mean reward of the current weights; also the number of
        episodes with a result, of those that failed, and the first failure.

        The result is the same in every process, for any number of processes. The random generators of training are not
        used.
        """
        numbers = range(self._recipe.episodes)
        shares = [numbers[rank :: self._group.world_size] for rank in range(self._group.world_size)]
        mine: list[tuple[int, float | None, float]] = []
        failures: list[tuple[int, str]] = []
        # Of a large mission with a large network, episodes may take longer than the watchdog waits.
        with random_state_kept(), steps_watched(self._group.alive):
            for number, episode in self._play(shares[self._group.rank]):
                if episode.failure is None:
                    facts = episode.facts()
                    success = success_of(episode, self._mission)
                    objective = episode_objective(facts, success, self._recipe.objective_metric)
                    mine.append((number, objective, facts.mean_reward))
                else:
                    failures.append((number, str(episode.failure)))
                    self._on_failure(episode.failure)
        self._policy.network().train()
        shares_played, shares_failed = zip(*self._group.gather((mine, failures)), strict=True)
        played = sorted(entry for share in shares_played for entry in share)
        failed = sorted(entry for share in shares_failed for entry in share)
        return {
            "objective": self._mean({number: objective for number, objective, _ in played if objective is not None}),
            "mean_reward": self._mean({number: reward for number, _, reward in played}),
            "episodes": len(played),
            "failed": len(failed),
            "failure": failed[0][1] if failed else None,
        }

    def _play(self, numbers: Sequence[int]) -> Iterator[tuple[int, PlayedEpisode]]:
        seed, device = self._recipe.seed, self._device.type
        if self.validation:
            team = validation_lineup(self._resolved, self.validation, seed, self._factory.num_agents)
            given = {self._resolved.label: self._policy}
            return play_team(team, self._factory, numbers, seed, device, MAX_ACTION_TIME_MS, given)
        return play_episodes(
            lambda: self._policy,
            self._resolved.label,
            self._factory,
            numbers,
            seed,
            device=device,
            max_action_time_ms=MAX_ACTION_TIME_MS,
        )

    def _mean(self, values: Mapping[int, float]) -> float | None:
        """The mean over episodes, by number; of one with partners, the policy's seats are the weight."""
        if not self.validation:
            return sum(values.values()) / len(values) if values else None
        weights = [own_seats(number, self._factory.num_agents) for number in values]
        return sum(map(mul, values.values(), weights)) / sum(weights) if values else None

    def is_better(self, new: float | None, old: float | None) -> bool:
        """Whether the newer of two evaluations wins; it also wins ties, since its weights have trained longer."""
        if new is None or old is None:
            return old is None
        sign = direction_sign(self._recipe.optimize_direction)
        return sign * new >= sign * old
