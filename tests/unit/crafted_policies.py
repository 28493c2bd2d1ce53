"""Policies that fail in one known way each."""

import numpy as np
from mettagrid.policy.policy import AgentPolicy, MultiAgentPolicy
from mettagrid.simulator import Action

MOVES = (1, 2, 3, 4)  # north, south, west, east; 0 is noop


class Wander(MultiAgentPolicy):
    """Walks at random for `steps` steps, every agent but those who `rest`, and then stands still."""

    def __init__(self, policy_env_info, steps=10_000, rest=(), moves=MOVES):
        super().__init__(policy_env_info)
        self.steps, self.rest, self.moves = steps, list(rest), moves
        self.random, self.step_number = np.random.default_rng(0), 0

    def reset(self):
        self.step_number = 0

    def step_batch(self, observations, actions):
        self.step_number += 1
        actions[:] = self.random.choice(self.moves, size=len(actions)) if self.step_number <= self.steps else 0
        actions[self.rest] = 0


class Broken(AgentPolicy):
    def step(self, obs):
        raise RuntimeError("lost its way")


class Impatient(MultiAgentPolicy):
    """Agents that accept any limit on the time for an action, even less than none."""

    minimum_action_timeout_ms = -1

    def agent_policy(self, agent_id):
        return Idler(self.policy_env_info)


class Idler(AgentPolicy):
    def step(self, obs):
        return Action(name="noop")


class Quitter(AgentPolicy):
    """Ends the program."""

    def step(self, obs):
        raise SystemExit(3)
