"""One policy per mistake, each with its line marked by the class's name."""

# mypy: ignore-errors
import numpy as np
import torch
from mettagrid.policy.policy import AgentPolicy, MultiAgentPolicy
from mettagrid.simulator import Action
from torch import nn

from daf.policies import BatchPolicy, NetworkPolicy
from tests.unit.engine.broken_policies import Flat, Whole


class Linear(nn.Module):
    def __init__(self, info):
        super().__init__()
        self.inputs, self.actions = int(np.prod(info.observation_shape)), len(info.action_names)
        self.layer = nn.Linear(self.inputs, self.actions)

    def logits(self, observations):
        return self.layer(observations.flatten(1).float() / 255)


def module_with(forward):
    """A module of this class with another forward."""
    return type("Made", (Linear,), {"forward": forward})


# ---- NetworkPolicy ----------------------------------------------------------------------------------------------


def ints(self, observations):  # ReturnsInts
    return self.logits(observations).long(), observations.float().mean((1, 2))


class ReturnsInts(NetworkPolicy):
    def make_network(self, info):
        return module_with(ints)(info)


class ReturnsAList(NetworkPolicy):
    class Net(Linear):
        def forward(self, observations):  # ReturnsAList
            return [self.logits(observations), observations.float().mean((1, 2))]

    def make_network(self, info):
        return self.Net(info)


class ReturnsADict(NetworkPolicy):
    class Net(Linear):
        def forward(self, observations):  # ReturnsADict
            return {"logits": self.logits(observations), "values": observations.float().mean((1, 2))}

    def make_network(self, info):
        return self.Net(info)


class BareGru(NetworkPolicy):
    def make_network(self, info):  # BareGru
        return nn.GRU(3, 8, batch_first=True)


class FloatingGru(NetworkPolicy):
    class Net(Linear):
        def __init__(self, info):
            super().__init__(info)
            self.core = nn.GRU(self.inputs, 8)

        def forward(self, observations, state):  # FloatingGru
            _, state = self.core(observations.flatten(1).float()[None], state)
            return self.logits(observations), observations.float().mean((1, 2)), state

    def make_network(self, info):
        return self.Net(info)


class StateWithoutArgument(NetworkPolicy):
    class Net(Linear):
        def forward(self, observations):  # StateWithoutArgument
            return self.logits(observations), observations.float().mean((1, 2)), torch.zeros(len(observations), 2)

    def make_network(self, info):
        return self.Net(info)


class WrongSize(NetworkPolicy):
    class Net(Linear):
        def forward(self, observations):  # WrongSize
            return self.logits(observations)[:, :2], observations.float().mean((1, 2))

    def make_network(self, info):
        return self.Net(info)


class MakesNothing(NetworkPolicy):
    def make_network(self, info):  # MakesNothing
        pass


class WithoutMakeNetwork(NetworkPolicy):  # WithoutMakeNetwork
    pass


class MakesWithoutInfo(NetworkPolicy):
    def make_network(self):  # MakesWithoutInfo
        return nn.Identity()


class ModuleWithoutInit(NetworkPolicy):
    class Net(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(3, 3)  # ModuleWithoutInit

    def make_network(self, info):
        return self.Net()


class ForwardCrashes(NetworkPolicy):
    class Net(Linear):
        def forward(self, observations):
            if len(observations) != 3:
                raise RuntimeError("only three")  # ForwardCrashes
            return self.logits(observations), observations.float().mean((1, 2))

    def make_network(self, info):
        return self.Net(info)


class NotANumber(NetworkPolicy):
    class Net(Linear):
        def forward(self, observations):  # NotANumber
            return self.logits(observations).abs().neg().log(), observations.float().mean((1, 2))

    def make_network(self, info):
        return self.Net(info)


# ---- constructors -----------------------------------------------------------------------------------------------


class WithoutSuper(MultiAgentPolicy):
    def __init__(self, policy_env_info):  # WithoutSuper
        self.number = 1

    def step_batch(self, observations, actions):
        actions[:] = 0


class WithoutArguments(BatchPolicy):
    def __init__(self):  # WithoutArguments
        pass


class AgentWithoutArguments(AgentPolicy):
    def __init__(self):  # AgentWithoutArguments
        pass

    def step(self, obs):
        return Action(name="noop")


class InitCrashes(BatchPolicy):
    def __init__(self, policy_env_info):
        super().__init__(policy_env_info)
        self.size = policy_env_info.no_such_fact  # InitCrashes


# ---- acting -----------------------------------------------------------------------------------------------------


class OneArgument(BatchPolicy):
    def step_batch(self, observations):  # OneArgument
        pass


class NoAgentId(MultiAgentPolicy):
    def agent_policy(self):  # NoAgentId
        return None


class StepWithoutArgument(AgentPolicy):
    def step(self):  # StepWithoutArgument
        return Action(name="noop")


class FloatActions(AgentPolicy):
    def step(self, obs):  # FloatActions
        return 2.0


class NanActions(BatchPolicy):
    def step_batch(self, observations, actions):  # NanActions
        actions[:] = np.full(len(actions), np.nan)


class Interrupts(BatchPolicy):
    def step_batch(self, observations, actions):
        raise KeyboardInterrupt  # Interrupts


class InterruptsInInit(BatchPolicy):
    def __init__(self, policy_env_info):
        raise KeyboardInterrupt  # InterruptsInInit


class CannotReset(BatchPolicy):
    def reset(self, everything):  # CannotReset
        pass

    def step_batch(self, observations, actions):
        actions[:] = 0


# ---- written by hand --------------------------------------------------------------------------------------------


class HandList(Whole):
    class network_class(Flat):  # noqa: N801
        def forward_eval(self, observations, state=None):  # HandList
            return list(super().forward_eval(observations))

    def step_batch(self, observations, actions):
        actions[:] = 0


class HandWithoutState(Whole):
    class network_class(Flat):  # noqa: N801
        def forward_eval(self, observations):  # HandWithoutState
            return super().forward_eval(observations)


class SavesWithoutPath(Whole):
    def save_policy_data(self):  # SavesWithoutPath
        pass


class NetworkIsADict(Whole):
    def network(self):  # NetworkIsADict
        return {"net": self.net}


class LayersInAList(Whole):
    class network_class(nn.Module):  # noqa: N801
        def __init__(self, info):
            super().__init__()
            self.layers = [Flat(info)]

        def forward_eval(self, observations, state=None):  # LayersInAList
            return self.layers[0].forward_eval(observations)


class NotAPolicy:  # NotAPolicy
    pass
