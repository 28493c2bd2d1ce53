"""Policies that cannot be trained, evaluated or deployed, each for one reason that a user would meet late."""

import os
import sys
import time

import numpy as np
import torch
from mettagrid.policy.policy import AgentPolicy, MultiAgentPolicy
from mettagrid.simulator import Action
from torch import nn

from daf.policies import NetworkPolicy


class Flat(nn.Module):
    """A linear layer over all numbers of an observation, with the trainers' interface."""

    def __init__(self, info):
        super().__init__()
        self.body = nn.Linear(int(np.prod(info.observation_shape)), 8)
        self.logits, self.value = nn.Linear(8, len(info.action_names)), nn.Linear(8, 1)

    def forward_eval(self, observations, state=None):
        x = torch.tanh(self.body(observations.flatten(1).float() / 255))
        return self.logits(x), self.value(x)


class Whole(MultiAgentPolicy):
    """Has everything, written by hand."""

    network_class: type[nn.Module] = Flat

    def __init__(self, policy_env_info, device="cpu"):
        super().__init__(policy_env_info, device=device)
        self.net = self.network_class(policy_env_info)

    def network(self):
        return self.net

    def step_batch(self, observations, actions):
        logits, _ = self.net.forward_eval(torch.from_numpy(observations.copy()))
        actions[:] = logits.argmax(dim=1).numpy()

    def agent_policy(self, agent_id):
        return Still(self.policy_env_info)

    def save_policy_data(self, path):
        torch.save(self.net.state_dict(), path)

    def load_policy_data(self, path):
        self.net.load_state_dict(torch.load(path, weights_only=True))


class Still(AgentPolicy):
    def step(self, obs):
        return Action(name="noop")


# ---- the five requirements of a trainable policy ----------------------------------------------------------------


class WithoutNetwork(Whole):
    def network(self):
        return None


class WithoutForwardEval(Whole):
    class network_class(nn.Linear):  # noqa: N801
        def __init__(self, info):
            super().__init__(int(np.prod(info.observation_shape)), len(info.action_names))

    def step_batch(self, observations, actions):
        actions[:] = 0


class CannotAct(MultiAgentPolicy):
    def __init__(self, policy_env_info):
        super().__init__(policy_env_info)
        self.net = Flat(policy_env_info)

    network = Whole.network
    save_policy_data = Whole.save_policy_data
    load_policy_data = Whole.load_policy_data


class SavesNothing(Whole):
    def save_policy_data(self, path):
        pass


class WithoutAgents(Whole):
    def agent_policy(self, agent_id):
        return None


FIVE = (WithoutNetwork, WithoutForwardEval, CannotAct, SavesNothing, WithoutAgents)

# ---- what else can be wrong with a network ----------------------------------------------------------------------


class FlatTransposed(Flat):
    def forward_eval(self, observations, state=None):
        logits, values = super().forward_eval(observations)
        return logits.T, values


class TransposedLogits(Whole):
    network_class = FlatTransposed

    def step_batch(self, observations, actions):
        actions[:] = 0


class FlatDetached(Flat):
    def forward_eval(self, observations, state=None):
        logits, values = super().forward_eval(observations)
        return logits.detach(), values


class DetachedLogits(Whole):
    network_class = FlatDetached


class FlatNoisy(Flat):
    def forward_eval(self, observations, state=None):
        logits, values = super().forward_eval(observations)
        return logits + torch.randn_like(logits), values


class Noisy(Whole):
    network_class = FlatNoisy


class FlatMixing(Flat):
    def forward_eval(self, observations, state=None):
        logits, values = super().forward_eval(observations)
        return logits - 9 * logits.cumsum(0).flip(0), values


class MixesAgents(Whole):
    network_class = FlatMixing


class FlatUnsaved(Flat):
    def __init__(self, info):
        super().__init__(info)
        self.bias = torch.randn(len(info.action_names))  # neither a parameter nor a buffer

    def forward_eval(self, observations, state=None):
        logits, values = super().forward_eval(observations)
        return logits + self.bias, values


class ForgetsATensor(Whole):
    network_class = FlatUnsaved


class NewNetworkEveryTime(Whole):
    def network(self):
        return Flat(self.policy_env_info)


class LoadsNothing(Whole):
    def load_policy_data(self, path):
        pass


class Lstm(Flat):
    def __init__(self, info):
        super().__init__(info)
        self.core = nn.LSTM(8, 8, batch_first=True)

    def forward_eval(self, observations, state=None):
        steps = observations.shape[1] if observations.dim() == 4 else 1
        x = torch.tanh(self.body(observations.reshape(len(observations) * steps, -1).float() / 255))
        carried = tuple(state[name].transpose(0, 1).contiguous() for name in ("lstm_h", "lstm_c"))
        x, _ = self.core(x.view(-1, steps, 8), carried)
        x = x.flatten(0, 1)
        return self.logits(x), self.value(x)


class LosesItsState(Whole):
    network_class = Lstm

    def is_recurrent(self):
        return True

    def step_batch(self, observations, actions):
        actions[:] = 0


class RecurrentWithoutLstm(Whole):
    def is_recurrent(self):
        return True


class ReturnsOne(NetworkPolicy):
    def make_network(self, info):
        return nn.Flatten()


# ---- acting -----------------------------------------------------------------------------------------------------


class Crashes(MultiAgentPolicy):
    def step_batch(self, observations, actions):
        actions[:] = self.missing_attribute  # type: ignore[attr-defined]


class CrashesLater(MultiAgentPolicy):
    steps = 0

    def step_batch(self, observations, actions):
        self.steps += 1
        actions[:] = [0, 1, 2, 3][: 5 - self.steps] + [0] * (len(actions) - 4) if self.steps > 1 else 0


class Illegal(MultiAgentPolicy):
    def step_batch(self, observations, actions):
        actions[:] = 999


class IllegalName(AgentPolicy):
    def step(self, obs):
        return Action(name="fly")


class ReturnsNothing(AgentPolicy):
    def step(self, obs):
        pass


class OnlyBatch(MultiAgentPolicy):
    def step_batch(self, observations, actions):
        actions[:] = 1


class OnlyBatchTrained(Whole):
    agent_policy = MultiAgentPolicy.agent_policy


class BadReset(OnlyBatch):
    def reset(self):
        raise RuntimeError("not now")


class ExitsInInit(OnlyBatch):
    def __init__(self, policy_env_info):
        super().__init__(policy_env_info)
        sys.exit(0)


class ExitsInStep(MultiAgentPolicy):
    def step_batch(self, observations, actions):
        sys.exit(0)


class EndsTheProcess(MultiAgentPolicy):
    def step_batch(self, observations, actions):
        os._exit(0)


class KillsTheProcess(MultiAgentPolicy):
    def __init__(self, policy_env_info):
        super().__init__(policy_env_info)
        os.kill(os.getpid(), 11)


class NeverReturns(MultiAgentPolicy):
    def step_batch(self, observations, actions):
        while True:
            time.sleep(0.01)


class Noisome(OnlyBatch):
    """Prints from Python, from a subprocess and to the descriptor itself, and changes the process."""

    def __init__(self, policy_env_info):
        super().__init__(policy_env_info)
        print("result: {")
        os.system("echo from a shell")
        os.write(1, b"\xff\xfe raw bytes")
        os.chdir("/")
        sys.stdout = None


class Numbered(AgentPolicy):
    def __init__(self, policy_env_info, agent_id, offset=0):
        super().__init__(policy_env_info)
        self.number = agent_id + offset

    def step(self, obs):
        return Action(name=self.policy_env_info.action_names[self.number % 5])
