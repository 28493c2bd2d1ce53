"""The two kinds of policies: one object for all agents, or one per agent."""

import numpy as np
from mettagrid.policy.policy import AgentPolicy
from mettagrid.types import Action

from daf import mission_analysis
from daf.policies import BatchPolicy


class Wanderer(BatchPolicy):
    """All agents at once: walks one way for some steps, then another."""

    def __init__(self, policy_env_info, stride=5):
        super().__init__(policy_env_info)
        self.stride, self.steps, self.way = stride, 0, 1

    def step_batch(self, observations: np.ndarray, actions: np.ndarray) -> None:
        if self.steps % self.stride == 0:
            self.way = np.random.randint(1, 5)  # 0 is noop, then north, south, west, east
        self.steps += 1
        actions[:] = self.way


class Northbound(AgentPolicy):
    """One agent: always walks north."""

    def step(self, obs) -> Action:
        return Action(name="move_north")


if __name__ == "__main__":
    for name in ("own_policy.Wanderer", "own_policy.Northbound"):
        print(mission_analysis.daf_analyze_mission("training_facility_1", policy=name, episodes=4).sentence())
