"""Whether policies that choose a run's weights, its validation pool, also test it."""

from __future__ import annotations

from collections.abc import Iterator

from daf.config import ExperimentConfig, PolicyConfig
from daf.engine.policy_classes import full_class_path
from daf.errors import BadInputError
from daf.training.frozen_policies import named_policy

_HINT = "weights that were chosen beside a policy look better beside it: validate beside others"


def shared_pools(experiment: ExperimentConfig, source: str) -> Iterator[BadInputError]:
    """One warning for each policy of a validation pool that plays beside the run's models where they are tested."""
    for name, run in experiment.training.items():
        validation = run.partners.validation if run.partners is not None else []
        trained = {policy for policy, config in experiment.policies.items() if config.training == name}
        for test, others in _tests(experiment, trained):
            configs = [_played(other, experiment) for other in others if other not in trained]
            for policy in validation:
                if _played(policy, experiment) in configs:
                    where = f"{source}: training.{name}.partners.validation"
                    yield BadInputError(
                        f"a validation pool without those who play in {test}", f"'{policy}'", where, _HINT
                    )


def _played(name: str, experiment: ExperimentConfig) -> PolicyConfig:
    """The policy of a name, with the full path of its class, however the file writes it."""
    policy = named_policy(name, experiment.policies)
    if policy.class_path is None:
        return policy
    return policy.model_copy(update={"class_path": full_class_path(policy.class_path)})


def _tests(experiment: ExperimentConfig, trained: set[str]) -> Iterator[tuple[str, list[str]]]:
    """Where policies play in mixed teams, and who the others are."""
    for name, tournament in experiment.tournaments.items():
        if trained.intersection(tournament.candidates):
            yield f"tournaments.{name}", tournament.pool or tournament.candidates
    for name, comparison in experiment.comparisons.items():
        for policy in comparison.policies:
            team = experiment.policies[policy].policies if policy in experiment.policies else {}
            if trained.intersection(team):
                yield f"comparisons.{name}", list(team)
