"""Which weights each training run keeps on its way: those that tournaments and comparisons play."""

from __future__ import annotations

from collections.abc import Iterator

from daf.config import ExperimentConfig, MissionConfig
from daf.config.earlier_checkpoints import is_earlier, share_text, update_at
from daf.engine.mission_agents import declared_agents
from daf.errors import BadInputError, ConfigError


def kept_shares(experiment: ExperimentConfig, run: str) -> tuple[float, ...]:
    """The shares of a run's steps after which its weights are kept."""
    policies = [policy for policy in experiment.policies.values() if policy.training == run and is_earlier(policy)]
    return tuple(sorted({policy.at for policy in policies if policy.at is not None}))


def refuse_shared_updates(experiment: ExperimentConfig) -> None:
    """Refuse shares of a run's steps that end in the same update.

    Raises:
        ConfigError: with one problem per pair.
    """
    if problems := list(_shared_updates(experiment)):
        raise ConfigError(problems)


def _shared_updates(experiment: ExperimentConfig) -> Iterator[BadInputError]:
    for name, run in experiment.training.items():
        agents = _agents(experiment, run.mission)
        if agents is None or run.sweep is not None:  # the engine or the search decides how long an update is
            continue
        steps = agents * run.hyperparameters.num_envs * run.hyperparameters.horizon
        updates: dict[int, float] = {}
        for share in kept_shares(experiment, name):
            update = update_at(share, run.num_steps, steps)
            if (other := updates.setdefault(update, share)) != share:
                hint = f"an update of this run is {steps:,} of its {run.num_steps:,} agent-steps"
                found = f"{share_text(other)} and {share_text(share)}, both in update {update}"
                yield BadInputError("shares that end in different updates", found, f"training.{name}: at", hint)


def _agents(experiment: ExperimentConfig, mission: str) -> int | None:
    try:
        return declared_agents(experiment.missions.get(mission) or MissionConfig(source=mission))
    except BadInputError:  # the check with the engine says so
        return None
