"""Which weights each training run keeps on its way: those that tournaments and comparisons play."""

from __future__ import annotations

from collections.abc import Iterator

from daf.config import ExperimentConfig, MissionConfig
from daf.config.earlier_checkpoints import LISTS, is_earlier, share_text, update_at
from daf.engine.mission_agents import declared_agents
from daf.errors import BadInputError, ConfigError


def kept_shares(experiment: ExperimentConfig, run: str) -> tuple[float, ...]:
    """The shares of a run's steps after which its weights are kept."""
    return tuple(
        sorted({share for policy, share in _shares(experiment, run) if is_earlier(experiment.policies[policy])})
    )


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
        for policy, share in _shares(experiment, name):
            update = update_at(share, run.num_steps, steps)
            if (other := updates.setdefault(update, share)) != share:
                hint = f"an update of this run is {steps:,} of its {run.num_steps:,} agent-steps"
                found = f"{share_text(other)} and {share_text(share)}, both in update {update}"
                yield BadInputError("shares that end in different updates", found, _where(experiment, policy), hint)


def _shares(experiment: ExperimentConfig, run: str) -> list[tuple[str, float]]:
    """The policies that name a share of a run, each with it."""
    return [
        (name, policy.at)
        for name, policy in experiment.policies.items()
        if policy.training == run and policy.at is not None
    ]


def _where(experiment: ExperimentConfig, policy: str) -> str:
    """The key that names a policy: that of the first tournament, which may have made it."""
    for name, tournament in experiment.tournaments.items():
        for key in LISTS:
            if policy in getattr(tournament, key):
                return f"tournaments.{name}.{key}"
    return f"policies.{policy}.at"


def _agents(experiment: ExperimentConfig, mission: str) -> int | None:
    try:
        return declared_agents(experiment.missions.get(mission) or MissionConfig(source=mission))
    except BadInputError:  # the check with the engine says so
        return None
