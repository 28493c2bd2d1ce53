"""One interface to the networks of trainable policies, recurrent or not.

The engine's networks differ in how they take their state and in how their evaluation fills unused token slots; a
network trained on one filling and evaluated on the other is not the same policy. `PolicyNetwork` always shows a
network what its own evaluation would show it.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from mettagrid.policy.policy import MultiAgentPolicy
from torch import Tensor, nn

from daf.engine.policies import is_recurrent
from daf.errors import PolicyError

NO_TOKEN = 255
# Policy classes whose own evaluation pads observations with [255, 0, 0] instead of the raw [255, 255, 255].
_ZERO_PADDED = ("mettagrid.policy.lstm.LSTMPolicy", "mettagrid.policy.puffer_default.PufferDefaultPolicy")

State = tuple[Tensor, Tensor]  # hidden and cell, [agents, layers, hidden] each


class PolicyNetwork:
    """The network of a trainable policy.

    Raises:
        PolicyError: the policy has no network.
    """

    def __init__(self, policy: MultiAgentPolicy, label: str) -> None:
        module = policy.network()
        if module is None:
            raise PolicyError(
                "a trainable policy",
                f"'{label}' has no network",
                f"policy '{label}'",
                "try 'grid', 'lstm' or 'stateless'",
            )
        self.module: nn.Module = module
        self.recurrent = is_recurrent(policy)
        path = f"{type(policy).__module__}.{type(policy).__qualname__}"
        self._zero_padded = path in _ZERO_PADDED
        self._ignores_unused_tokens = bool(getattr(policy, "ignores_unused_tokens", False))
        if self.recurrent:
            core = next((layer for layer in module.modules() if isinstance(layer, nn.LSTM)), None)
            if core is None:
                raise PolicyError("a recurrent policy with an nn.LSTM core", "no such layer", f"policy '{label}'")
            self._state_shape = (core.num_layers, core.hidden_size)

    def prepare(self, observations: Tensor) -> Tensor:
        """Fill unused token slots in place as this policy's own evaluation does; uint8 [..., tokens, 3]."""
        if self._zero_padded:
            observations[..., 1:].masked_fill_((observations[..., :1] == NO_TOKEN), 0)
        return observations

    def trim(self, observations: Tensor) -> Tensor:
        """The same observations without token slots that none of them uses, if that changes nothing."""
        if not self._ignores_unused_tokens:
            return observations
        used = (observations[..., 0] != NO_TOKEN).flatten(0, -2).any(dim=0)
        return observations[..., : max(1, int(used.sum())), :].contiguous()

    def initial_state(self, num_agents: int, device: torch.device) -> State | None:
        if not self.recurrent:
            return None
        shape = (num_agents, *self._state_shape)
        return torch.zeros(shape, device=device), torch.zeros(shape, device=device)

    def step(self, observations: Tensor, state: State | None) -> tuple[Tensor, Tensor, State | None]:
        """One step of many agents: logits [agents, actions], values [agents], next state."""
        if state is None:
            logits, values = self.module.forward_eval(observations, None)  # type: ignore[operator]
            return logits, values.flatten(), None
        carried = {"lstm_h": state[0], "lstm_c": state[1]}
        logits, values = self.module.forward_eval(observations, carried)  # type: ignore[operator]
        return logits, values.flatten(), (carried["lstm_h"], carried["lstm_c"])

    def sequence(self, observations: Tensor, state: State | None, starts: Tensor) -> tuple[Tensor, Tensor]:
        """Segments of many agents: logits [agents, horizon, actions] and values [agents, horizon].

        Args:
            observations: uint8 [agents, horizon, tokens, 3].
            state: state before the first step, [agents, layers, hidden] each; None if not recurrent.
            starts: bool [agents, horizon], true where an episode begins, so that no state crosses its boundary.
        """
        agents, horizon = observations.shape[:2]
        if state is None:
            logits, values = self.module(observations.flatten(0, 1), None)
            return logits.view(agents, horizon, -1), values.view(agents, horizon)
        # The state is cleared between two calls only, so the segment is cut wherever any agent's episode begins.
        cuts = [0, *(torch.nonzero(starts[:, 1:].any(dim=0)).flatten() + 1).tolist(), horizon]
        all_logits, all_values = [], []
        for begin, end in pairwise(cuts):
            keep = (~starts[:, begin]).to(state[0].dtype)[:, None, None]
            carried = {"lstm_h": state[0] * keep, "lstm_c": state[1] * keep}
            logits, values = self.module.forward_eval(observations[:, begin:end], carried)  # type: ignore[operator]
            state = carried["lstm_h"], carried["lstm_c"]
            all_logits.append(logits.view(agents, end - begin, -1))
            all_values.append(values.view(agents, end - begin))
        return torch.cat(all_logits, dim=1), torch.cat(all_values, dim=1)
