"""A scripted teacher for corridors with a goal: it walks away from the walls around it, and keeps its direction."""

from __future__ import annotations

from mettagrid.policy.policy import AgentPolicy, MultiAgentPolicy
from mettagrid.policy.policy_env_interface import PolicyEnvInterface
from mettagrid.simulator import Action, AgentObservation

STEPS = {"north": (-1, 0), "south": (1, 0), "west": (0, -1), "east": (0, 1)}


class Walkers(MultiAgentPolicy):
    """One walker per agent."""

    def agent_policy(self, agent_id: int) -> AgentPolicy:
        return Walker(self.policy_env_info)


class Walker(AgentPolicy):
    """Starts at an end of the corridor, where only one way is free."""

    def __init__(self, policy_env_info: PolicyEnvInterface) -> None:
        super().__init__(policy_env_info)
        self.action: Action | None = None

    def step(self, obs: AgentObservation) -> Action:
        if self.action is None:
            row, column = self.policy_env_info.obs_height // 2, self.policy_env_info.obs_width // 2
            taken = {
                (token.location[0] - row, token.location[1] - column)
                for token in obs.tokens
                if token.feature.name == "tag" and token.location is not None
            }
            self.action = Action(name="move_" + next(name for name, step in STEPS.items() if step not in taken))
        return self.action
