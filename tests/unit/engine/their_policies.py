"""A user's own policies: the specification's examples, and some that misbehave."""

import time

import numpy as np
from mettagrid.policy.policy import AgentPolicy, MultiAgentPolicy
from mettagrid.simulator import Action, AgentObservation


class MyPolicy(MultiAgentPolicy):
    """The specification's example."""

    def __init__(self, env_interface, seed=42):
        super().__init__(env_interface)
        self.seed = seed

    def step_batch(self, observations: np.ndarray, actions: np.ndarray) -> None:
        num_agents = observations.shape[0]
        for agent_id in range(num_agents):
            actions[agent_id] = self.compute_action(observations[agent_id])

    def compute_action(self, observation):
        used = observation[observation[:, 0] != 255].astype(np.int64)
        return int(used.sum() + self.seed) % len(self.policy_env_info.all_action_names)


class MySingleAgentPolicy(AgentPolicy):
    """Chooses as MyPolicy does, one agent at a time."""

    def step(self, obs: AgentObservation) -> Action:
        used = sum(int(byte) for token in obs.tokens for byte in token.raw_token)
        names = self.policy_env_info.all_action_names
        return Action(name=names[(used + 42) % len(names)])


class Fragile(MyPolicy):
    """Raises in the middle of some episodes: the episode seed decides, and nothing remembered."""

    steps = 0

    def __init__(self, env_interface):
        super().__init__(env_interface)
        self.doomed = np.random.randint(2) == 1

    def compute_action(self, observation):
        self.steps += 1
        if self.doomed and self.steps > 20:
            raise RuntimeError("no idea what to do")
        return 0


class Forgetful(AgentPolicy):
    """Moves in its first episode only, if it is built once for several."""

    episodes = 0

    def reset(self, simulation=None):
        self.episodes += 1

    def step(self, obs: AgentObservation) -> Action:
        return Action(name="noop" if self.episodes > 1 else "move_north")


class Stuck(MyPolicy):
    def compute_action(self, observation):
        while True:
            pass


class StuckLater(MyPolicy):
    """Acts twice a tenth of a second after it was asked, and then never again; says when it was interrupted."""

    calls = 0

    def step_batch(self, observations: np.ndarray, actions: np.ndarray) -> None:
        self.act()
        actions[:] = 0

    def act(self) -> None:
        self.calls += 1
        asked = time.monotonic()
        try:
            while self.calls > 2 or time.monotonic() < asked + 0.1:
                pass
        except Exception as error:
            raise RuntimeError(f"interrupted after {time.monotonic() - asked:.2f} s") from error


class StuckAgent(AgentPolicy):
    """The same for one agent: the number 0 does nothing."""

    def __init__(self, policy_env_info, agent_id=0):
        super().__init__(policy_env_info)
        self.later = StuckLater(policy_env_info)

    def step(self, obs: AgentObservation) -> Action:
        if obs.agent_id == 0:
            self.later.act()
        return Action(name="noop")


class FragileAgent(AgentPolicy):
    def step(self, obs: AgentObservation) -> Action:
        if obs.agent_id == 2:
            raise KeyError("lost")
        return Action(name="noop")


class Wanderer(MyPolicy):
    """Draws from numpy's global generator."""

    def compute_action(self, observation):
        return int(np.random.randint(5))


class Illegal(MyPolicy):
    """One agent of several does what does not exist."""

    def step_batch(self, observations, actions):
        actions[:] = [2, self.seed, 0, 1]


class IllegalAgent(AgentPolicy):
    def step(self, obs: AgentObservation) -> Action:
        return Action(name="fly")


class WanderingAgent(AgentPolicy):
    """Draws from numpy's global generator, and remembers in its class, which all instances share."""

    steps = 0

    def step(self, obs: AgentObservation) -> Action:
        WanderingAgent.steps += 1
        moves = ("move_north", "move_south", "move_east", "move_west")
        return Action(name=moves[(np.random.randint(4) + WanderingAgent.steps) % 4])

    def reset(self, simulation=None):
        WanderingAgent.steps = 0


class SlowInOneSeat(AgentPolicy):
    """Takes 0.3 s for the first action of agent 3."""

    steps = 0

    def step(self, obs: AgentObservation) -> Action:
        self.steps += 1
        until = time.perf_counter() + (0.3 if (obs.agent_id, self.steps) == (3, 1) else 0.0)
        while time.perf_counter() < until:
            pass
        return Action(name="noop")


class VibeAgent(AgentPolicy):
    """Changes its vibe in even steps, and walks north with another vibe in odd ones."""

    def __init__(self, policy_env_info):
        super().__init__(policy_env_info)
        self.steps = 0

    def step(self, obs):
        self.steps += 1
        vibe = self.policy_env_info.vibe_action_names[self.steps % 2]
        return Action(name="move_north", vibe=vibe) if self.steps % 2 else Action(name=vibe)
