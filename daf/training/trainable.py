"""Whether a policy can be trained on a mission: checked before a process starts; the trainer relies on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from daf.config import PolicyConfig
from daf.config.recipes import TrainingRecipe
from daf.engine.missions import check_buildable, resolve_mission
from daf.engine.model_files import first_interface_difference
from daf.engine.networks import PolicyNetwork
from daf.engine.policies import ResolvedPolicy, build_policy, load_weights, resolve_policy
from daf.errors import BadInputError, CheckpointError, PolicyError
from daf.system.files import file_sha256
from daf.system.nouns import number_of
from daf.training.frozen_policies import resolve_frozen, resolve_partners
from daf.training.partnering import require_seats
from daf.training.start import Start


def environments_per_process(num_envs: int, world_size: int, where: str = "hyperparameters.num_envs") -> int:
    """The number of environments per process.

    Raises:
        BadInputError: the processes cannot share them equally.
    """
    if num_envs % world_size:
        expected = f"a multiple of the {world_size} training processes"
        raise BadInputError(expected, str(num_envs), where)
    return num_envs // world_size


def build_trainable(
    policy: ResolvedPolicy,
    interface: Any,
    *,
    device: str = "cpu",
    precision: str = "float32",
    compiled: bool = False,
) -> tuple[Any, PolicyNetwork]:
    """The policy and its network, for an environment.

    Args:
        interface: the environment's interface to a policy (`SimulationFactory.interface`).

    Raises:
        PolicyError: the class rejects the environment or the arguments, or the policy has no network.
    """
    built = build_policy(policy, interface, device=device)
    return built, PolicyNetwork(built, policy.label, precision=precision, compiled=compiled)


def require_shared(mission: str, interface: Any, target: str, of_target: Any) -> None:
    """Refuse a mission that cannot be one of several in a training for a target mission.

    Args:
        interface, of_target: of both missions, see `build_trainable`.

    Raises:
        BadInputError: another number of agents, or other observations or actions.
    """
    where, hint = f"mission '{mission}'", "missions of one training share agents, observations and actions"
    if interface.num_agents != of_target.num_agents:
        expected = f"{number_of(of_target.num_agents, 'agent')}, as on '{target}'"
        raise BadInputError(expected, str(interface.num_agents), where, f"{hint}; `num_agents` changes the number")
    difference = first_interface_difference(of_target, interface)
    if difference is not None:
        name, ours, theirs = difference
        raise BadInputError(f"the same {name} as on '{target}' ({ours})", theirs, where, hint)


def load_start(built: Any, policy: ResolvedPolicy, interface: Any, start: Start) -> None:
    """Put the weights into the network of a policy.

    Raises:
        PolicyError: they do not belong to this class, this kind of mission, this engine or this network.
        CheckpointError: they are gone, or no longer those of the lineage.
    """
    path, expected = start.weights, start.lineage.weights_sha256
    where = f"{path}: start_from"
    if not path.is_file():
        raise CheckpointError("weights to start from", "no such file", where, "train them again, or copy them back")
    if (actual := file_sha256(path)) != expected:
        hint = "they have changed since this run was planned: run the same command again"
        raise CheckpointError(f"weights with sha256 {expected[:16]}…", f"{actual[:16]}…", where, hint)
    try:
        load_weights(built, path, policy.class_path, interface, "start_from")
    except CheckpointError as error:  # the weights are the right ones, so the network is not; a trial's fault
        raise PolicyError(error.expected, error.found, error.where, error.hint) from error


def check_recipe(
    recipe: TrainingRecipe,
    start: Start | None = None,
    teacher_weights: Path | None = None,
    partner_weights: Sequence[Path] = (),
) -> None:
    """Find anything that would make training fail at its start.

    Raises:
        BadInputError: an unknown mission or policy, a policy that cannot be trained on the mission, a number of
            environments that the processes cannot share equally, missions that do not fit together, or a mission
            without seats for partners.
        PolicyError, CheckpointError: weights to start from that do not fit the network, or a teacher or partner that
            cannot be built.
    """
    environments_per_process(recipe.hyperparameters.num_envs, recipe.world_size)
    mission = resolve_mission(recipe.mission.config, recipe.mission.name)
    policy = resolve_policy(PolicyConfig(class_path=recipe.policy_class_path, init_kwargs=recipe.init_kwargs))
    interface = check_buildable(mission).interface
    built, _ = build_trainable(policy, interface)
    for other in recipe.curriculum.missions if recipe.curriculum else ():
        resolved = resolve_mission(other.mission.config, other.mission.name)
        require_shared(resolved.name, check_buildable(resolved).interface, mission.name, interface)
    if start is not None:
        load_start(built, policy, interface, start)
    if recipe.teacher is not None:
        build_policy(resolve_frozen(recipe.teacher, teacher_weights, "teacher"), interface)
    if recipe.partners is not None:
        require_seats(recipe.partners, mission.num_agents, mission.name)
        for partners in resolve_partners(recipe.partners, partner_weights):
            for partner in partners:
                build_policy(partner, interface)
