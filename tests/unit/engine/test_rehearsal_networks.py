"""The dress rehearsal agrees with training on networks of unusual types, shapes and parameters."""

import pytest

pytest.importorskip("cogames")

from daf.engine.missions import resolve_mission
from daf.engine.rehearsal import Role, rehearse
from daf.engine.simulation import SimulationFactory
from daf.training.launch import run_training
from tests.unit.engine import unusual_networks
from tests.unit.training.small import options_of, recipe_of

HERE = unusual_networks.__name__
WORKING = [
    "Double", "Half", "RecurrentDouble", "RecurrentBfloat16", "Traced", "Parallel", "WithoutGradients", "DoubleOutputs",
    "Squeezed", "RecurrentSqueezed", "Toggling", "Counting", "TiedAndUnused",
]  # fmt: skip
FAILING = {
    "Masked": ("finite logits", "-infinity", "exclude actions with a large negative number"),
    "NanWeights": ("finite logits", "NaN or infinity", "check the network for divisions by zero"),
    "ShortForManyAgents": ("logits [12, 5] and values [12] from forward_eval", "[11, 5]", "whatever their number"),
    "StateElsewhere": ("a state on cpu", "one on meta", "device=observations.device"),
    "Frozen": ("a network with parameters to train", "none that requires a gradient", "assign layers"),
    "Complex": ("parameters of floats", "phase: complex64", "real and imaginary part"),
    "Sparse": ("dense gradients", "sparse ones of embed.weight", "sparse=False"),
    "ChangesObservations": ("observations that the network leaves as they are", "changed ones", "clone()"),
}


@pytest.fixture(scope="module")
def hall():
    return SimulationFactory(resolve_mission("training_facility_1").env_config)


def findings(name, hall):
    return rehearse(f"{HERE}.{name}", [hall], Role(trains=True, deploys=True)).findings


@pytest.mark.parametrize("name", WORKING)
def test_what_training_can_do_with_passes(hall, name):
    assert findings(name, hall) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Squeezed", "RecurrentBfloat16"])
def test_what_passes_can_be_trained(name, tmp_path):
    """The last minibatch holds a single sample, or agent."""
    recipe = recipe_of(f"{HERE}.{name}", world_size=1, updates=1, minibatch_size=51)
    assert run_training(recipe, tmp_path, options_of()).status == "completed"


@pytest.mark.parametrize("name", FAILING)
def test_what_training_cannot_do_with_is_one_error_with_its_line_and_a_remedy(hall, name):
    (error,) = findings(name, hall)
    expected, found, hint = FAILING[name]
    assert error.status == "error"
    assert (error.expected, error.found[: len(found)]) == (expected, found)
    assert hint in error.hint
    assert f"{HERE}.{name}" in error.name
    assert "unusual_networks.py:" in error.name


def test_a_network_without_a_critic_is_only_warned_about(hall):
    (warning,) = findings("WithoutCritic", hall)
    assert (warning.status, warning.expected) == ("warning", "values with a gradient")
