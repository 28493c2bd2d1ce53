"""Networks of a user's own, for NetworkPolicy: one that sees a step, two that remember, one with dropout."""

import torch
from torch import nn

from daf.policies import BatchPolicy, NetworkPolicy


class Bag(nn.Module):
    """The mean embedding of the tokens' features and values."""

    def __init__(self, num_actions, size=16):
        super().__init__()
        self.features, self.values = nn.Embedding(256, size), nn.Embedding(256, size)
        self.logits, self.value = nn.Linear(size, num_actions), nn.Linear(size, 1)

    def encode(self, observations):
        tokens = observations.long()
        used = (tokens[..., :1] != 255).float()
        embedded = (self.features(tokens[..., 1]) + self.values(tokens[..., 2])) * used
        return torch.tanh(embedded.sum(dim=-2) / used.sum(dim=-2).clamp(min=1))

    def forward(self, observations):
        x = self.encode(observations)
        return self.logits(x), self.value(x)


class Remembering(Bag):
    """Carries the state of a GRU."""

    def __init__(self, num_actions, size=16):
        super().__init__(num_actions, size)
        self.core = nn.GRUCell(size, size)

    def forward(self, observations, state=None):
        state = self.core(self.encode(observations), state)
        return self.logits(state), self.value(state), state


class RememberingTwice(Bag):
    """Carries the state of an LSTM: two tensors."""

    def __init__(self, num_actions, size=16):
        super().__init__(num_actions, size)
        self.core = nn.LSTMCell(size, size)

    def forward(self, observations, state=None):
        state = self.core(self.encode(observations), state)
        return self.logits(state[0]), self.value(state[0]), state


class Doubting(Bag):
    """What it answers depends on the order of all its calls."""

    def __init__(self, num_actions, size=16):
        super().__init__(num_actions, size)
        self.doubt, self.norm = nn.Dropout(0.3), nn.BatchNorm1d(size)

    def encode(self, observations):
        return self.doubt(self.norm(super().encode(observations)))


class Doubter(NetworkPolicy):
    def make_network(self, info, size=16):
        return Doubting(len(info.action_names), size)


class Scout(NetworkPolicy):
    def make_network(self, info, size=16):
        return Bag(len(info.action_names), size)


class Rememberer(NetworkPolicy):
    def make_network(self, info, size=16):
        return Remembering(len(info.action_names), size)


class RemembererOfTwo(NetworkPolicy):
    def make_network(self, info, size=16):
        return RememberingTwice(len(info.action_names), size)


class Marcher(BatchPolicy):
    """Every agent walks one way per step, all the same."""

    def __init__(self, policy_env_info):
        super().__init__(policy_env_info)
        self.steps = 0

    def reset(self):
        self.steps = 0

    def step_batch(self, observations, actions):
        self.steps += 1
        actions[:] = 1 + self.steps % 4
