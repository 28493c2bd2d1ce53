"""Every fault of a policy is named once: class, line of the user's code, expected, found, remedy."""

from pathlib import Path

import pytest

pytest.importorskip("cogames")

from daf.engine.missions import resolve_mission
from daf.engine.rehearsal import Role, rehearse
from daf.engine.simulation import SimulationFactory
from tests.unit.engine import faulty_policies

MODULE = "tests.unit.engine.faulty_policies"
FILE = "tests/unit/engine/faulty_policies.py"
ACCEPTS, ACTS = "a constructor that raises nothing", "step_batch without an exception"
OUTPUTS = "(logits, values) or (logits, values, state) from the network"
INIT, FIX = "__init__(self, policy_env_info, …)", "the traceback is in the log"
# Expected, found and remedy, of which parts are enough.
FAULTS = {
    "ReturnsInts": ("logits of floats [3, 5]", "int64 [3, 5]", "[agents, actions]"),
    "ReturnsAList": (OUTPUTS, "a list", "return a tuple"),
    "ReturnsADict": (OUTPUTS, "a dict", "return a tuple"),
    "BareGru": (ACCEPTS, "Error", "uint8 [agents, tokens, 3]"),
    "FloatingGru": ("a state of one tensor or a tuple", "float32 [1, 3, 8]", "nn.GRU"),
    "StateWithoutArgument": ("a forward that takes the state", "no such argument", "forward(observations, state)"),
    "WrongSize": ("logits of floats [3, 5]", "float32 [3, 2]", "[agents, actions]"),
    "MakesNothing": ("a torch module", "a NoneType", "return the module"),
    "WithoutMakeNetwork": (ACCEPTS, "NotImplementedError", "make_network(self, info)"),
    "MakesWithoutInfo": (ACCEPTS, "takes 1 positional argument", "make_network(self, info)"),
    "ModuleWithoutInit": (ACCEPTS, "Module.__init__() call", "super().__init__() first in the network's"),
    "ForwardCrashes": (ACTS, "RuntimeError: only three", FIX),
    "NotANumber": ("finite logits", "NaN or infinity", "logarithms"),
    "WithoutSuper": ("a policy that knows its environment", "_policy_env_info", "super().__init__(policy_env_info)"),
    "WithoutArguments": (ACCEPTS, "takes 1 positional argument", INIT),
    "AgentWithoutArguments": (ACCEPTS, "takes 1 positional argument", INIT),
    "InitCrashes": (ACCEPTS, "no attribute 'no_such_fact'", FIX),
    "OneArgument": (ACTS, "takes 2 positional arguments", "step_batch(self, raw_observations, raw_actions)"),
    "NoAgentId": ("agent_policy(0) without an exception", "takes 1 positional", "agent_policy(self, agent_id)"),
    "StepWithoutArgument": ("agent_policy(0).step without an", "takes 1 positional", "step(self, obs)"),
    "FloatActions": ("an Action named noop", "a float", "return Action(name=…)"),
    "NanActions": ("actions from 0 to", "-2147483648 (was it NaN?)", "numbers of actions"),
    "Interrupts": (ACTS, "KeyboardInterrupt", "it was not Ctrl-C"),
    "InterruptsInInit": ("a policy that can be tried out", "KeyboardInterrupt", "it was not Ctrl-C"),
    "CannotReset": ("reset before step_batch without", "missing 1 required positional", "reset(self)"),
    "HandList": ("(logits, values) from forward_eval", "a list", "as a tuple"),
    "HandWithoutState": ("forward_eval without an exception", "takes 2 positional", "observations, state=None)"),
    "SavesWithoutPath": (
        "save_policy_data without an",
        "takes 1 positional",
        "save_policy_data(self, policy_data_path)",
    ),
    "NetworkIsADict": ("a torch module from network()", "a dict", "torch.nn.Module"),
    "LayersInAList": ("a network with parameters to train", "none that requires a gradient", "in lists"),
    "NotAPolicy": ("a subclass of MultiAgentPolicy", "class NotAPolicy", "BatchPolicy or NetworkPolicy"),
}
TRAINED = ("Hand", "Saves", "NetworkIs", "Layers")
ALSO = {"NetworkIsADict": 2, "LayersInAList": 3}  # what follows from the fault, or is another one


@pytest.fixture(scope="module")
def hall():
    return SimulationFactory(resolve_mission("training_facility_1").env_config)


def marked_line(name):
    lines = Path(faulty_policies.__file__).read_text().splitlines()
    (number,) = (number for number, line in enumerate(lines, 1) if line.endswith(f"# {name}"))
    return number


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_once_with_its_line_and_a_remedy(hall, name):
    expected, found, remedy = FAULTS[name]
    trained = issubclass(getattr(faulty_policies, name), faulty_policies.NetworkPolicy) or name.startswith(TRAINED)
    findings = rehearse(f"{MODULE}.{name}", [hall], Role(trains=trained)).findings
    errors = [finding for finding in findings if finding.status == "error"]
    assert len(errors) <= ALSO.get(name, 1), errors
    first = errors[0]
    assert f"{MODULE}.{name}" in first.name
    assert f"{FILE}:{marked_line(name)}" in f"{first.name} ", first
    assert expected in first.expected, first
    assert found in first.found, first
    assert remedy in first.hint, first
    assert all(error.hint for error in errors)
