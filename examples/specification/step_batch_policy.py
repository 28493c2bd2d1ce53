from mettagrid.policy.policy import MultiAgentPolicy
import numpy as np

class MyPolicy(MultiAgentPolicy):
    def __init__(self, env_interface, seed=42):
        super().__init__(env_interface)
        self.seed = seed

    def step_batch(self, observations: np.ndarray, actions: np.ndarray) -> None:
        """Process batch of observations."""
        num_agents = observations.shape[0]
        for agent_id in range(num_agents):
            actions[agent_id] = self.compute_action(observations[agent_id])

    def compute_action(self, observation):
        return int(observation[:, 2].sum()) % 5
