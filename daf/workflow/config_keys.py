"""Where in the configuration a policy or a mission is named, for messages."""

from __future__ import annotations

from daf.config import ExperimentConfig
from daf.workflow.checkpoint_plan import Checkpoint


def key_of_mission(experiment: ExperimentConfig, mission: str, used_at: str) -> str:
    """Where a mission is declared or, without a declaration, where its name is used."""
    return f"missions.{mission}" if mission in experiment.missions else used_at


def key_of_policy(checkpoint: Checkpoint, experiment: ExperimentConfig) -> str:
    """Where a policy is declared or, without a declaration, the first place that names it."""
    if checkpoint.policy in experiment.policies:
        return f"policies.{checkpoint.policy}"
    policy = str(checkpoint.config.class_path)
    if (comparison := first_comparison(experiment, "policies", policy)) is not None:
        return f"comparisons.{comparison}.policies"
    for name, tournament in experiment.tournaments.items():
        for key in ("candidates", "pool"):
            if policy in getattr(tournament, key):
                return f"tournaments.{name}.{key}"
    for name, run in experiment.training.items():
        for key, frozen in run.frozen_policies().items():
            if frozen == policy:
                return f"training.{name}.{key}"
    return "deployment.policy"


def first_comparison(experiment: ExperimentConfig, field: str, value: str) -> str | None:
    """The first comparison that names a policy or a mission."""
    found = (name for name, comparison in experiment.comparisons.items() if value in getattr(comparison, field))
    return next(found, None)
