"""Whether a policy can be trained on a mission: checked before a process starts; the trainer relies on it."""

from __future__ import annotations

from typing import Any

from daf.config import PolicyConfig
from daf.config.recipes import TrainingRecipe
from daf.engine.missions import check_buildable, resolve_mission
from daf.engine.networks import PolicyNetwork
from daf.engine.policies import ResolvedPolicy, build_policy, resolve_policy
from daf.errors import BadInputError


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


def check_recipe(recipe: TrainingRecipe) -> None:
    """Find anything that would make training fail at its start.

    Raises:
        BadInputError: an unknown mission or policy, a policy that cannot be trained on the mission, or a number of
            environments that the processes cannot share equally.
    """
    environments_per_process(recipe.hyperparameters.num_envs, recipe.world_size)
    mission = resolve_mission(recipe.mission.config, recipe.mission.name)
    policy = resolve_policy(PolicyConfig(class_path=recipe.policy_class_path, init_kwargs=recipe.init_kwargs))
    build_trainable(policy, check_buildable(mission).interface)
