"""Engine types in signatures outside this package; imported only for type checking."""

from mettagrid.config.mettagrid_config import MettaGridConfig
from mettagrid.policy.policy import MultiAgentPolicy, PolicySpec
from mettagrid.policy.policy_env_interface import PolicyEnvInterface

__all__ = ["MettaGridConfig", "MultiAgentPolicy", "PolicyEnvInterface", "PolicySpec"]
