"""GridPolicy: a small feed-forward policy that learns quickly on token observations.

An observation is a list of tokens (location, feature, value). The built-in networks flatten them, so the meaning of a
number depends on how many tokens precede it. Here every token selects the row of an embedding table for its feature
*and* its location, and the rows of an observation are summed: a sparse linear layer over the egocentric grid, followed
by a small multilayer perceptron.

This module depends only on torch, numpy and mettagrid, so that a deployment bundle can include it as one file.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from mettagrid.policy.policy import AgentPolicy, MultiAgentPolicy
from mettagrid.policy.policy_env_interface import PolicyEnvInterface
from mettagrid.simulator import Action, AgentObservation
from torch import Tensor, nn
from torch.nn import functional

GLOBAL_LOCATION = 254  # location byte of tokens that belong to no cell
NO_TOKEN = 255  # location byte of unused token slots; they all come last
GLOBAL_FEATURES = ("episode_completion_pct", "last_action", "last_action_move", "last_reward")
GLOBAL_PREFIXES = ("lp:", "team:")  # local position and team inventory
PLACELESS_PREFIXES = ("protocol_",)  # an object's tag already implies these; one row each keeps the table small
AGENT_FEATURE = 255  # feature byte of the token that holds an agent's index; the engine uses it for no feature
MOST_AGENTS = 64  # of a mission, if agents know their index


class TokenTable:
    """The row and weight of each token in the embedding table, as two lookup tables.

    Categorical features (tags, vibes, the last action) get one row per value and weight 1. Numbers get one row and a
    weight that grows with the logarithm: presence matters more than amount.
    """

    def __init__(self, interface: PolicyEnvInterface) -> None:
        height, width = interface.egocentric_shape
        num_cells = height * width
        categories = {
            "tag": max(1, len(interface.tags)),
            "vibe": max(1, len(interface.vibe_action_names)),
            "last_action": len(interface.all_action_names),
        }
        cell_of_location = np.full(256, -1, dtype=np.int64)
        for row in range(height):
            for column in range(width):
                cell_of_location[(row << 4) | column] = row * width + column

        rows = np.full((256, 256), -1, dtype=np.int64)  # [feature, value] → first row of the channel
        local = np.zeros(256, dtype=np.int64)  # [feature] → 1 if the channel has one row per cell
        weights = np.zeros((256, 256), dtype=np.float32)  # [feature, value]
        number_weight = 0.25 + 0.75 * np.log1p(np.arange(256)) / math.log(256)
        next_row = 0
        for feature in interface.obs_features:
            is_global = feature.name in GLOBAL_FEATURES or feature.name.startswith(
                (*GLOBAL_PREFIXES, *PLACELESS_PREFIXES)
            )
            is_global = is_global or feature.name.endswith(":p1")  # the part of an amount above 255
            rows_per_channel = 1 if is_global else num_cells + 1  # the last one for tokens without a cell
            num_channels = categories.get(feature.name, 1)
            channel = np.minimum(np.arange(256), num_channels - 1)
            rows[feature.id] = next_row + channel * rows_per_channel
            local[feature.id] = 0 if is_global else 1
            weights[feature.id] = 1.0 if feature.name in categories else number_weight
            next_row += num_channels * rows_per_channel
        cell_of_location[GLOBAL_LOCATION] = num_cells
        self.num_rows = next_row
        self.cell_of_location = torch.from_numpy(cell_of_location)
        self.rows = torch.from_numpy(rows.reshape(-1))
        self.local = torch.from_numpy(local)
        self.weights = torch.from_numpy(weights.reshape(-1))

    def add_agents(self, interface: PolicyEnvInterface) -> None:
        """Give every index of an agent the row `num_rows + index`."""
        if any(feature.id == AGENT_FEATURE for feature in interface.obs_features):
            raise ValueError(f"agent_id needs the feature {AGENT_FEATURE}, which this engine uses itself")
        if interface.num_agents > MOST_AGENTS:
            raise ValueError(f"agent_id is for at most {MOST_AGENTS} agents, not {interface.num_agents}")
        first = AGENT_FEATURE * 256
        self.rows[first : first + MOST_AGENTS] = self.num_rows + torch.arange(MOST_AGENTS)
        self.local[AGENT_FEATURE] = 0
        self.weights[first : first + MOST_AGENTS] = 1.0


def mark_agents(observations: Tensor, agents: Tensor) -> None:
    """Put each agent's index into the last token slot of its observation, in place.

    Args:
        observations: uint8 [batch, tokens, 3]. The last slot is in use only if all are; then its token gives way.
        agents: uint8 [batch].
    """
    observations[:, -1, 0] = GLOBAL_LOCATION
    observations[:, -1, 1] = AGENT_FEATURE
    observations[:, -1, 2] = agents


class _WeightedBagSum(torch.autograd.Function):
    """Sum of weighted table rows per bag, [bags, width], for a table [rows, width].

    The gradient of a bag sum with respect to the table is itself a bag sum, with rows and bags exchanged. On a CPU this
    is several times faster than the built-in gradient, which adds one token at a time.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor, offsets: Tensor, counts: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(rows, counts, weights)
        ctx.num_rows = table.shape[0]
        return functional.embedding_bag(rows, table, offsets, mode="sum", per_sample_weights=weights)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        rows, counts, weights = ctx.saved_tensors
        bags = torch.repeat_interleave(counts)
        order = torch.sort(rows, stable=True).indices
        tokens_per_row = torch.bincount(rows, minlength=ctx.num_rows)
        gradient = functional.embedding_bag(
            bags[order],
            gradients[0],
            torch.cumsum(tokens_per_row, 0) - tokens_per_row,
            mode="sum",
            per_sample_weights=weights[order],
        )
        return gradient, None, None, None, None


class GridNetwork(nn.Module):
    """Token observations → action logits and value.

    Args:
        interface: the environment's interface to a policy.
        hidden_size: width of every layer.
        embedding_size: width of the token table's rows.
        agent_id: learn a row for every agent's index, which `mark_agents` puts into observations. They begin as zeros,
            so at first the network acts as one without them, and so do agents beyond those of its training.
    """

    def __init__(
        self,
        interface: PolicyEnvInterface,
        *,
        hidden_size: int = 128,
        embedding_size: int = 64,
        agent_id: bool = False,
    ) -> None:
        super().__init__()
        table = TokenTable(interface)
        if agent_id:
            table.add_agents(interface)
        self._cell_of_location: Tensor
        self._rows: Tensor
        self._local: Tensor
        self._weights: Tensor
        for name in ("cell_of_location", "rows", "local", "weights"):
            self.register_buffer(f"_{name}", getattr(table, name), persistent=False)
        embedding = torch.randn(table.num_rows, embedding_size) * 0.1
        if agent_id:
            embedding = torch.cat([embedding, torch.zeros(MOST_AGENTS, embedding_size)])
        self.embedding = nn.Parameter(embedding)
        self.bias = nn.Parameter(torch.zeros(embedding_size))
        self.hidden = _linear(embedding_size, hidden_size, math.sqrt(2))
        self.action_head = _linear(hidden_size, len(interface.action_names), 0.01)
        self.value_head = _linear(hidden_size, 1, 1.0)

    def forward(self, observations: Tensor, state: object = None) -> tuple[Tensor, Tensor]:
        """Logits [batch, actions] and values [batch, 1] of uint8 observations [batch, tokens, 3]."""
        x = self._sum_of_all(observations) if observations.is_cuda else self._sum_of_used(observations)
        x = torch.relu(self.hidden(torch.relu(x + self.bias)))
        return self.action_head(x), self.value_head(x)

    forward_eval = forward

    def _sum_of_used(self, observations: Tensor) -> Tensor:
        """The weighted sum of the rows of an observation's tokens, [batch, width]."""
        used = observations[:, :, 0] != NO_TOKEN
        counts = used.sum(dim=1)
        location, feature, value = observations[used].long().unbind(dim=1)  # [used tokens] each
        feature_value = feature * 256 + value
        rows = self._rows[feature_value] + self._local[feature] * self._cell_of_location[location]
        offsets = torch.cumsum(counts, 0) - counts
        weights = self._weights[feature_value]
        total: Tensor = _WeightedBagSum.apply(  # type: ignore[no-untyped-call]
            self.embedding, rows, offsets, counts, weights
        )
        return total

    def _sum_of_all(self, observations: Tensor) -> Tensor:
        """The same sum for a GPU: unused tokens have the weight 0. To leave them out, the processor would have to wait
        until it knows how many they are."""
        location, feature, value = observations.long().unbind(dim=2)  # [batch, tokens] each
        used = location != NO_TOKEN
        feature_value = feature * 256 + value
        rows = self._rows[feature_value] + self._local[feature] * self._cell_of_location[location]
        weights = torch.where(used, self._weights[feature_value], 0.0)
        rows = torch.where(used, rows, 0)
        return functional.embedding_bag(rows, self.embedding, mode="sum", per_sample_weights=weights)


def _linear(inputs: int, outputs: int, gain: float) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


class GridPolicy(MultiAgentPolicy):
    """Shares one GridNetwork between all agents and samples actions from its logits.

    Args:
        policy_env_info: the environment's interface to a policy.
        device: the device the network runs on.
        hidden_size, embedding_size: widths of the network.
        agent_id: let the network know the agent's index in the mission, so that agents can take different roles.
        greedy: take the most probable action instead of sampling.
        seed: of the action sampling; default: drawn from numpy's global generator.
    """

    ignores_unused_tokens = True  # trainers may cut unused slots off
    short_names = ["grid"]  # noqa: RUF012  # the engine's registry wants a plain list

    def __init__(
        self,
        policy_env_info: PolicyEnvInterface,
        device: str = "cpu",
        *,
        hidden_size: int = 128,
        embedding_size: int = 64,
        agent_id: bool = False,
        greedy: bool = False,
        seed: int | None = None,
    ) -> None:
        super().__init__(policy_env_info, device=device)
        self._device = torch.device(device)
        self._network = GridNetwork(
            policy_env_info, hidden_size=hidden_size, embedding_size=embedding_size, agent_id=agent_id
        ).to(self._device)
        self.mark_agents = mark_agents if agent_id else None  # for what calls the network itself
        # Every episode builds the policy again, so with a constant seed all would follow the same random numbers.
        own_seed = int(np.random.randint(2**31)) if seed is None else seed
        self._random = torch.Generator().manual_seed(own_seed)
        self.greedy = greedy

    def network(self) -> nn.Module:
        return self._network

    def is_recurrent(self) -> bool:
        return False

    def agent_policy(self, agent_id: int) -> AgentPolicy:
        return _GridAgent(self, agent_id)

    def step_batch(self, raw_observations: np.ndarray, raw_actions: np.ndarray) -> None:
        """Write action ids for uint8 observations [agents, tokens, 3] of all agents into `raw_actions` [agents]."""
        agents = np.arange(len(raw_observations)) % self.policy_env_info.num_agents
        self.step_agents(agents, raw_observations, raw_actions)

    def step_agents(self, agents: np.ndarray, raw_observations: np.ndarray, raw_actions: np.ndarray) -> None:
        """The same for some agents, whose indexes in the mission are int [agents]."""
        with torch.inference_mode():
            seen = torch.from_numpy(np.ascontiguousarray(raw_observations)).to(self._device)
            if self.mark_agents is not None:
                seen = seen.clone()
                self.mark_agents(seen, torch.from_numpy(np.asarray(agents, dtype=np.uint8)).to(self._device))
            logits, _ = self._network(seen)
            if self.greedy:
                chosen = logits.argmax(dim=1)
            else:
                chosen = torch.multinomial(logits.softmax(dim=1).cpu(), 1, generator=self._random).squeeze(1)
        raw_actions[...] = chosen.cpu().numpy()

    def load_policy_data(self, policy_data_path: str) -> None:
        state = torch.load(policy_data_path, map_location=self._device, weights_only=True)
        self._network.load_state_dict(state)

    def save_policy_data(self, policy_data_path: str) -> None:
        torch.save(self._network.state_dict(), policy_data_path)


class _GridAgent(AgentPolicy):
    """One agent's view of the shared policy, for the engine's own rollout."""

    def __init__(self, parent: GridPolicy, agent: int) -> None:
        super().__init__(parent.policy_env_info)
        self._parent, self._agent = parent, np.array([agent])
        self._observation = np.empty((1, *parent.policy_env_info.observation_shape), dtype=np.uint8)
        self._action = np.zeros(1, dtype=np.int32)

    def step(self, obs: AgentObservation) -> Action:
        self._observation.fill(NO_TOKEN)
        for slot, token in enumerate(obs.tokens[: self._observation.shape[1]]):
            self._observation[0, slot] = token.raw_token
        self._parent.step_agents(self._agent, self._observation, self._action)
        return Action(name=self.policy_env_info.action_names[int(self._action[0])])
