"""Base classes for your own policies.

`BatchPolicy` needs `step_batch`, `NetworkPolicy` needs `make_network`. Everything else that training, evaluation, teams
and deployment require follows from these.

This module depends only on torch, numpy and mettagrid, so that a deployment bundle can include it as one file.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mettagrid.policy.policy import AgentPolicy, MultiAgentPolicy
from mettagrid.policy.policy_env_interface import PolicyEnvInterface
from mettagrid.simulator import Action, AgentObservation
from torch import Tensor, nn

NO_TOKEN = 255  # location byte of unused token slots; they all come last
PROBED_AGENTS = 3  # more than one, and unlike usual numbers of layers


class NetworkContractError(ValueError, TypeError):
    """A user's network does not do what `NetworkPolicy` asks of it.

    Attributes:
        expected, found, hint: the parts of an error in DAF.
        blamed: methods whose code may be wrong, as objects and names; the first that a user wrote is meant.
    """

    def __init__(self, expected: str, found: str, hint: str, culprit: object, method: str = "forward") -> None:
        super().__init__(f"{type(culprit).__name__}.{method}: expected {expected}, found {found}")
        self.expected, self.found, self.hint = expected, found, hint
        self.blamed: tuple[tuple[object, str], ...] = ((culprit, method),)


def not_finite(logits: Tensor) -> tuple[str, str]:
    """What logits hold that are not finite, and what to do about it."""
    masked = bool((logits.isfinite() | (logits == -torch.inf)).all())
    if masked:
        return "-infinity", "exclude actions with a large negative number instead, -1e9 for example"
    hint = "check the network for divisions by zero, logarithms and roots; scale observations, which go to 255"
    return "NaN or infinity", hint


class BatchPolicy(MultiAgentPolicy):
    """A policy that acts for many agents in one call.

    Write `step_batch(observations, actions)`: observations are uint8 [agents, tokens, 3]; write the number of an action
    for every agent into `actions`. In a team it is called with its own agents only. `agent_policy`, through which
    CoGames and teams play, calls `step_batch`, once per step for all agents where the rollout allows it.
    """

    def agent_policy(self, agent_id: int) -> AgentPolicy:
        return _BatchAgent(self, agent_id)

    def step_agents(self, agent_ids: Sequence[int], observations: np.ndarray, actions: np.ndarray) -> None:
        """`step_batch` for these agents. Override it if the policy remembers anything about single agents."""
        self.step_batch(observations, actions)

    def reset_agent(self, agent_id: int) -> None:
        """An episode of this agent begins."""
        self.reset()


class _BatchAgent(AgentPolicy):
    """One agent of a BatchPolicy."""

    def __init__(self, parent: BatchPolicy, agent_id: int) -> None:
        super().__init__(parent.policy_env_info)
        self._parent, self._agent_id = parent, agent_id

    def reset(self, simulation: Any = None) -> None:
        self._parent.reset_agent(self._agent_id)

    def step(self, obs: AgentObservation) -> Action:
        return self.step_group([(self._agent_id, obs)])[0]

    def can_step_group(self, policies: Sequence[AgentPolicy]) -> bool:
        return all(isinstance(policy, _BatchAgent) and policy._parent is self._parent for policy in policies)

    def step_group(self, observations: list[tuple[int, AgentObservation]]) -> list[Action]:
        info = self.policy_env_info
        raw = np.full((len(observations), *info.observation_shape), NO_TOKEN, dtype=np.uint8)
        for row, (_, observation) in zip(raw, observations, strict=True):
            for slot, token in enumerate(observation.tokens[: len(row)]):
                row[slot] = token.raw_token
        actions = np.zeros(len(observations), dtype=np.int32)
        self._parent.step_agents([agent_id for agent_id, _ in observations], raw, actions)
        return [Action(name=info.all_action_names[action]) for action in actions.tolist()]


class NetworkPolicy(BatchPolicy):
    """A trainable policy: write `make_network`, which returns a torch module.

        class Scout(NetworkPolicy):
            def make_network(self, info, hidden_size=64):
                return ScoutNetwork(info.observation_shape, len(info.action_names), hidden_size)

    The module is called with uint8 observations [agents, tokens, 3] and returns `(logits, values)`: [agents, actions]
    and [agents] or [agents, 1]. Rows must not depend on each other. Unused token slots hold 255 and come last.

    A recurrent module is called with `(observations, state)` and returns `(logits, values, state)`. A state is a tensor
    or a tuple of tensors, each [agents, …]; between steps it is kept as float32. At the beginning of an episode it is
    zero; in the first call of all, which finds out its shape, it is None.

    All agents share the network; actions are sampled from its logits. If unused tokens do not change them, set
    `ignores_unused_tokens = True`, and trainers may leave those out. If outputs depend on inputs and weights alone
    (no random draws, no counters), set `remembers_nothing = True`: trainers may then call the module in any order, and
    record its steps as CUDA graphs.

    Args:
        policy_env_info: the environment's interface to a policy.
        device: the device the network runs on.
        greedy: take the most probable action instead of sampling.
        seed: of the action sampling; default: drawn from numpy's global generator.
        network_options: further arguments of `make_network`.
    """

    ignores_unused_tokens = False
    remembers_nothing = False

    def __init__(
        self,
        policy_env_info: PolicyEnvInterface,
        device: str = "cpu",
        *,
        greedy: bool = False,
        seed: int | None = None,
        **network_options: Any,
    ) -> None:
        super().__init__(policy_env_info, device=device)
        self._device = torch.device(device)
        network: Any = self.make_network(policy_env_info, **network_options)
        if not isinstance(network, nn.Module):
            hint = "return the module, an instance of a subclass of torch.nn.Module"
            raise NetworkContractError("a torch module", _kind(network), hint, self, "make_network")
        num_actions, shape = len(policy_env_info.action_names), tuple(policy_env_info.observation_shape)
        try:
            self._network = _TrainableNetwork(network.to(self._device), num_actions, shape, self._device)
        except NetworkContractError as error:
            error.blamed += ((self, "make_network"),)  # the module may be one of torch's own
            raise
        # Every episode builds the policy again, so with a constant seed all would follow the same random numbers.
        self._random = np.random.default_rng(np.random.randint(2**31) if seed is None else seed)
        self._state: Tensor | None = None  # [agents, 1, numbers]
        self.greedy = greedy

    def __init_subclass__(cls, **options: Any) -> None:
        """Show the arguments of `make_network` in the signature of the class, so that wrong ones are noticed."""
        super().__init_subclass__(**options)
        signature = None  # Python's own
        if cls.__init__ is NetworkPolicy.__init__:
            own = list(inspect.signature(NetworkPolicy.__init__).parameters.values())[1:-1]
            network_options = list(inspect.signature(cls.make_network).parameters.values())[2:]
            kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
            by_name = [p if p.kind in kinds else p.replace(kind=p.KEYWORD_ONLY) for p in network_options]
            signature = inspect.Signature([*own, *by_name])
        cls.__signature__ = signature  # type: ignore[attr-defined]

    def make_network(self, info: PolicyEnvInterface) -> nn.Module:
        """The network for an environment."""
        raise NotImplementedError(f"{type(self).__name__} needs make_network(self, info)")

    def network(self) -> nn.Module:
        """The network, with the interface that DAF's and CoGames' trainers use."""
        return self._network

    def is_recurrent(self) -> bool:
        return self._network.recurrent

    def reset(self) -> None:
        self._state = None

    def reset_agent(self, agent_id: int) -> None:
        if self._state is not None and agent_id < len(self._state):
            self._state[agent_id] = 0

    def step_batch(self, raw_observations: np.ndarray, raw_actions: np.ndarray) -> None:
        """Write action numbers for uint8 observations [agents, tokens, 3] into `raw_actions` [agents]."""
        self.step_agents(range(len(raw_observations)), raw_observations, raw_actions)

    def step_agents(self, agent_ids: Sequence[int], observations: np.ndarray, actions: np.ndarray) -> None:
        self._network.eval()
        state = self._state_of(agent_ids)
        with torch.no_grad():
            shown = torch.from_numpy(np.array(observations)).to(self._device)
            logits = self._network.forward_eval(shown, state)[0].double().cpu()
        if not bool(logits.isfinite().all()):
            raise NetworkContractError("finite logits", *not_finite(logits), self._network.inner)
        if self._state is not None and state is not None:
            self._state[list(agent_ids)] = state["lstm_h"]
        if self.greedy:
            actions[...] = logits.argmax(dim=1).numpy()
            return
        cumulative = logits.softmax(dim=1).cumsum(dim=1).numpy()
        drawn = self._random.random((len(cumulative), 1))
        actions[...] = np.minimum((cumulative <= drawn).sum(axis=1), logits.shape[1] - 1)

    def _state_of(self, agent_ids: Sequence[int]) -> dict[str, Tensor] | None:
        """The state of these agents, as the network takes it."""
        if not self._network.recurrent:
            return None
        known = 0 if self._state is None else len(self._state)
        needed = max(agent_ids, default=-1) + 1
        if self._state is None or needed > known:
            hidden, _ = self._network.initial_state(needed - known)
            self._state = hidden if self._state is None else torch.cat([self._state, hidden])
        return {"lstm_h": self._state[list(agent_ids)], "lstm_c": self._network.initial_state(len(agent_ids))[1]}

    def load_policy_data(self, policy_data_path: str) -> None:
        self._network.load_state_dict(torch.load(policy_data_path, map_location=self._device, weights_only=True))

    def save_policy_data(self, policy_data_path: str) -> None:
        torch.save(self._network.state_dict(), policy_data_path)


class _TrainableNetwork(nn.Module):
    """A user's module, with the interface of trainers: `forward_eval(observations, state)`.

    Trainers pass the state as a dictionary and expect the next one in it: `lstm_h` and `lstm_c`, [agents, layers,
    numbers] each. All numbers of the user's state are in the first; the second is empty. Observations are [agents,
    tokens, 3], or [agents, steps, tokens, 3] for a recurrent network; the outputs are then [agents * steps, …].

    The weights keep the names that they have in the user's module.
    """

    def __init__(self, network: nn.Module, num_actions: int, observation_shape: tuple[int, ...], device: torch.device):
        super().__init__()
        self.inner, self._num_actions, self._device = network, num_actions, device
        self._takes_state = _num_arguments(network) > 1
        self._state_shapes: list[torch.Size] | None = None  # without the agents
        self._state_types: list[torch.dtype] = []
        self._state_is_tensor = False
        self._probe(observation_shape)

    @property
    def recurrent(self) -> bool:
        return self._state_shapes is not None

    @property
    def state_shapes(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Shapes of an agent's part of the two tensors of the state."""
        return (1, sum(shape.numel() for shape in self._state_shapes or [])), (1, 0)

    def initial_state(self, agents: int) -> tuple[Tensor, Tensor]:
        hidden, cell = (torch.zeros((agents, *shape), device=self._device) for shape in self.state_shapes)
        return hidden, cell

    def _probe(self, observation_shape: tuple[int, ...]) -> None:
        """Call the network once, to check what it returns and find out the shape of its state."""
        blank = torch.full((PROBED_AGENTS, *observation_shape), NO_TOKEN, dtype=torch.uint8, device=self._device)
        was_training = self.inner.training
        self.inner.eval()
        with torch.no_grad():
            outputs = self.inner(blank, None) if self._takes_state else self.inner(blank)
        self.inner.train(was_training)
        if not isinstance(outputs, tuple) or len(outputs) not in (2, 3):
            expected = "(logits, values) or (logits, values, state) from the network"
            hint = "return a tuple: forward(observations) → (logits, values)"
            raise NetworkContractError(expected, _kind(outputs), hint, self.inner)
        for what, output, shapes in (
            ("logits", outputs[0], [(PROBED_AGENTS, self._num_actions)]),
            ("values", outputs[1], [(PROBED_AGENTS,), (PROBED_AGENTS, 1)]),
        ):
            if not isinstance(output, Tensor) or tuple(output.shape) not in shapes or not output.is_floating_point():
                expected = f"{what} of floats {' or '.join(str(list(shape)) for shape in shapes)}"
                hint = "logits are [agents, actions], values [agents] or [agents, 1]"
                raise NetworkContractError(expected, _kind(output), hint, self.inner)
        if len(outputs) == 3:
            if not self._takes_state:
                hint = "forward(observations, state): the state is None in the first call"
                raise NetworkContractError(
                    "a forward that takes the state it returns", "no such argument", hint, self.inner
                )
            self._state_is_tensor = isinstance(outputs[2], Tensor)
            state = [outputs[2]] if self._state_is_tensor or not _is_sequence(outputs[2]) else list(outputs[2])
            for tensor in state:
                if not isinstance(tensor, Tensor) or tensor.dim() < 2 or len(tensor) != PROBED_AGENTS:
                    expected = f"a state of one tensor or a tuple of tensors, each [{PROBED_AGENTS}, …]"
                    hint = "the first dimension counts agents, unlike that of torch.nn.GRU: [layers, agents, …]"
                    raise NetworkContractError(expected, _kind(tensor), hint, self.inner)
                if tensor.device.type != self._device.type:
                    hint = "make new tensors with device=observations.device"
                    where = f"one on {tensor.device.type}"
                    raise NetworkContractError(f"a state on {self._device.type}", where, hint, self.inner)
            self._state_shapes = [tensor.shape[1:] for tensor in state]
            self._state_types = [tensor.dtype for tensor in state]

    def forward(self, observations: Tensor, state: Any = None) -> tuple[Tensor, Tensor]:
        return self.forward_eval(observations, state)

    def forward_eval(self, observations: Tensor, state: Any = None) -> tuple[Tensor, Tensor]:
        """Logits and values; the next state replaces the one in the dictionary `state`."""
        if self._state_shapes is None:
            outputs = self.inner(observations, None) if self._takes_state else self.inner(observations)
            return self._rows(outputs[0], observations), outputs[1]
        steps = observations.unbind(dim=1) if observations.dim() == 4 else (observations,)
        hidden = None if state is None else state.get("lstm_h")
        carried = self._unpacked(self.initial_state(len(observations))[0] if hidden is None else hidden)
        logits, values = [], []
        for seen in steps:
            step_logits, step_values, carried = self.inner(seen, carried)
            logits.append(self._rows(step_logits, seen))
            values.append(step_values.reshape(-1))
        if state is not None:
            state["lstm_h"] = self._packed(carried)
            state["lstm_c"] = self.initial_state(len(observations))[1]
        return torch.stack(logits, dim=1).flatten(0, 1), torch.stack(values, dim=1).flatten()

    def _rows(self, logits: Tensor, observations: Tensor) -> Tensor:
        """A row per agent, also if the module has squeezed a single agent's away."""
        alone = len(observations) == 1 and logits.shape == (self._num_actions,)
        return logits[None] if alone else logits

    def _packed(self, state: Any) -> Tensor:
        tensors = [state] if self._state_is_tensor else list(state)
        return torch.cat([tensor.flatten(1).float() for tensor in tensors], dim=1)[:, None]

    def _unpacked(self, hidden: Tensor) -> Any:
        shapes = self._state_shapes or []
        parts = hidden.flatten(1).split([shape.numel() for shape in shapes], dim=1)
        tensors = tuple(
            part.unflatten(1, shape).to(kind)
            for part, shape, kind in zip(parts, shapes, self._state_types, strict=True)
        )
        return tensors[0] if self._state_is_tensor else tensors

    def named_parameters(self, *arguments: Any, **options: Any) -> Any:
        return self.inner.named_parameters(*arguments, **options)

    def state_dict(self, *arguments: Any, **options: Any) -> Any:
        return self.inner.state_dict(*arguments, **options)

    def load_state_dict(self, *arguments: Any, **options: Any) -> Any:
        return self.inner.load_state_dict(*arguments, **options)


def _num_arguments(network: nn.Module) -> int:
    """How many arguments the module's forward takes; torch's own wrappers pass on any."""
    inner: Any = network.module if isinstance(network, nn.DataParallel) else getattr(network, "_orig_mod", network)
    forward: Any = inner.forward
    if isinstance(inner, torch.jit.ScriptModule):  # which has no signature
        return len(forward.schema.arguments) - 1  # without self
    return len(inspect.signature(forward).parameters)


def _is_sequence(value: object) -> bool:
    return isinstance(value, list | tuple)


def _kind(value: object) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    return f"a {type(value).__name__}"
