"""The engine's types that signatures outside of this package name; imported for type checking only."""

from mettagrid.config.mettagrid_config import MettaGridConfig
from mettagrid.policy.policy import MultiAgentPolicy, PolicySpec
from mettagrid.policy.policy_env_interface import PolicyEnvInterface

__all__ = ["MettaGridConfig", "MultiAgentPolicy", "PolicyEnvInterface", "PolicySpec"]
