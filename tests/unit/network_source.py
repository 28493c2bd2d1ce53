"""The source of a small recurrent network, for modules of policies that tests write."""

RECURRENT_NET = """
import torch
from torch import nn

SCALE = 1.0  # of the logits


class Net(nn.Module):
    def __init__(self, num_actions):
        super().__init__()
        self.embed, self.core = nn.Embedding(256, 8), nn.GRUCell(8, 8)
        self.logits, self.value = nn.Linear(8, num_actions), nn.Linear(8, 1)

    def forward(self, observations, state=None):
        state = self.core(self.embed(observations[..., 1].long()).mean(dim=1), state)
        return self.logits(state) * SCALE, self.value(state), state
"""
