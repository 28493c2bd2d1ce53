"""Policies whose networks use other types than float32, or shapes and parameters that trainers may trip over."""

import torch
from torch import nn

from daf.policies import NetworkPolicy

SIZE = 8


class Net(nn.Module):
    def __init__(self, num_actions):
        super().__init__()
        self.embed, self.logits, self.value = nn.Embedding(256, SIZE), nn.Linear(SIZE, num_actions), nn.Linear(SIZE, 1)

    def encode(self, observations):
        return self.embed(observations[..., 1].long()).mean(dim=-2)

    def forward(self, observations):
        x = self.encode(observations)
        return self.logits(x), self.value(x)


class Recurrent(Net):
    def __init__(self, num_actions):
        super().__init__(num_actions)
        self.core = nn.GRUCell(SIZE, SIZE)

    def forward(self, observations, state=None):
        state = self.core(self.encode(observations), state)
        return self.logits(state), self.value(state), state


class Of(NetworkPolicy):
    Module = Net

    def make_network(self, info):
        return self.Module(len(info.action_names))


# ---- what works -------------------------------------------------------------------------------------------------


class Double(Of):
    def make_network(self, info):
        return Net(len(info.action_names)).double()


class Half(Of):
    def make_network(self, info):
        return Net(len(info.action_names)).half()


class RecurrentDouble(Of):
    def make_network(self, info):
        return Recurrent(len(info.action_names)).double()


class RecurrentBfloat16(Of):
    def make_network(self, info):
        return Recurrent(len(info.action_names)).bfloat16()


class Traced(Of):
    def make_network(self, info):
        blank = torch.zeros(3, *info.observation_shape, dtype=torch.uint8)
        return torch.jit.trace(Net(len(info.action_names)), blank)


class Parallel(Of):
    def make_network(self, info):
        return nn.DataParallel(Net(len(info.action_names)))


class WithoutGradients(Of):
    """Its constructor changes a setting of the process, which training restores."""

    def make_network(self, info):
        torch.set_grad_enabled(False)
        return Net(len(info.action_names))


class DoubleOutputs(Of):
    class Module(Net):
        def forward(self, observations):
            logits, values = super().forward(observations)
            return logits.double(), values.double()


class Squeezed(Of):
    class Module(Net):
        def forward(self, observations):
            logits, values = super().forward(observations)
            return logits.squeeze(0), values.squeeze()


class RecurrentSqueezed(Of):
    class Module(Recurrent):
        def forward(self, observations, state=None):
            logits, values, state = super().forward(observations, state)
            return logits.squeeze(0), values.squeeze(), state


class Toggling(Of):
    """Its state is a truth value."""

    class Module(Net):
        def forward(self, observations, state=None):
            logits, values = super().forward(observations)
            state = torch.zeros(len(logits), 1, dtype=torch.bool) if state is None else state
            return torch.where(state, logits, 2 * logits), values, ~state


class Counting(Of):
    """Its state is an index."""

    class Module(Recurrent):
        def forward(self, observations, state=None):
            logits, values = Net.forward(self, observations)
            state = torch.zeros(len(logits), 1, dtype=torch.long) if state is None else state
            return logits + self.embed(state.flatten())[:, : logits.shape[1]], values, state + 1


class TiedAndUnused(Of):
    class Module(Net):
        def __init__(self, num_actions):
            super().__init__(num_actions)
            self.again, self.unused = self.logits, nn.Linear(3, 3)


# ---- what does not ----------------------------------------------------------------------------------------------


class Masked(Of):
    class Module(Net):
        def forward(self, observations):
            logits, values = super().forward(observations)
            return logits.index_fill(1, torch.tensor([0]), -torch.inf), values


class NanWeights(Of):
    class Module(Net):
        def __init__(self, num_actions):
            super().__init__(num_actions)
            nn.init.constant_(self.logits.bias, torch.nan)


class ShortForManyAgents(Of):
    class Module(Net):
        def forward(self, observations):
            logits, values = super().forward(observations)
            return (logits[:-1] if len(logits) > 4 else logits), values


class StateElsewhere(Of):
    class Module(Recurrent):
        def forward(self, observations, state=None):
            logits, values, state = super().forward(observations, state)
            return logits, values, state.to("meta")


class Frozen(Of):
    class Module(Net):
        def __init__(self, num_actions):
            super().__init__(num_actions)
            self.requires_grad_(False)


class Complex(Of):
    class Module(Net):
        def __init__(self, num_actions):
            super().__init__(num_actions)
            self.phase = nn.Parameter(torch.ones(num_actions, dtype=torch.complex64))

        def forward(self, observations):
            logits, values = super().forward(observations)
            return logits * self.phase.real, values


class Sparse(Of):
    class Module(Net):
        def __init__(self, num_actions):
            super().__init__(num_actions)
            self.embed = nn.Embedding(256, SIZE, sparse=True)


class ChangesObservations(Of):
    class Module(Net):
        def forward(self, observations):
            observations[..., 1] += 1
            return super().forward(observations)


class WithoutCritic(Of):
    class Module(Net):
        def forward(self, observations):
            logits, _ = super().forward(observations)
            return logits, torch.zeros(len(logits))
