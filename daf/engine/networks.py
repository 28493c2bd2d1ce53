"""One interface to the networks of trainable policies, recurrent or not.

The engine's networks differ in how they receive their state, and in how their evaluation fills unused token slots; a
network trained with one filling and evaluated with the other is not the same policy. `PolicyNetwork` always shows a
network exactly what its own evaluation would show it.

Usually two thirds of an observation's token slots are empty, and these come last. `shown_tokens` returns how many
matter. If a network's first layer is linear over all slots, the constant contribution of the others is added to that
layer's bias. That halves the arithmetic of the built-in networks and changes only the last bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from mettagrid.policy.policy import MultiAgentPolicy
from torch import Tensor, nn

from daf.engine.policies import is_recurrent
from daf.errors import PolicyError
from daf.system.failure_report import place_of

NO_TOKEN = 255
# Policy classes whose own evaluation pads observations with [255, 0, 0] instead of the raw [255, 255, 255].
_ZERO_PADDED = ("mettagrid.policy.lstm.LSTMPolicy", "mettagrid.policy.puffer_default.PufferDefaultPolicy")
# Policy classes whose network starts with a linear layer over all numbers of an observation, divided by 255.
_FLAT = ("mettagrid.policy.lstm.LSTMPolicy", "mettagrid.policy.stateless.StatelessPolicy")
_LSTM = "mettagrid.policy.lstm.LSTMPolicy"
_REMEMBERS_NOTHING = (*_FLAT, "daf.engine.grid_policy.GridPolicy")
TOKENS_PER_BLOCK = 16  # shown tokens are counted in blocks, so that few different shapes occur

State = tuple[Tensor, Tensor]  # hidden and cell, [agents, layers, hidden] each


class PolicyNetwork:
    """The network of a trainable policy.

    Attributes:
        recurrent: whether it carries state between steps.
        can_trim: whether it can do without the unused token slots at the end.
        remembers_nothing: whether a call surely depends on its arguments and the weights alone. A user's network, or
            dropout, may draw from a generator or count its calls, unless its policy declares `remembers_nothing`.

    Args:
        precision: `float32` or `tf32`, see `daf.training.arithmetic`, or `bfloat16` for operations that autocast runs
            in it; weights stay float32.
        compiled: use torch.compile; the network then always sees all token slots, so that there is only one shape.

    Raises:
        PolicyError: the policy has no network.
    """

    def __init__(
        self, policy: MultiAgentPolicy, label: str, *, precision: str = "float32", compiled: bool = False
    ) -> None:
        module = policy.network()
        if module is None:
            raise PolicyError(
                "a trainable policy",
                f"'{label}' has no network",
                f"policy '{label}'",
                "try 'grid', 'lstm' or 'stateless'",
            )
        self.module: nn.Module = module
        self._label, self._num_actions = label, len(policy.policy_env_info.action_names)
        self.recurrent = is_recurrent(policy)
        path = f"{type(policy).__module__}.{type(policy).__qualname__}"
        self._num_tokens = int(policy.policy_env_info.observation_shape[0])
        self._zero_padded = path in _ZERO_PADDED
        unused = [NO_TOKEN, 0, 0] if self._zero_padded else [NO_TOKEN] * 3
        self._unused_token = torch.tensor(unused, dtype=torch.uint8)
        self._unused_on: dict[torch.device, Tensor] = {}
        self._mark_agents: Callable[[Tensor, Tensor], None] | None = getattr(policy, "mark_agents", None)
        self._num_agents = int(policy.policy_env_info.num_agents)
        self._agents_by_rows: dict[tuple[int, torch.device], Tensor] = {}
        self._half = precision == "bfloat16"
        self._encoder = _flat_encoder(module) if path in _FLAT and not compiled else None
        self.can_trim = self._encoder is not None or bool(getattr(policy, "ignores_unused_tokens", False))
        self.remembers_nothing = path in _REMEMBERS_NOTHING or bool(getattr(policy, "remembers_nothing", False))
        self._state_type = torch.float32
        if self.recurrent:
            self._state_shapes, self._state_type = _state_of(module, label)
        if not callable(getattr(module, "forward_eval", None)):
            found = f"{type(module).__name__} without it"
            raise PolicyError("a network with forward_eval(observations, state)", found, f"policy '{label}'")
        forward = _lstm_forward(module) if path == _LSTM else module.forward_eval
        self._whole: Any = torch.compile(_plain(forward), dynamic=True) if compiled else forward

    def shown_tokens(self, observations: np.ndarray) -> int:
        """How many of the first token slots must be shown to this network; uint8 [agents, tokens, 3], as the engine
        writes them: whole blocks, and an unused slot at the end unless all are shown."""
        if not self.can_trim:
            return self._num_tokens
        last_of_block = observations[:, TOKENS_PER_BLOCK - 1 :: TOKENS_PER_BLOCK, 0]
        full_blocks = int((last_of_block != NO_TOKEN).any(axis=0).sum())
        return min(self._num_tokens, (full_blocks + 1) * TOKENS_PER_BLOCK)

    def prepare(self, observations: Tensor, agents: Tensor | None = None) -> Tensor:
        """Fill unused token slots in place as this policy's own evaluation does; uint8 [..., tokens, 3].

        Args:
            agents: index in its mission of each row's agent, uint8 [rows]; None: rows are whole missions, one after the
                other. For networks that know the index, whose observations are [rows, tokens, 3].
        """
        if self._mark_agents is not None:
            in_turn = self._agents_in_turn(len(observations), observations.device)
            self._mark_agents(observations, in_turn if agents is None else agents)
        if self._zero_padded:
            observations[..., 1:].masked_fill_((observations[..., :1] == NO_TOKEN), 0)
        return observations

    def _agents_in_turn(self, rows: int, device: torch.device) -> Tensor:
        """The index of each row's agent; made once, since a recorded step of a GPU keeps using the same memory."""
        if (rows, device) not in self._agents_by_rows:
            indexes = torch.arange(rows, device=device) % self._num_agents
            self._agents_by_rows[rows, device] = indexes.to(torch.uint8)
        return self._agents_by_rows[rows, device]

    def clear(self, observations: Tensor) -> None:
        """Make all slots unused ones, in place; uint8 [..., tokens, 3]."""
        observations.copy_(self._unused(observations.device).expand_as(observations))

    def _unused(self, device: torch.device) -> Tensor:
        """The unused token on a device; copying it there for every call would wait for the device."""
        if device not in self._unused_on:
            self._unused_on[device] = self._unused_token.to(device)
        return self._unused_on[device]

    def initial_state(self, num_agents: int, device: torch.device) -> State | None:
        if not self.recurrent:
            return None
        hidden, cell = (
            torch.zeros((num_agents, *shape), dtype=self._state_type, device=device) for shape in self._state_shapes
        )
        return hidden, cell

    def step(self, observations: Tensor, state: State | None) -> tuple[Tensor, Tensor, State | None]:
        """One step of many agents: logits [agents, actions], values [agents], next state.

        Args:
            observations: uint8 [agents, shown tokens, 3].
        """
        if state is None:
            logits, values = self._forward(observations, None)
            return logits, values.flatten(), None
        carried = {"lstm_h": state[0], "lstm_c": state[1]}
        logits, values = self._forward(observations, carried)
        return logits, values.flatten(), (carried["lstm_h"], carried["lstm_c"])

    def sequence(
        self, observations: Tensor, state: State | None, starts: Tensor | None, cuts: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Segments of many agents: logits [agents, horizon, actions] and values [agents, horizon].

        Args:
            observations: uint8 [agents, horizon, shown tokens, 3].
            state: state before the first step, [agents, layers, hidden] each; None if not recurrent.
            starts: bool [agents, horizon], true where an episode begins, so that no state crosses its boundary; unused
                without a state.
            cuts: `episode_cuts(starts)`, if known; finding them waits for a GPU.
        """
        agents, horizon = observations.shape[:2]
        if state is None or starts is None:
            logits, values = self._forward(observations.flatten(0, 1), None)
            return logits.view(agents, horizon, -1), values.view(agents, horizon)
        # The state can be cleared only between calls, so the segment is split wherever any agent's episode begins.
        all_logits, all_values = [], []
        for begin, end in pairwise([0, *(episode_cuts(starts.cpu().numpy()) if cuts is None else cuts), horizon]):
            keep = (~starts[:, begin]).to(state[0].dtype)[:, None, None]
            carried = {"lstm_h": state[0] * keep, "lstm_c": state[1] * keep}
            logits, values = self._forward(observations[:, begin:end], carried)
            state = carried["lstm_h"], carried["lstm_c"]
            all_logits.append(logits.view(agents, end - begin, -1))
            all_values.append(values.view(agents, end - begin))
        return torch.cat(all_logits, dim=1), torch.cat(all_values, dim=1)

    def _forward(self, observations: Tensor, state: dict[str, Tensor] | None) -> tuple[Tensor, Tensor]:
        with torch.autocast(observations.device.type, torch.bfloat16, enabled=self._half):
            if self._encoder is None or observations.shape[-2] == self._num_tokens:
                return self._checked(self._whole(observations, state), observations)
            with self._reduced_to(observations.shape[-2]):
                return self._checked(self._whole(observations, state), observations)

    def _checked(self, outputs: Any, observations: Tensor) -> tuple[Tensor, Tensor]:
        """The outputs, if their sizes are right. The check before training saw only one step of one kind."""
        rows = observations.shape[:-2].numel()
        try:
            logits, values = outputs
            right = logits.numel() == rows * self._num_actions and values.numel() == rows
            found = f"{list(logits.shape)} and {list(values.shape)}"
        except (TypeError, ValueError, AttributeError):
            right, found = False, f"a {type(outputs).__name__}"
        if not right:
            expected = f"logits [{rows}, {self._num_actions}] and values [{rows}] from forward_eval"
            where = ", ".join(filter(None, [f"policy '{self._label}'", place_in_network(self.module)]))
            raise PolicyError(expected, found, where, "return a row per agent, whatever their number")
        return logits, values

    @contextmanager
    def _reduced_to(self, shown: int) -> Iterator[None]:
        """The first layer takes a limited number of token slots; the contribution of the others is in its bias.

        Meanwhile the layer's own parameters are replaced; gradients reach them through the reduced ones.
        """
        assert self._encoder is not None
        layer = self._encoder
        weight, bias, all_inputs = layer.weight, layer.bias, layer.in_features
        inputs = shown * self._unused_token.numel()
        unused = (self._unused(weight.device).to(weight) / 255).repeat(self._num_tokens - shown)
        parameters: dict[str, Any] = layer._parameters
        parameters["weight"], parameters["bias"] = weight[:, :inputs], bias + weight[:, inputs:] @ unused
        layer.in_features = inputs  # the networks reshape their input by it
        try:
            yield
        finally:
            parameters["weight"], parameters["bias"] = weight, bias
            layer.in_features = all_inputs


def _state_of(module: nn.Module, label: str) -> tuple[tuple[tuple[int, int], tuple[int, int]], torch.dtype]:
    """Layers and numbers of an agent's hidden and cell state, and their type: what the network declares, else those of
    its LSTM."""
    declared: tuple[tuple[int, int], tuple[int, int]] | None = getattr(module, "state_shapes", None)
    if declared is not None:
        return declared, torch.float32
    core = next((layer for layer in module.modules() if isinstance(layer, nn.LSTM)), None)
    if core is None:
        hint = "NetworkPolicy (daf.policies) accepts networks with any state"
        raise PolicyError("a recurrent policy with an nn.LSTM core", "no such layer", f"policy '{label}'", hint)
    shape = (core.num_layers, core.hidden_size)
    return (shape, shape), next(core.parameters()).dtype


def place_in_network(module: object) -> str | None:
    """`file:line in method` of what a user's network computes, if a user wrote it."""
    inner = getattr(module, "inner", module)  # of NetworkPolicy
    return place_of(inner, "forward_eval") or place_of(inner, "forward")


def episode_cuts(starts: np.ndarray) -> list[int]:
    """The steps, after the first, with which an episode of any agent begins; starts is bool [agents, horizon]."""
    cuts: list[int] = (np.flatnonzero(starts[:, 1:].any(axis=0)) + 1).tolist()
    return cuts


def _plain(forward: Any) -> Callable[..., Any]:
    """The same as a function: torch.compile treats methods of modules differently."""

    def plain(observations: Tensor, state: Any) -> Any:
        return forward(observations, state)

    return plain


def _lstm_forward(module: Any) -> Callable[[Tensor, dict[str, Tensor]], tuple[Tensor, Tensor]]:
    """What the engine's LSTM computes of raw observations, to the last bit, without its look at their largest number:
    it waits for the device, in every call, to see whether they are divided by 255 already."""

    def forward(observations: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        agents = observations.shape[0]
        numbers = observations.reshape(-1, module._net[0].in_features).float() / 255.0
        hidden = module._net(numbers).view(agents, -1, module.hidden_size)
        carried = state["lstm_h"].transpose(0, 1), state["lstm_c"].transpose(0, 1)
        hidden, (h, c) = module._rnn(hidden, carried)
        state["lstm_h"], state["lstm_c"] = h.transpose(0, 1), c.transpose(0, 1)
        hidden = hidden.flatten(0, 1)
        return module._action_head(hidden), module._value_head(hidden)

    return forward


def _flat_encoder(module: nn.Module) -> nn.Linear:
    """The first linear layer."""
    return next(layer for layer in module.modules() if isinstance(layer, nn.Linear))
