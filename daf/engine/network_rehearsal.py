"""The part of a dress rehearsal for policies that are trained: what trainers and packages do with a network."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from mettagrid.policy.policy import MultiAgentPolicy
from torch import Tensor, nn

from daf.engine.model_files import weights_bytes
from daf.engine.network_policy import not_finite
from daf.engine.networks import PolicyNetwork, State
from daf.engine.rehearsal_report import RehearsalReport
from daf.engine.rollout import seed_everything
from daf.errors import PolicyError
from daf.system.nouns import number_of

TOLERANCE = 1e-3  # the last bits depend on the number of rows
USE_BASE = "extend NetworkPolicy (daf.policies), which does it"
_FINITE = "check for divisions by zero, logarithms and roots; scale observations, which go to 255"
Build = Callable[[], MultiAgentPolicy]


def rehearse_network(policy: MultiAgentPolicy, again: Build, observations: np.ndarray, report: RehearsalReport) -> None:
    """Outputs, state, gradients, and weights of the policy's network.

    Args:
        again: builds the policy once more.
        observations: uint8 [agents, tokens, 3].
    """
    network = _network(policy, report)
    if network is None:
        return
    seen = network.prepare(torch.from_numpy(observations.copy()))
    network.module.eval()
    if not _rehearse_outputs(policy, network, seen, report):
        return
    _rehearse_sequence(policy, network, seen, report)
    _rehearse_gradients(network, seen, report)
    _rehearse_weights(network, again, seen, report)


def rehearse_saving(
    policy: MultiAgentPolicy, again: Build, observations: np.ndarray, report: RehearsalReport, *, required: bool
) -> None:
    """`save_policy_data` and `load_policy_data`, which bundles need.

    Args:
        required: the policy will be packaged; otherwise, missing methods are only a warning.
    """
    kind = type(policy)
    missing = [
        name
        for name in ("save_policy_data", "load_policy_data")
        if getattr(kind, name) is getattr(MultiAgentPolicy, name)
    ]
    if missing:
        found = f"no {' and no '.join(missing)}: a package of it would hold no weights"
        report.add("save_policy_data and load_policy_data", found, report.line_of(None), USE_BASE, is_error=required)
        return
    with tempfile.TemporaryDirectory(prefix="daf-rehearsal-") as folder:
        path = Path(folder) / "weights.pt"
        report.attempt("save_policy_data", lambda: policy.save_policy_data(str(path)))
        if report.failed("save_policy_data"):
            return
        if not path.is_file():
            line = report.line_of("save_policy_data")
            report.add("a file from save_policy_data(path)", "none at that path", line, USE_BASE)
            return
        seed_everything(1)  # another initial network
        loaded = report.attempt("building it again", again)
        if loaded is None:
            return
        report.attempt("load_policy_data", lambda: loaded.load_policy_data(str(path)))
        if not report.failed("load_policy_data"):
            expected = "the same logits after save_policy_data and load_policy_data"
            _compare(policy, loaded, observations, expected, report.line_of("load_policy_data"), report)


def _network(policy: MultiAgentPolicy, report: RehearsalReport) -> PolicyNetwork | None:
    module: Any = report.attempt("network()", policy.network)
    if report.failed("network()"):
        return None
    line = report.line_of("network")
    if module is None:
        report.add("a torch module from network()", "None: the policy cannot be trained", line, USE_BASE)
        return None
    if not isinstance(module, nn.Module):
        hint = "return the torch.nn.Module itself"
        report.add("a torch module from network()", f"a {type(module).__name__}", line, hint)
        return None
    report.network = module
    if policy.network() is not module:
        hint = "make the network once, in __init__: training would change a copy that never acts"
        report.add("the same module from every call of network()", "another one", line, hint)
    try:
        return PolicyNetwork(policy, report.label)
    except PolicyError as error:
        report.add(error.expected, error.found, report.line_of_network(module), error.hint or USE_BASE)
        return None


# ---- outputs and state ------------------------------------------------------------------------------------------


def _rehearse_outputs(policy: MultiAgentPolicy, network: PolicyNetwork, seen: Tensor, report: RehearsalReport) -> bool:
    """Shapes, types and repeatability of one step's outputs."""
    agents, num_actions = len(seen), len(policy.policy_env_info.action_names)
    state = network.initial_state(agents, seen.device)
    carried = None if state is None else {"lstm_h": state[0].clone(), "lstm_c": state[1].clone()}
    module: Any = network.module
    shown = seen.clone()
    outputs = report.attempt("forward_eval", lambda: module.forward_eval(shown, carried))
    line = report.line_of_network(module)
    if report.failed("forward_eval"):
        return False
    if not torch.equal(shown, seen):
        hint = "training learns from the same tensor: observations = observations.clone() before changing them"
        report.add("observations that the network leaves as they are", "changed ones", line, hint)
        return False
    if not (isinstance(outputs, tuple) and len(outputs) == 2):
        found = f"a tuple of {len(outputs)}" if isinstance(outputs, tuple) else f"a {type(outputs).__name__}"
        hint = (
            "the next state belongs into the dictionary `state`"
            if network.recurrent
            else "return exactly these two tensors, as a tuple"
        )
        report.add("(logits, values) from forward_eval", found, line, hint)
        return False
    before = report.faults
    for what, output, shapes in (
        ("logits", outputs[0], [(agents, num_actions)]),
        ("values", outputs[1], [(agents, 1), (agents,)]),
    ):
        expected = (
            f"{what} of floats {' or '.join(str(list(shape)) for shape in shapes)} for {number_of(agents, 'agent')}"
        )
        if not isinstance(output, Tensor):
            report.add(expected, f"a {type(output).__name__}", line, "return torch tensors")
        elif tuple(output.shape) not in shapes or not output.is_floating_point():
            report.add(
                expected,
                f"{str(output.dtype).removeprefix('torch.')} {list(output.shape)}",
                line,
                "a row per agent, a column per action",
            )
        elif not bool(output.isfinite().all()):
            found, hint = not_finite(output)
            report.add(f"finite {what}", found, line, hint)
    if carried is not None and state is not None:
        _check_state(carried, state, line, report)
    if report.faults == before:
        _check_rows(network, seen, state, line, report)
    return report.faults == before


def _check_state(carried: dict[str, Tensor], state: State, line: str | None, report: RehearsalReport) -> None:
    for name, old in zip(("lstm_h", "lstm_c"), state, strict=True):
        new = carried[name]
        if new.shape != old.shape or new.dtype != old.dtype:
            found = f"{str(new.dtype).removeprefix('torch.')} {list(new.shape)}"
            hint = "keep the shape and the type of the state that was passed"
            kind = str(old.dtype).removeprefix("torch.")
            report.add(f"a next state['{name}'] of {kind} {list(old.shape)}", found, line, hint)
    if all(torch.equal(carried[name], old) for name, old in zip(carried, state, strict=True)):
        hint = "write the next state into the dictionary: state['lstm_h'], state['lstm_c'] = …"
        report.add("a state that changes with a step", "the one that was passed", line, hint)


def _check_rows(
    network: PolicyNetwork, seen: Tensor, state: State | None, line: str | None, report: RehearsalReport
) -> None:
    """The same input gives the same logits, whatever other rows there are."""
    logits = report.attempt("forward_eval", lambda: _logits(network, seen, state))
    if logits is None:
        return
    if not _close(logits, _logits(network, seen, state)):
        hint = "keep no state in the module between calls, and draw no random numbers in evaluation mode"
        report.add("the same logits for the same observations", "other ones in a second call", line, hint)
        return
    alone = None if state is None else (state[0][:1], state[1][:1])
    single = report.attempt("forward_eval for one agent", lambda: _logits(network, seen[:1], alone))
    if single is not None and not _close(single, logits[:1]):
        hint = "a batch holds agents of different episodes"
        report.add("logits of an agent that depend on its own observation only", "on other agents' as well", line, hint)


def _rehearse_sequence(policy: MultiAgentPolicy, network: PolicyNetwork, seen: Tensor, report: RehearsalReport) -> None:
    """Segments of several steps, in which some agent's episode begins: the same logits as step by step."""
    agents = len(seen)
    segment = seen[:, None].expand(-1, 3, -1, -1).contiguous()
    starts = torch.zeros((agents, 3), dtype=torch.bool)
    starts[:, 0] = starts[0, 2] = True
    state = network.initial_state(agents, seen.device)
    what = "forward_eval on a segment of 3 steps"
    with torch.no_grad():
        outputs = report.attempt(what, lambda: network.sequence(segment, state, starts))
        if outputs is None:
            return
        first, _, after = network.step(seen, state)
        second, _, _ = network.step(seen, after)
    logits = outputs[0]
    same = logits.shape == (agents, 3, first.shape[1])
    if not (same and _close(logits[:, 0], first) and _close(logits[:, 1], second) and _close(logits[0, 2], first[0])):
        line = report.line_of_network(network.module)
        expected = "the same logits for a segment [agents, steps, tokens, 3] as step by step"
        report.add(expected, "other ones", line, "outputs are [agents * steps, …], the steps of an agent together")


# ---- gradients and weights --------------------------------------------------------------------------------------


def _rehearse_gradients(network: PolicyNetwork, seen: Tensor, report: RehearsalReport) -> None:
    network.module.train()
    state = network.initial_state(len(seen), seen.device)
    parameters = [parameter for parameter in network.module.parameters() if parameter.requires_grad]
    line = report.line_of_network(network.module)
    unfit = [
        f"{name}: {str(parameter.dtype).removeprefix('torch.')}"
        for name, parameter in network.module.named_parameters()
        if parameter.requires_grad and not parameter.is_floating_point()
    ]
    if unfit:
        hint = "optimizers take no others: keep the real and imaginary part of a complex one apart"
        report.add("parameters of floats", ", ".join(unfit), line, hint)
        return
    if not parameters:
        hint = "assign layers and nn.Parameter to attributes of the module; keep no layers in lists or dictionaries"
        report.add("a network with parameters to train", "none that requires a gradient", line, hint)
        return

    def gradients(number: int) -> list[Tensor | None]:
        logits, values, _ = network.step(seen, state)
        # As training: probabilities of actions, and squares of values.
        loss = logits.float().log_softmax(dim=1)[:, 0].sum() if number == 0 else (values.float() - 1).square().sum()
        if not loss.requires_grad:
            return []
        return list(torch.autograd.grad(loss, parameters, allow_unused=True))

    for number, name in enumerate(("logits", "values")):
        found = report.attempt(f"a backward pass from the {name}", lambda number=number: gradients(number))  # type: ignore[misc]
        if found is None:
            continue
        used = [gradient for gradient in found if gradient is not None]
        if not used:
            hint = "no .detach(), .numpy(), .data or torch.no_grad() on the way"
            # Training works without a critic, but hardly anybody means it.
            report.add(f"{name} with a gradient", "none reaches a parameter", line, hint, is_error=name == "logits")
        elif any(map(_is_sparse, used)):
            hint = "make its layer with sparse=False"
            names = [name for name, parameter in network.module.named_parameters() if parameter.requires_grad]
            sparse = [of for of, gradient in zip(names, found, strict=True) if _is_sparse(gradient)]
            report.add("dense gradients", f"sparse ones of {', '.join(sparse)}", line, hint)
        elif not all(bool(gradient.isfinite().all()) for gradient in used):
            report.add(f"finite gradients of the {name}", "NaN or infinity", line, _FINITE)
    network.module.eval()


def _rehearse_weights(network: PolicyNetwork, again: Build, seen: Tensor, report: RehearsalReport) -> None:
    """The weights as DAF stores them, in another instance of the network."""
    content = report.attempt("storing its weights", lambda: weights_bytes(network.module.state_dict()))
    seed_everything(1)  # another initial network
    other = report.attempt("building it again", again)
    if content is None or other is None:
        return
    module: Any = report.attempt("network()", other.network)
    report.attempt("load_state_dict", lambda: module.load_state_dict(safetensors.torch.load(content)))
    if not report.failed("load_state_dict"):
        loaded = PolicyNetwork(other, report.label)
        loaded.module.eval()
        state = network.initial_state(len(seen), seen.device)
        if not _close(_logits(network, seen, state), _logits(loaded, seen, state)):
            line = report.line_of_network(network.module)
            hint = "everything that decides the outputs must be a parameter or a buffer"
            report.add("the same logits from the same state_dict()", "other ones", line, hint)


def _compare(
    policy: MultiAgentPolicy,
    loaded: MultiAgentPolicy,
    observations: np.ndarray,
    expected: str,
    line: str | None,
    report: RehearsalReport,
) -> None:
    if policy.network() is None or not callable(getattr(policy.network(), "forward_eval", None)):
        return  # reported before
    seen = torch.from_numpy(observations.copy())

    def logits(of: MultiAgentPolicy) -> Tensor:
        network = PolicyNetwork(of, report.label)
        network.module.eval()
        return _logits(network, network.prepare(seen.clone()), network.initial_state(len(seen), seen.device))

    pair = report.attempt("forward_eval", lambda: (logits(policy), logits(loaded)))
    if pair is not None and not _close(*pair):
        report.add(expected, "other ones", line, "save and load the whole state_dict() of network()")


def _is_sparse(gradient: Tensor | None) -> bool:
    return gradient is not None and gradient.layout != torch.strided


@torch.no_grad()
def _logits(network: PolicyNetwork, seen: Tensor, state: State | None) -> Tensor:
    return network.step(seen.clone(), state)[0].float()


def _close(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and torch.allclose(first, second, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
