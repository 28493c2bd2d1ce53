"""The matches of an experiment's tournaments, all known before anything is played."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from daf.config import DAFTournamentConfig, ExperimentConfig, MissionConfig
from daf.config.match_recipes import MatchRecipe
from daf.config.recipes import MissionRecipe, PolicyRecipe, mission_label
from daf.engine.mission_agents import COGAMES_AGENTS, declared_agents
from daf.errors import BadInputError, ConfigError, did_you_mean
from daf.tournament.matches import Match, batches_of_episodes, match_recipe, tournament_matches
from daf.workflow.checkpoint_plan import Checkpoint, CheckpointPlan
from daf.workflow.targets import look_up


@dataclass(frozen=True, kw_only=True)
class Tournament:
    """A tournament with everything that it plays.

    Attributes:
        config: policies and missions have the names that tables contain.
        missions: as written in the configuration, by their names in tables.
        num_seats: of every mission, by its name in tables.
        matches: by their names, in a stable order.
        batches: episodes of every match in the order of play; with `episodes: auto`, an interim analysis follows each
            but the last.
    """

    config: DAFTournamentConfig
    missions: dict[str, str]
    num_seats: dict[str, int]
    matches: dict[str, Match]
    batches: list[range]


class TournamentPlan:
    """The tournaments of an experiment.

    Attributes:
        tournaments: by name.

    Raises:
        ConfigError: the number of agents of a mission is not known, or the policies do not fit its seats.
    """

    def __init__(self, experiment: ExperimentConfig, checkpoints: CheckpointPlan) -> None:
        self._experiment, self._checkpoints = experiment, checkpoints
        self._policy_recipe = cache(self._recipe_of_policy)
        self._mission_recipe = cache(self._recipe_of_mission)
        problems: list[BadInputError] = []
        self.tournaments: dict[str, Tournament] = {}
        for name, config in experiment.tournaments.items():
            try:
                self.tournaments[name] = self._tournament(name, config)
            except ConfigError as error:
                problems += error.problems
            except BadInputError as error:
                where = f"tournaments.{name}.{error.where}"
                problems.append(BadInputError(error.expected, error.found, where, error.hint))
        if problems:
            raise ConfigError(problems)

    def tournament(self, name: str) -> Tournament:
        return look_up(self.tournaments, name, "tournament")

    def match(self, tournament: str, match: str) -> Match:
        return look_up(self.tournament(tournament).matches, match, "match")

    def players(self, tournament: str, match: str) -> list[Checkpoint]:
        """Who plays a match, each once, in the order of the recipe's players."""
        return [
            self._checkpoints.labelled(player.checkpoint) for player, _ in self.match(tournament, match).composition
        ]

    def recipe(self, tournament: str, match: str, batch: int) -> MatchRecipe:
        """The episodes of a match in a batch."""
        found, played = self.tournament(tournament), self.match(tournament, match)
        batches = {str(number): episodes for number, episodes in enumerate(found.batches)}
        labels = [player.checkpoint for player, _ in played.composition]
        return match_recipe(
            played,
            {label: self._policy_recipe(label) for label in labels},
            self._mission_recipe(found.missions[played.mission]),
            look_up(batches, str(batch), f"batch of tournament '{tournament}'"),
            first_seed=found.config.evaluation_seed,
            max_action_time_ms=self._experiment.evaluation.max_action_time_ms,
        )

    def batches_of_interim_analysis(self, tournament: str, interim: int) -> list[tuple[str, int]]:
        """(match, batch) of all episodes that an interim analysis sees."""
        found = self.tournament(tournament)
        analyses = {str(number): number for number in range(len(found.batches) - 1)}
        last = look_up(analyses, str(interim), f"interim analysis of tournament '{tournament}'")
        return [(match, batch) for match in found.matches for batch in range(last + 1)]

    def jobs(self, tournament: str, matches_per_job: int) -> list[tuple[str, ...]]:
        """Names of the matches that one job plays, at most this number of them.

        They are matches of the same policies on the same mission, so that one more policy adds jobs and changes none.
        """
        groups: dict[tuple[str, frozenset[str]], list[str]] = {}
        for name, match in self.tournament(tournament).matches.items():
            groups.setdefault((match.mission, frozenset(player.label for player in match.players)), []).append(name)
        return [
            tuple(names[start : start + matches_per_job])
            for names in groups.values()
            for start in range(0, len(names), matches_per_job)
        ]

    def labels(self, tournament: str) -> list[str]:
        """Names of its policies in tables, in the order of the configuration; pages give each its colour."""
        config = self.tournament(tournament).config
        return list(dict.fromkeys([*config.candidates, *config.pool]))

    def played(self) -> Iterator[tuple[str, str, Checkpoint]]:
        """(tournament, mission as written, checkpoint) of everyone who plays."""
        for name, written in self._experiment.tournaments.items():
            for mission in written.missions:
                for policy in dict.fromkeys([*written.candidates, *written.pool]):
                    yield from ((name, mission, checkpoint) for checkpoint in self._checkpoints.of_policy(policy))

    # ---- parts ------------------------------------------------------------------------------------------------

    def _tournament(self, name: str, written: DAFTournamentConfig) -> Tournament:
        missions = {mission_label(mission): mission for mission in written.missions}
        if len(missions) < len(written.missions):
            found = ", ".join(written.missions)
            raise BadInputError("missions with different names", found, "missions", "name them under `missions`")
        num_seats = {label: self._num_seats(mission) for label, mission in missions.items()}
        config = written.model_copy(
            update={
                "candidates": [self._label(policy) for policy in written.candidates],
                "pool": [self._label(policy) for policy in written.pool],
                "missions": list(missions),
            }
        )
        seeds = {
            self._label(policy): [one.seed for one in self._checkpoints.of_policy(policy) if one.seed is not None]
            for policy in (*written.candidates, *written.pool)
        }
        matches = tournament_matches(config, num_seats, seeds)
        return Tournament(
            config=config,
            missions=missions,
            num_seats=num_seats,
            matches={match.id: match for match in matches},
            batches=batches_of_episodes(config),
        )

    def _label(self, policy: str) -> str:
        return next(self._checkpoints.of_policy(policy)).policy

    def _num_seats(self, mission: str) -> int:
        """The seats of a mission; the engine checks them before the first job."""
        config = self._experiment.missions.get(mission)
        found = declared_agents(config or MissionConfig(source=mission))
        if found is not None:
            return found
        source = config.source if config else mission
        hint = did_you_mean(source, [*self._experiment.missions, *COGAMES_AGENTS])
        if source.endswith((".py", ".yaml", ".yml", ".json")):
            name = mission if config else "my_mission"
            hint = f"name it: missions: {{{name}: {{source: {source}, num_agents: 4}}}}; they are the seats"
        expected = "missions whose number of agents is known before the engine starts"
        raise BadInputError(expected, f"'{mission}'", "missions", hint)

    def _recipe_of_policy(self, label: str) -> PolicyRecipe:
        return self._checkpoints.labelled(label).recipe()

    def _recipe_of_mission(self, mission: str) -> MissionRecipe:
        return MissionRecipe.of(mission, self._experiment.missions)
