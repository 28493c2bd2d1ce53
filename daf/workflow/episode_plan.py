"""What is played: the episodes of every mission, their shards, and the interim analyses between them."""

from __future__ import annotations

from dataclasses import dataclass

from daf.config import DAFComparisonConfig, ExperimentConfig
from daf.config.recipes import EvaluationRecipe, MissionRecipe, evaluation_recipe, mission_label
from daf.errors import BadInputError, ConfigError
from daf.statistics.sequential import first_episodes_of_batches, interim_sizes
from daf.workflow.checkpoint_plan import CheckpointPlan
from daf.workflow.targets import look_up


@dataclass(frozen=True, kw_only=True)
class Episodes:
    """The episodes that every policy plays on a mission: enough for the most demanding comparison."""

    mission: str  # as written in the configuration
    count: int
    first_seed: int


class EpisodePlan:
    """The episodes of an experiment.

    Attributes:
        by_mission: the episodes on each mission, by its label.

    Raises:
        ConfigError: two comparisons need different episode seeds on one mission, or two missions share a label.
    """

    def __init__(self, experiment: ExperimentConfig, checkpoints: CheckpointPlan) -> None:
        self._experiment, self._checkpoints = experiment, checkpoints
        self.by_mission = _episodes_by_mission(experiment)

    def comparison(self, name: str) -> DAFComparisonConfig:
        return look_up(self._experiment.comparisons, name, "comparison")

    def mission_recipe(self, mission: str) -> MissionRecipe:
        """The mission with this label."""
        return MissionRecipe.of(self._episodes(mission).mission, self._experiment.missions)

    def _episodes(self, mission: str) -> Episodes:
        return look_up(self.by_mission, mission, "mission in a comparison")

    def shards(self, mission: str) -> range:
        """Numbers of a mission's shards."""
        return self._shards_of(self._episodes(mission).count)

    def _shards_of(self, num_episodes: int) -> range:
        return range(-(-num_episodes // self._experiment.evaluation.episodes_per_shard))

    def recipe(self, checkpoint: str, mission: str, shard: int) -> EvaluationRecipe:
        """The episodes of one shard."""
        episodes = self._episodes(mission)
        return evaluation_recipe(
            self._experiment,
            policy=self._checkpoints.labelled(checkpoint).recipe(),
            mission=episodes.mission,
            shard=shard,
            num_episodes=episodes.count,
            first_seed=episodes.first_seed,
        )

    def pairs(self, comparison: str) -> list[tuple[str, str]]:
        """The (checkpoint, mission) pairs of a comparison."""
        config = self.comparison(comparison)
        labels = [checkpoint.label for policy in config.policies for checkpoint in self._checkpoints.of_policy(policy)]
        return [(label, mission_label(mission)) for mission in config.missions for label in labels]

    def policies(self) -> list[str]:
        """Names of all policies that are compared, in the order of the configuration; pages give each its colour."""
        compared = [policy for comparison in self._experiment.comparisons.values() for policy in comparison.policies]
        labels = (next(iter(self._checkpoints.of_policy(policy))).policy for policy in dict.fromkeys(compared))
        return list(dict.fromkeys(labels))

    def players(self, mission: str) -> list[str]:
        """Checkpoints that play a mission in any comparison."""
        pairs = [pair for name in self._experiment.comparisons for pair in self.pairs(name)]
        return list(dict.fromkeys(checkpoint for checkpoint, played in pairs if played == mission))

    def interim_analyses_before(self, mission: str, shard: int) -> list[tuple[str, int]]:
        """The interim analyses that decide whether a shard is played, as (comparison, its number).

        None if some comparison always needs the shard; only `episodes_per_mission: auto` has such analyses.
        """
        first = shard * self._experiment.evaluation.episodes_per_shard
        analyses = []
        for name, comparison in self._experiment.comparisons.items():
            if first >= comparison.episodes_cap or mission not in map(mission_label, comparison.missions):
                continue
            batch = sum(start <= first for start in first_episodes_of_batches(comparison)) - 1
            if batch == 0:
                return []
            analyses.append((name, batch - 1))
        return analyses

    def shards_of_interim_analysis(self, comparison: str, interim: int) -> list[tuple[str, str, int]]:
        """(checkpoint, mission, shard) of all episodes that an interim analysis sees."""
        sizes = {str(number): size for number, size in enumerate(interim_sizes(self.comparison(comparison)))}
        shards = self._shards_of(look_up(sizes, str(interim), f"interim analysis of comparison '{comparison}'"))
        return [(checkpoint, mission, shard) for checkpoint, mission in self.pairs(comparison) for shard in shards]


def _episodes_by_mission(experiment: ExperimentConfig) -> dict[str, Episodes]:
    planned: dict[str, Episodes] = {}
    problems: list[BadInputError] = []
    for name, comparison in experiment.comparisons.items():
        for mission in comparison.missions:
            label, where = mission_label(mission), f"comparisons.{name}"
            known = planned.get(label)
            if known and known.mission != mission:
                problems.append(BadInputError(f"one mission called '{label}'", f"{known.mission} and {mission}", where))
            if known and known.first_seed != comparison.evaluation_seed:
                problems.append(
                    BadInputError(
                        f"evaluation_seed {known.first_seed}, as in another comparison on '{mission}'",
                        str(comparison.evaluation_seed),
                        f"{where}.evaluation_seed",
                        "comparisons share their episodes; use one seed, or another name for the mission",
                    )
                )
            planned[label] = Episodes(
                mission=mission,
                count=max(comparison.episodes_cap, known.count if known else 0),
                first_seed=comparison.evaluation_seed,
            )
    if problems:
        raise ConfigError(problems)
    return planned
