"""Which missions the episodes of a training play: weights that change between updates, from what all processes saw.

Learning progress is what Matiisen et al. (2017, "Teacher-Student Curriculum Learning") let a teacher seek: the absolute
slope of a task's score. Here, as in CURIOUS (Colas et al. 2019), it is the difference between the means of the later
and the earlier half of a mission's last episodes, so that its noise does not depend on how often the mission is played.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from daf.config.curriculum import CurriculumRecipe
from daf.config.recipes import TrainingRecipe
from daf.engine.missions import Mission, resolve_mission
from daf.engine.stepping import MissionMix


class Played(NamedTuple):
    """An episode that ended in some process."""

    mission: int
    reward: float
    success: bool | None
    objective: float | None


class Curriculum:
    """The weights of the missions of a training; the same in every process.

    Args:
        num_steps: agent-steps of the whole training.

    Attributes:
        names: of the missions.
        weights: in force; they sum to 1.
    """

    def __init__(self, recipe: CurriculumRecipe, num_steps: int) -> None:
        self._recipe, self._num_steps = recipe, num_steps
        self.names = [one.mission.name for one in recipe.missions]
        self._own = _shares([one.weight for one in recipe.missions])
        self._scores: list[list[float]] = [[] for _ in self.names]  # of each mission's last episodes
        self.weights = self.weights_at(0)

    def weights_at(self, agent_steps: int) -> list[float]:
        """The weights of an update that begins after this number of agent-steps."""
        if self._recipe.mode == "fixed":
            phases = self._recipe.schedule
            phase = next((one for one in phases if agent_steps < one.until * self._num_steps), phases[-1])
            return _shares(phase.weights)
        if self._recipe.mode == "learning_progress":
            return self._by_progress()
        return self._own

    def _by_progress(self) -> list[float]:
        """As the missions' own weights until every mission has been played enough, and while none moves."""
        progress = [absolute_progress(scores, self._recipe.window) for scores in self._scores]
        known = [one for one in progress if one is not None]
        if len(known) < len(progress) or sum(known) == 0:
            return self._own
        floor = self._recipe.floor
        return [floor * own + (1 - floor) * share for own, share in zip(self._own, _shares(known), strict=True)]

    def observe(self, episodes: Sequence[Played]) -> dict[str, dict[str, float | None]]:
        """Take note of the episodes that ended in an update, in a fixed order; return their metrics by mission."""
        for episode in episodes:
            if episode.objective is not None and self._recipe.mode == "learning_progress":
                scores = self._scores[episode.mission]
                scores.append(float(episode.objective))
                del scores[: -self._recipe.window]
        by_mission = [[one for one in episodes if one.mission == number] for number in range(len(self.names))]
        figures: dict[str, Sequence[float | None]] = {
            "mission_weight": self.weights,
            "mission_episodes": [len(ended) for ended in by_mission],
            "mission_reward": [_mean(one.reward for one in ended) for ended in by_mission],
            "mission_success_rate": [_mean(one.success for one in ended) for ended in by_mission],
            "mission_objective": [_mean(one.objective for one in ended) for ended in by_mission],
        }
        return {name: dict(zip(self.names, values, strict=True)) for name, values in figures.items()}

    def state(self) -> dict[str, Any]:
        """Plain data on which later weights depend."""
        return {"scores": [list(scores) for scores in self._scores]}

    def restore(self, state: dict[str, Any]) -> None:
        self._scores = [list(scores) for scores in state["scores"]]


def curriculum_of(recipe: TrainingRecipe) -> Curriculum | None:
    return None if recipe.curriculum is None else Curriculum(recipe.curriculum, recipe.num_steps)


def mission_mix(recipe: TrainingRecipe, curriculum: Curriculum | None) -> MissionMix:
    """What the environments of a training play at its beginning."""
    if recipe.curriculum is None or curriculum is None:
        return MissionMix.of(resolve_mission(recipe.mission.config, recipe.mission.name))
    missions = (resolve_mission(one.mission.config, one.mission.name) for one in recipe.curriculum.missions)
    return MissionMix(tuple(missions), tuple(curriculum.weights))


def target_of(recipe: TrainingRecipe, mix: MissionMix) -> Mission:
    """The mission for which the published weights are chosen."""
    found = [mission for mission in mix.missions if mission.name == recipe.mission.name]
    return found[0] if found else resolve_mission(recipe.mission.config, recipe.mission.name)


def absolute_progress(scores: Sequence[float], window: int) -> float | None:
    """The difference between the means of the later and the earlier half of the last scores; None if there are fewer
    than `window`."""
    if len(scores) < window:
        return None
    half = window // 2
    last = scores[-2 * half :]
    return abs(sum(last[half:]) - sum(last[:half])) / half


def _shares(weights: Sequence[float]) -> list[float]:
    total = sum(weights)
    return [weight / total for weight in weights]


def _mean(values: Iterable[float | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) if known else None
