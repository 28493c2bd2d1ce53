"""A scripted teacher for corridors: it walks on, and never back."""

from __future__ import annotations

from mettagrid.policy.policy import AgentPolicy, MultiAgentPolicy
from mettagrid.policy.policy_env_interface import PolicyEnvInterface
from mettagrid.simulator import Action, AgentObservation

OPPOSITE = {"north": "south", "south": "north", "west": "east", "east": "west"}
STEPS = {"north": (-1, 0), "south": (1, 0), "west": (0, -1), "east": (0, 1)}


class Walkers(MultiAgentPolicy):
    """One walker per agent."""

    def agent_policy(self, agent_id: int) -> AgentPolicy:
        return Walker(self.policy_env_info)


class Walker(AgentPolicy):
    """Starts at an end of the corridor; on its way, one neighbouring cell is free besides the one it came from."""

    def __init__(self, policy_env_info: PolicyEnvInterface) -> None:
        super().__init__(policy_env_info)
        self.direction = ""

    def step(self, obs: AgentObservation) -> Action:
        info = self.policy_env_info
        walls = {
            (token.location[0] - info.obs_height // 2, token.location[1] - info.obs_width // 2)
            for token in obs.tokens
            if token.feature.name == "tag" and token.location is not None and info.tags[token.value] == "type:wall"
        }
        ways = [name for name, step in STEPS.items() if step not in walls and name != OPPOSITE.get(self.direction)]
        self.direction = ways[0] if ways else OPPOSITE[self.direction]  # past the goal the corridor ends
        return Action(name=f"move_{self.direction}")
