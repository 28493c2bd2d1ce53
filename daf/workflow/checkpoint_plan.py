"""Who plays: the checkpoints of the policies that an experiment compares, seats in tournaments, or packages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from daf.config import DAFTrainingConfig, ExperimentConfig, PolicyConfig
from daf.config.earlier_checkpoints import is_earlier
from daf.config.recipes import PolicyRecipe, checkpoint_label, policy_code, policy_label
from daf.engine.model_files import class_path_of, weights_files
from daf.errors import BadInputError, ConfigError
from daf.system.files import known_sha256
from daf.system.user_code import CodeStamp
from daf.workflow.targets import look_up


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Weights to evaluate: an external policy, one training seed of a run, or a team of these.

    Attributes:
        run: the training run that produces the weights.
        members: of a team, with their shares of the agents.
    """

    policy: str
    config: PolicyConfig
    seed: int | None = None
    run: DAFTrainingConfig | None = None
    members: tuple[tuple[Checkpoint, float], ...] = ()

    @property
    def label(self) -> str:
        return checkpoint_label(self.policy, self.seed)

    @property
    def training(self) -> str | None:
        """The name of the run that produces the weights."""
        return self.config.training

    @property
    def at(self) -> float | None:
        """The share of the run's steps after which it had these weights; None: they are the published ones."""
        return self.config.at if is_earlier(self.config) else None

    def singles(self) -> list[Checkpoint]:
        """The members of a team, or the checkpoint itself."""
        return [member for member, _ in self.members] or [self]

    def code(self) -> CodeStamp:
        """The code of its class, with the files that arguments name; that of a team is its members'."""
        if self.run is not None:
            return policy_code(self.run.policy_class_path, self.run.init_kwargs)
        return policy_code(class_path_of(self.config), self.config.init_kwargs)

    def recipe(self) -> PolicyRecipe:
        """Who plays, with external weights and code identified by content."""
        return PolicyRecipe(
            label=self.policy,
            train_seed=self.seed,
            class_path=self.config.class_path,
            init_kwargs=self.config.init_kwargs,
            training=self.training,
            at=self.at,
            weights_sha256=tuple(known_sha256(path) for path in weights_files(self.config)),
            members=tuple((member.recipe(), share) for member, share in self.members),
            code=self.code(),
        )

    def __str__(self) -> str:
        if self.members:
            return f"a team of {', '.join(member.label for member, _ in self.members)}"
        if self.training is not None:
            earlier = "" if self.at is None else f" after {self.at:g} of its steps"
            return f"seed {self.seed} of training.{self.training}{earlier}"
        return str(self.config.class_path or self.config.data_path)


class CheckpointPlan:
    """The checkpoints of an experiment."""

    def __init__(self, experiment: ExperimentConfig) -> None:
        self._policies, self._training = experiment.policies, experiment.training
        self._comparisons, self._tournaments = experiment.comparisons, experiment.tournaments
        self._deployment = experiment.deployment

    @cached_property
    def by_label(self) -> dict[str, Checkpoint]:
        """Every checkpoint of every policy that is compared, plays a tournament, or is packaged.

        Raises:
            ConfigError: two policies share a label.
        """
        policies = [policy for comparison in self._comparisons.values() for policy in comparison.policies]
        for tournament in self._tournaments.values():
            policies += [*tournament.candidates, *tournament.pool]
        if self._deployment and self._deployment.policy:
            policies.append(self._deployment.policy)
        checkpoints: dict[str, Checkpoint] = {}
        for policy in dict.fromkeys(policies):
            for checkpoint in self.of_policy(policy):
                known = checkpoints.setdefault(checkpoint.label, checkpoint)
                if known != checkpoint:
                    hint = "give one of them another name under `policies`"
                    expected = f"one policy called '{checkpoint.label}'"
                    raise ConfigError([BadInputError(expected, f"{known} and {checkpoint}", "policies", hint)])
        return checkpoints

    def labelled(self, label: str) -> Checkpoint:
        """The checkpoint that a target's path names.

        Raises:
            BadInputError: there is none.
        """
        return look_up(self.by_label, label, "checkpoint")

    def packaged(self, label: str | None = None) -> Checkpoint:
        """The checkpoint to package, which must have this label if one is given.

        Raises:
            BadInputError: the experiment packages none, or another one.
        """
        checkpoint = self.deployed()
        if checkpoint is None:
            hint = "add `deployment: {policy: …}` with the name of a policy"
            raise BadInputError("a `deployment` section with a policy", "none", "deployment", hint)
        return checkpoint if label is None else look_up({checkpoint.label: checkpoint}, label, "package")

    def of_policy(self, policy: str) -> Iterator[Checkpoint]:
        """One checkpoint, or one per training seed. A name not under `policies` is a shorthand or class path."""
        config = self._policies.get(policy) or PolicyConfig(class_path=policy)
        label = policy if policy in self._policies else policy_label(policy)
        if config.policies:
            yield from self._teams(label, config)
        elif config.training is None:
            yield Checkpoint(policy=label, config=config)
        else:
            run = self._training[config.training]
            for seed in run.seeds:
                yield Checkpoint(policy=label, config=config, seed=seed, run=run)

    def _teams(self, label: str, config: PolicyConfig) -> Iterator[Checkpoint]:
        """One team, or one per training seed of its trained members, which all have the same seeds."""
        choices = {member: list(self.of_policy(member)) for member in config.policies}
        trained = (checkpoints for checkpoints in choices.values() if checkpoints[0].seed is not None)
        seeds: list[int | None] = [checkpoint.seed for checkpoint in next(trained, [])] or [None]
        for index, seed in enumerate(seeds):
            members = tuple(
                (choices[member][index if len(choices[member]) > 1 else 0], share)
                for member, share in config.policies.items()
            )
            yield Checkpoint(policy=label, config=config, seed=seed, members=members)

    def deployed(self) -> Checkpoint | None:
        """The checkpoint to package: the chosen seed, else the first."""
        deployment = self._deployment
        if deployment is None or deployment.policy is None:
            return None
        candidates = list(self.of_policy(deployment.policy))
        return next((checkpoint for checkpoint in candidates if checkpoint.seed == deployment.seed), candidates[0])
