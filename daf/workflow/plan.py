"""The static plan of an experiment: who plays, what is played and what is learned, all known before anything runs.

The Snakefile takes from the plans which files to create; none of them reads a result.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from daf.config import ExperimentConfig
from daf.config.curriculum import missions_of
from daf.config.recipes import MissionRecipe, code_of_trials, policy_code
from daf.config.trial_training import searched_starts
from daf.errors import BadInputError, ConfigError
from daf.search.recipe import strategy_code
from daf.system.user_code import CodeStamp, code_of_module
from daf.workflow.checkpoint_plan import CheckpointPlan
from daf.workflow.earlier_checkpoints_plan import refuse_shared_updates
from daf.workflow.episode_plan import EpisodePlan
from daf.workflow.learning_plan import LearningPlan
from daf.workflow.tournament_plan import TournamentPlan


class Plan:
    """The plans of an experiment.

    Attributes:
        checkpoints: who plays.
        episodes: what is played.
        tournaments: what is played in mixed teams.
        learning: what is trained and searched.

    Raises:
        ConfigError: two comparisons need different episode seeds on one mission, two missions or two policies share a
            label, the policies of a tournament do not fit its missions, earlier checkpoints are the same, or a path has
            braces.
    """

    def __init__(self, experiment: ExperimentConfig) -> None:
        _refuse_braces(experiment)
        refuse_shared_updates(experiment)
        self.experiment = experiment
        self.checkpoints = CheckpointPlan(experiment)
        self.episodes = EpisodePlan(experiment, self.checkpoints)
        self.learning = LearningPlan(experiment)
        _ = self.checkpoints.by_label  # detects clashing labels now
        self.tournaments = TournamentPlan(experiment, self.checkpoints)

    def training_of_comparison(self, name: str) -> dict[str, dict[str, Any]]:
        """By policy that the experiment trained: its `runs` (run/seed-1), and the `sweep` of its hyperparameters.

        The runs of a team, which says `team`, are those of its members.
        """
        found: dict[str, dict[str, Any]] = {}
        for label in dict.fromkeys(label for label, _ in self.episodes.pairs(name)):
            checkpoint = self.checkpoints.by_label[label]
            for single in checkpoint.singles():
                if single.training is None:
                    continue
                team = {"team": True} if checkpoint.members else {}
                source = found.setdefault(checkpoint.policy, {"runs": [], "sweep": None, **team})
                run = f"{single.training}/seed-{single.seed}"
                source["runs"] += [] if run in source["runs"] else [run]
                source["sweep"] = source["sweep"] or self.learning.run(single.training).sweep
        return found


def code_of_experiment(experiment: ExperimentConfig) -> CodeStamp:
    """The user's code that an experiment runs: of policies, used or not, missions, strategies, and trackers."""
    plan = CheckpointPlan(experiment)
    names = [*experiment.policies, *(name for c in experiment.comparisons.values() for name in c.policies)]
    names += [name for t in experiment.tournaments.values() for name in (*t.candidates, *t.pool)]
    checkpoints = [checkpoint for name in dict.fromkeys(names) for checkpoint in plan.of_policy(name)]
    stamps = [single.code() for checkpoint in checkpoints for single in checkpoint.singles()]
    stamps += [mission.code for mission in mission_recipes(experiment)]
    stamps += [policy_code(run.policy_class_path, run.init_kwargs) for run in experiment.training.values()]
    frozen = [name for run in experiment.training.values() for name in run.frozen_policies().values()]
    stamps += [policy_code(name) for name in frozen if name not in experiment.policies]
    trackers = {name for run in experiment.training.values() for name in run.trackers} - {"tensorboard"}
    stamps += [code_of_module(name) for name in sorted(trackers)]
    for sweep in experiment.sweeps.values():
        stamps += [code_of_trials(sweep), strategy_code(sweep)]
    return CodeStamp.merged(stamps)


def _refuse_braces(experiment: ExperimentConfig) -> None:
    """Refuse paths that Snakemake would read as patterns.

    Raises:
        ConfigError: with one problem for every such path.
    """
    paths: dict[str, Path | str] = {"daf.output_dir": experiment.daf.output_dir}
    paths |= {f"policies.{name}.data_path": policy.data_path or "" for name, policy in experiment.policies.items()}
    paths |= {f"sweeps.{name}.warm_start": sweep.warm_start or "" for name, sweep in experiment.sweeps.items()}
    paths |= {f"sweeps.{name}.start_from": sweep.start_from or "" for name, sweep in experiment.sweeps.items()}
    paths |= {
        f"sweeps.{name}.search_space.start_from ({start})": start
        for name, sweep in experiment.sweeps.items()
        for start in searched_starts(sweep)
    }
    paths |= {f"training.{name}.start_from": run.start_from or "" for name, run in experiment.training.items()}
    hint = "Snakemake reads {name} in a path as a wildcard: rename the file or folder"
    problems = [
        BadInputError("a path without braces", str(path), where, hint)
        for where, path in paths.items()
        if set("{}") & set(str(path))
    ]
    if problems:
        raise ConfigError(problems)


def mission_recipes(experiment: ExperimentConfig) -> list[MissionRecipe]:
    """Every mission that the experiment plays."""
    names = [mission for sweep in experiment.sweeps.values() for mission in (sweep.mission, *sweep.score_missions)]
    names += [mission for run in experiment.training.values() for mission in missions_of(run)]
    names += [mission for comparison in experiment.comparisons.values() for mission in comparison.missions]
    names += [mission for tournament in experiment.tournaments.values() for mission in tournament.missions]
    if experiment.deployment and experiment.deployment.policy:
        names.append(experiment.deployment.validation_mission)
    return [MissionRecipe.of(name, experiment.missions) for name in dict.fromkeys(names)]
