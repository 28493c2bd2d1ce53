"""Policies that take part in a training and do not learn, teachers and partners: found before training begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.config import DAFTrainingConfig, PolicyConfig
from daf.config.frozen_policy import FrozenPolicyRecipe
from daf.config.partners import HistoryRecipe, PartnersConfig, PartnersRecipe
from daf.config.recipes import TrainingRecipe, policy_code
from daf.engine.model_files import class_path_of, description_path, load_model_description
from daf.errors import CheckpointError
from daf.system.files import file_sha256, known_sha256

if TYPE_CHECKING:
    from daf.engine.policies import ResolvedPolicy

type Policies = Mapping[str, PolicyConfig]
type TrainingRuns = Mapping[str, DAFTrainingConfig]


@dataclass(frozen=True)
class FrozenWeights:
    """Where the weights of those policies of a recipe are that have some; the partners' in their order."""

    teacher: Path | None = None
    partners: tuple[Path, ...] = ()


NO_WEIGHTS = FrozenWeights()


def named_policy(name: str, policies: Policies) -> PolicyConfig:
    """The policy of a name: one of the experiment's, else a shorthand or class path."""
    return policies.get(name) or PolicyConfig(class_path=name)


def frozen_policy(name: str, seed: int, policies: Policies, runs: TrainingRuns) -> dict[str, Any]:
    """The fields of its recipe; of a trained policy, the model of the same training seed, or else of the first."""
    policy = named_policy(name, policies)
    if policy.training is not None:
        run = runs[policy.training]
        return {
            "training": policy.training,
            "seed": seed if seed in run.seeds else run.seeds[0],
            "code": policy_code(run.policy_class_path, run.init_kwargs),
        }
    return {
        "class_path": policy.class_path,
        "init_kwargs": policy.init_kwargs,
        "weights_sha256": None if policy.data_path is None else known_sha256(policy.data_path),
        "code": policy_code(class_path_of(policy), policy.init_kwargs),
    }


def partners_recipe(
    partners: PartnersConfig | None, seed: int, policies: Policies, runs: TrainingRuns
) -> PartnersRecipe | None:
    """The recipe of a run's partners."""
    if partners is None:
        return None
    history = partners.history
    return PartnersRecipe(
        pool=tuple(FrozenPolicyRecipe(**frozen_policy(name, seed, policies, runs)) for name in partners.pool),
        history=None if history is None else HistoryRecipe(every=history.every, weight=history.weight),
        share=partners.share,
        validation=tuple(
            FrozenPolicyRecipe(**frozen_policy(name, seed, policies, runs)) for name in partners.validation
        ),
    )


def with_weights[Recipe: FrozenPolicyRecipe](
    policy: Recipe, weights: str | Path | None, what: str
) -> tuple[Recipe, Path | None]:
    """The recipe with the digest of the policy's weights, and where these are; None: it has none.

    Args:
        what: teacher or partner, for errors.

    Raises:
        CheckpointError: they are missing, or their description is damaged.
    """
    if not policy.has_weights:
        return policy, None
    if weights is None or not Path(weights).is_file():
        found = "none" if weights is None else "no such file"
        raise CheckpointError(f"the {what}'s weights", found, str(weights or what), "train that run first")
    path = Path(weights).absolute()
    if policy.training is not None:
        sha256 = load_model_description(description_path(path)).weights_sha256
        policy = policy.model_copy(update={"training": None, "seed": None, "weights_sha256": sha256})
    return policy, path


def prepare_partners(recipe: TrainingRecipe, files: Sequence[str | Path]) -> tuple[TrainingRecipe, tuple[Path, ...]]:
    """The recipe with the digests of the partners' weights, and where these are, in the order of the partners.

    Args:
        files: the weights of the partners that have some, in their order, each with its description or without.

    Raises:
        CheckpointError: one is missing, or its description is damaged.
    """
    partners = recipe.partners
    if partners is None:
        return recipe, ()
    given = _without_descriptions([Path(file) for file in files])
    found = [
        with_weights(policy, next(given, None) if policy.has_weights else None, "partner")
        for policy in partners.policies
    ]
    policies = tuple(policy for policy, _ in found)
    in_pool = len(partners.pool)
    known = partners.model_copy(update={"pool": policies[:in_pool], "validation": policies[in_pool:]})
    return recipe.model_copy(update={"partners": known}), tuple(path for _, path in found if path is not None)


def _without_descriptions(files: Sequence[Path]) -> Iterator[Path]:
    before = None
    for file in files:
        if before is None or file != description_path(before) or file == before:
            yield file
        before = file


def resolve_frozen(policy: FrozenPolicyRecipe, weights: Path | None, what: str) -> ResolvedPolicy:
    """The policy of a recipe.

    Args:
        what: teacher or partner, for errors.

    Raises:
        PolicyError: it is none.
        CheckpointError: its weights are missing, damaged, or not those of the recipe.
    """
    from daf.engine.policies import resolve_policy  # the plan of the workflow needs no engine

    if policy.weights_sha256 is not None:
        if weights is None or not weights.is_file():
            raise CheckpointError(f"the {what}'s weights", "no such file", f"{weights or what}")
        if (actual := file_sha256(weights)) != policy.weights_sha256:
            expected = f"weights with sha256 {policy.weights_sha256[:16]}…"
            hint = "they have changed since this run was planned: run the same command again"
            raise CheckpointError(expected, f"{actual[:16]}…", f"{weights}: {what}", hint)
    config = PolicyConfig(class_path=policy.class_path, data_path=weights, init_kwargs=policy.init_kwargs)
    return resolve_policy(config, what)


def resolve_partners(
    partners: PartnersRecipe, weights: Sequence[Path]
) -> tuple[tuple[ResolvedPolicy, ...], tuple[ResolvedPolicy, ...]]:
    """The policies of the pool, and those for validation.

    Args:
        weights: of those that have some, in their order.

    Raises:
        PolicyError, CheckpointError: as `resolve_frozen`.
    """
    given = iter(weights)
    resolved = tuple(
        resolve_frozen(policy, next(given, None) if policy.has_weights else None, f"partner {number}")
        for number, policy in enumerate(partners.policies, 1)
    )
    return resolved[: len(partners.pool)], resolved[len(partners.pool) :]
