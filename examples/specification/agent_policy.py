from mettagrid.policy.policy import AgentPolicy
from mettagrid.simulator import AgentObservation  # the engine has it here, not in mettagrid.types
from mettagrid.types import Action

class MySingleAgentPolicy(AgentPolicy):
    def step(self, obs: AgentObservation) -> Action:
        """Select action for single agent."""
        action_name = self.select_action(obs)
        return Action(name=action_name)

    def select_action(self, obs):
        return "move_north"
