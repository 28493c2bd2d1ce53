"""Earlier checkpoints of a training run among the policies of a tournament: the form, and where it may not be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import ceil
from typing import Annotated, Any, Protocol, Self

from pydantic import Field, ValidationError, model_validator

from daf.config.strict_model import Name, StrictModel, refuse_repeated
from daf.errors import BadInputError, did_you_mean
from daf.system.validated import problems_of, wrong_value

Share = Annotated[float, Field(gt=0, le=1)]
LISTS = ("candidates", "pool")  # of a tournament


class EarlierCheckpoints(StrictModel):
    """Checkpoints of a training run, each a separate policy, such as `miner-at-0.5`."""

    training: Name = Field(description="a run under `training`")
    at: list[Share] = Field(
        min_length=1, description="shares of the run's steps after which it had these weights; 1: the published weights"
    )

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        refuse_repeated(self.at, "at")
        return self

    def policies(self) -> dict[str, dict[str, Any]]:
        """The entries of `policies` that it means."""
        return {f"{self.training}-at-{share_text(at)}": {"training": self.training, "at": at} for at in self.at}


class Run(Protocol):
    """What matters here of a training run."""

    def frozen_policies(self) -> dict[str, str]: ...


class Policy(Protocol):
    """What matters here of a policy."""

    training: str | None
    at: float | None


class Comparison(Protocol):
    """What matters here of a comparison."""

    policies: list[str]
    learning_curves: Any


class Deployment(Protocol):
    """What matters here of a deployment."""

    policy: str | None


def share_text(share: float) -> str:
    """'0.5', and '1' for 1.0: as names contain it."""
    return repr(float(share)).removesuffix(".0")


def update_at(share: float, num_steps: int, steps_per_update: int) -> int:
    """The first update after which a run has trained a share of its steps; exact for the share as it is written."""
    return ceil(Fraction(repr(float(share))) * num_steps / steps_per_update)


def with_earlier_checkpoints(data: Any) -> Any:
    """An experiment as plain data, in which every `{training: miner, at: [0.5]}` of a tournament is a named policy."""
    if not isinstance(data, dict) or not isinstance(data.get("tournaments"), dict):
        return data
    made: dict[str, dict[str, Any]] = {}
    runs = list(data.get("training") or ())

    def named(name: str, tournament: Any) -> Any:
        if not isinstance(tournament, dict):
            return tournament  # its own error
        lists = [key for key in LISTS if isinstance(tournament.get(key), list)]
        return {
            **tournament,
            **{key: _named(tournament[key], f"tournaments.{name}.{key}", runs, made) for key in lists},
        }

    tournaments = {name: named(name, tournament) for name, tournament in data["tournaments"].items()}
    if not made:
        return data
    policies = data.get("policies") or {}
    if not isinstance(policies, dict):
        return data  # its own error
    for name, policy in made.items():
        if policies.get(name, policy) != policy:
            hint = f"an earlier checkpoint of training.{policy['training']} has this name: rename the other one"
            found = str(policies[name])
            raise wrong_value(f"no other policy called '{name}'", hint, at=f"policies.{name}", found=found)
    return {**data, "tournaments": tournaments, "policies": {**policies, **made}}


def _named(listed: list[Any], where: str, runs: list[str], made: dict[str, dict[str, Any]]) -> list[Any]:
    """A list of policies with names for mappings; `made` receives what the names mean."""
    names: list[Any] = []
    for number, entry in enumerate(listed):
        if not isinstance(entry, dict):
            names.append(entry)
            continue
        place = f"{where}.{number}"
        try:
            found = EarlierCheckpoints.model_validate(entry)
        except ValidationError as error:
            problem = problems_of(EarlierCheckpoints, error, place)[0]
            at = f"{place}.{problem.where.removeprefix(f'{place}: ')}"
            raise wrong_value(problem.expected, problem.hint, at=at, found=problem.found) from None
        if found.training not in runs:
            hint = did_you_mean(found.training, runs) or "this file defines none"
            expected = "the name of a training run in this file"
            raise wrong_value(expected, hint, at=f"{place}.training", found=f"'{found.training}'")
        made.update(found.policies())
        names += found.policies()
    return names


def broken_earlier_checkpoints(
    policies: Mapping[str, Policy],
    training: Mapping[str, Run],
    comparisons: Mapping[str, Comparison],
    deployment: Deployment | None,
    source: str,
) -> Iterator[BadInputError]:
    """Uses of earlier checkpoints where DAF takes the published weights."""
    used = {
        f"training.{name}.{key}": policy
        for name, run in training.items()
        for key, policy in run.frozen_policies().items()
    }
    used |= {
        f"comparisons.{name}.learning_curves": policy
        for name, comparison in comparisons.items()
        if comparison.learning_curves is not None
        for policy in comparison.policies
        if is_earlier(policies.get(policy))
    }
    if deployment is not None and deployment.policy is not None:
        used["deployment.policy"] = deployment.policy
    for key, policy in used.items():
        if is_earlier(policies.get(policy)):
            hint = f"earlier checkpoints play tournaments and comparisons; leave `at` out of policies.{policy}"
            yield BadInputError("published weights", f"the earlier checkpoint '{policy}'", f"{source}: {key}", hint)


def is_earlier(policy: Policy | None) -> bool:
    """Whether a policy has other weights than those that its run publishes."""
    return policy is not None and policy.training is not None and policy.at not in (None, 1)
