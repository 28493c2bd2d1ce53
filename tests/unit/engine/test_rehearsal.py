"""The dress rehearsal: what it finds in users' policies, where, and what it lets pass."""

import pytest

pytest.importorskip("cogames")

from daf.config import PolicyConfig
from daf.engine import rehearsal
from daf.engine.missions import resolve_mission
from daf.engine.rehearsal import Role, rehearse
from daf.engine.simulation import SimulationFactory
from daf.policies import daf_check_policy
from tests.unit.engine import broken_policies

BROKEN, GOOD = "tests.unit.engine.broken_policies", "tests.unit.engine.networks_of_users"
TRAINED = Role(trains=True)


@pytest.fixture(scope="module")
def hall():
    return SimulationFactory(resolve_mission("training_facility_1").env_config)


def findings(policy, factory, role=Role()):  # noqa: B008
    return rehearse(policy if "." in policy else f"{BROKEN}.{policy}", [factory], role).findings


def only(found):
    assert len(found) == 1, found
    return found[0]


# ---- what passes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Scout", "Rememberer", "RemembererOfTwo"])
def test_networks_of_the_base_class_can_do_everything(hall, name):
    assert findings(f"{GOOD}.{name}", hall, Role(trains=True, deploys=True, joins_team=True)) == []


def test_a_policy_written_by_hand_can_do_everything(hall):
    assert findings("Whole", hall, Role(trains=True, deploys=True)) == []


@pytest.mark.parametrize("name", ["lstm", "stateless", "grid"])
def test_known_networks_pass(hall, name):
    assert rehearse(name, [hall], Role(trains=True, deploys=True)).findings == []


@pytest.mark.parametrize("name", ["random", "starter", "noop", f"{GOOD}.Marcher", f"{BROKEN}.Numbered"])
def test_scripted_policies_pass(hall, name):
    assert rehearse(name, [hall], Role(deploys=True)).findings == []


def test_the_result_names_the_class(hall):
    assert rehearse(f"{GOOD}.Scout", [], Role()).policy.class_path == f"{GOOD}.Scout"


def test_the_page_rehearses_as_the_workflow_does():
    assert daf_check_policy(f"{GOOD}.Scout", "assembler_2") == []
    assert "None: the policy cannot be trained" in [
        finding.found for finding in daf_check_policy(f"{GOOD}.Marcher", "assembler_2", trainable=True)
    ]


# ---- networks ---------------------------------------------------------------------------------------------------

NETWORKS = {
    "WithoutNetwork": ("a torch module from network()", "None", "broken_policies.py:"),
    "WithoutForwardEval": ("a network with forward_eval(observations, state)", "without it", ""),
    "CannotAct": ("step_batch or agent_policy", "cannot act", "broken_policies.py:"),
    "SavesNothing": ("a file from save_policy_data(path)", "none", "broken_policies.py:"),
    "WithoutAgents": ("an AgentPolicy from agent_policy(0)", "None", "broken_policies.py:"),
    "TransposedLogits": ("logits of floats [4, 5] for 4 agents", "float32 [5, 4]", "broken_policies.py:"),
    "DetachedLogits": ("logits with a gradient", "none reaches a parameter", "broken_policies.py:"),
    "Noisy": ("the same logits for the same observations", "other ones", "broken_policies.py:"),
    "MixesAgents": ("logits of an agent that depend on its own observation only", "other agents", "broken_policies"),
    "NewNetworkEveryTime": ("the same module from every call of network()", "another one", "broken_policies.py:"),
    "LoadsNothing": ("the same logits after save_policy_data and load_policy_data", "other ones", "broken_policies"),
    "LosesItsState": ("a state that changes with a step", "the one that was passed", "broken_policies.py:"),
    "RecurrentWithoutLstm": ("a recurrent policy with an nn.LSTM core", "no such layer", ""),
    "ForgetsATensor": ("the same logits from the same state_dict()", "other ones", "broken_policies.py:"),
    "ReturnsOne": ("(logits, values) or (logits, values, state)", "uint8 [3, 384]", "broken_policies.py:"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_what_training_would_trip_over(hall, name):
    expected, found, place = NETWORKS[name]
    errors = [finding for finding in findings(name, hall, TRAINED) if finding.status == "error"]
    assert any(expected in e.expected and found in e.found and place in e.name for e in errors), errors
    assert all(f"{BROKEN}.{name}" in error.name for error in errors)


def test_all_faults_of_a_policy_at_once(hall):
    found = findings("NewNetworkEveryTime", hall, TRAINED) + findings("CannotAct", hall, TRAINED)
    assert len(found) >= 4


def test_what_only_prevents_deployment_is_a_warning_until_it_is_deployed(hall):
    (warning,) = findings("OnlyBatchTrained", hall, TRAINED)
    assert warning.status == "warning"
    assert "agent_policy" in warning.expected
    (error,) = findings("OnlyBatchTrained", hall, Role(trains=True, deploys=True))
    assert error.status == "error"
    assert "NetworkPolicy" in error.hint


# ---- acting -----------------------------------------------------------------------------------------------------

ACTING = {
    "Crashes": ("step_batch without an exception", "no attribute 'missing_attribute'", " in step_batch"),
    "CrashesLater": ("step_batch without an exception", "ValueError", " in step_batch"),
    "Illegal": ("actions from 0 to", "999", "broken_policies.py:"),
    "ReturnsActions": ("actions, written into the second argument", "a returned list", "broken_policies.py:"),
    "IllegalName": ("an Action named noop", "'fly'", "broken_policies.py:"),
    "ReturnsNothing": ("an Action named noop", "a NoneType", "broken_policies.py:"),
    "BadReset": ("reset before step_batch without an exception", "RuntimeError: not now", " in reset"),
    "ExitsInInit": ("a constructor that raises nothing", "SystemExit: 0 (", ""),
    "ExitsInStep": ("step_batch without an exception", "SystemExit: 0", " in step_batch"),
    "EndsTheProcess": ("an answer", "the process ended with status 0 while calling step_batch", ""),
    "KillsTheProcess": ("an answer", "the process was killed by SIGSEGV while building it", ""),
}


@pytest.mark.parametrize("name", ACTING)
def test_what_an_evaluation_would_trip_over(hall, name):
    expected, found, place = ACTING[name]
    errors = findings(name, hall)
    assert any(expected in e.expected and found in e.found and place in e.name for e in errors), errors


def test_a_policy_that_does_not_return(hall, monkeypatch):
    monkeypatch.setattr(rehearsal, "MOST_SECONDS", 3.0)
    error = only(findings("NeverReturns", hall))
    assert error.found == "TookTooLongError: no result in time"
    assert "broken_policies.py:" in error.name


def test_nothing_that_a_policy_does_to_its_process_reaches_this_one(hall, capfd):
    assert findings("Noisome", hall) == []
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "from a shell" in printed.err


def test_a_member_of_a_team_and_a_package_need_the_interface_of_one_agent(hall):
    assert findings("OnlyBatch", hall) == []
    for role in (Role(joins_team=True), Role(deploys=True)):
        error = only(findings("OnlyBatch", hall, role))
        assert (error.status, error.expected) == ("error", "agent_policy(agent_id)")
        assert "BatchPolicy" in error.hint


def test_every_mission_must_be_accepted(hall, tmp_path, monkeypatch):
    (tmp_path / "choosy_policy.py").write_text(
        "from daf.policies import BatchPolicy\n\n"
        "class Choosy(BatchPolicy):\n"
        "    def __init__(self, info):\n"
        "        super().__init__(info)\n"
        "        assert info.observation_shape[0] == 128, 'only for halls'\n"
        "    def step_batch(self, observations, actions):\n"
        "        actions[:] = 0\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    other = SimulationFactory(resolve_mission("tutorial.miner").env_config)
    assert rehearse("choosy_policy.Choosy", [hall], Role()).findings == []
    error = only(rehearse("choosy_policy.Choosy", [hall, other], Role()).findings)
    assert "only for halls" in error.found
    assert "choosy_policy.py:6 in __init__" in error.found


def test_a_module_is_read_again(hall, tmp_path, monkeypatch):
    """In a notebook, say, where the first version was imported long ago."""
    path = tmp_path / "edited_policy.py"
    text = "from tests.unit.engine.broken_policies import OnlyBatch\n\nclass Edited(OnlyBatch):\n    pass\n"
    path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__("edited_policy")
    path.write_text(text + "\n    def reset(self):\n        raise RuntimeError('second version')\n")
    assert "second version" in only(findings("edited_policy.Edited", hall)).found


def test_arguments_reach_the_class(hall):
    policy = PolicyConfig(class_path=f"{BROKEN}.Numbered", init_kwargs={"ofset": 1})
    error = only(rehearse(policy, [hall], Role()).findings)
    assert (error.found, error.hint) == ("'ofset'", "did you mean 'offset'?")


def test_the_five_are_complete():
    assert {kind.__name__ for kind in broken_policies.FIVE} <= set(NETWORKS)
