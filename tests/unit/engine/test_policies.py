"""Policies: names, classes, weights and bundles → policy objects; and the errors when that is impossible."""

import inspect
import json
import os
import re
import sys
import zipfile
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cogames")

import torch
from mettagrid.policy.loader import discover_and_register_policies
from mettagrid.policy.policy import PolicySpec
from mettagrid.policy.policy_env_interface import PolicyEnvInterface

from daf.config import MissionConfig, PolicyConfig
from daf.engine.missions import resolve_mission
from daf.engine.policies import build_policy, check_transfer, list_policies, resolve_policy
from daf.errors import BadInputError, CheckpointError, PolicyError
from daf.system.user_code import PACKAGES_WITH_SHORTHANDS

GRID = "daf.engine.grid_policy.GridPolicy"
MODULE = '''
from mettagrid.policy.policy import AgentPolicy, MultiAgentPolicy
from mettagrid.simulator import Action

class Alone(AgentPolicy):
    """The specification's second kind of policy."""
    def __init__(self, policy_env_info, action="noop"):
        super().__init__(policy_env_info)
        self.action = action

    def step(self, obs):
        return Action(name=self.action)

class Team(MultiAgentPolicy):
    """The specification's first kind of policy."""
    def __init__(self, env_interface, seed=42):
        super().__init__(env_interface)
        self.seed = seed

    def step_batch(self, observations, actions):
        actions[:] = self.seed % 5

class Refuses(MultiAgentPolicy):
    def __init__(self, env_interface):
        raise ValueError("only for arenas")

class NoPolicy:
    pass

def function():
    pass
'''


def interface_of(source):
    return PolicyEnvInterface.from_mg_cfg(resolve_mission(source).env_config)


@pytest.fixture(scope="module")
def assembler():
    return interface_of("assembler_2")


@pytest.fixture(scope="module")
def hall():
    return interface_of("training_facility_1")


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The name of a user's module on the path, new for every test."""
    name = f"mine_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


@pytest.fixture
def weights(tmp_path, assembler):
    """Weights of a small grid network for assembler_2."""
    path = tmp_path / "model.pt"
    policy = build_policy(resolve_policy(small()), assembler)
    policy.save_policy_data(str(path))
    return path


def small(**changes):
    return PolicyConfig(**{"class_path": "grid", "init_kwargs": {"hidden_size": 8}, **changes})


def refused(policy, kind=PolicyError, interface=None):
    with pytest.raises(kind) as caught:
        build_policy(resolve_policy(policy), interface)
    assert caught.value.exit_code == 2
    return caught.value


# ---- names -----------------------------------------------------------------------------------------------------


def test_known_names():
    assert {"lstm", "random", "noop", "starter", "baseline", "grid"} <= set(list_policies())


def test_shorthands_become_classes():
    assert resolve_policy("grid").class_path == GRID
    assert resolve_policy("lstm").class_path == "mettagrid.policy.lstm.LSTMPolicy"
    assert resolve_policy("random").label == "random"
    assert resolve_policy(GRID).label == "GridPolicy"
    assert resolve_policy(PolicySpec(class_path="lstm")).class_path == resolve_policy("lstm").class_path
    assert resolve_policy("random", "chance").label == "chance"
    assert resolve_policy(resolve_policy("random")) == resolve_policy("random")


def test_baseline_says_what_it_is():
    baseline = resolve_policy("baseline")
    assert baseline.class_path == resolve_policy("starter").class_path
    assert "starter" in baseline.note
    assert resolve_policy("starter").note == ""


def test_an_unknown_shorthand_gets_a_suggestion():
    error = refused("basline")
    assert error.found == "'basline'"
    assert "'baseline'" in error.hint


# ---- classes ---------------------------------------------------------------------------------------------------


def test_both_kinds_of_the_specifications_policies_act(mine, assembler):
    team = build_policy(resolve_policy(PolicyConfig(class_path=f"{mine}.Team", init_kwargs={"seed": 7})), assembler)
    actions = np.zeros(4, dtype=np.int32)
    team.step_batch(np.zeros((4, 64, 3), dtype=np.uint8), actions)
    assert actions.tolist() == [2, 2, 2, 2]

    alone = PolicyConfig(class_path=f"{mine}.Alone", init_kwargs={"action": "move_north"})
    built = build_policy(resolve_policy(alone), assembler)
    first, second = built.agent_policy(0), built.agent_policy(1)
    assert first is not second  # agents share no state
    assert first.step(None).name == "move_north"


@pytest.mark.parametrize(
    ("path", "expected", "found", "hint"),
    [
        ("{mine}.NoPolicy", "a subclass of MultiAgentPolicy or AgentPolicy", "class NoPolicy", ""),
        ("{mine}.function", "a subclass of MultiAgentPolicy or AgentPolicy", "a function", ""),
        ("{mine}.Teem", "a class in {mine}", "no 'Teem'", "did you mean 'Team'?"),
        ("{mine}x.Team", "a module that can be imported", "{mine}x", "PYTHONPATH"),
        ("no_such_package.policy.Team", "a module that can be imported", "no_such_package", "'no_such_package'"),
        ("daf.errors.DafError", "a subclass of MultiAgentPolicy or AgentPolicy", "class DafError", ""),
    ],
)
def test_paths_that_lead_to_no_policy(mine, path, expected, found, hint):
    error = refused(path.format(mine=mine))
    assert error.expected == expected.format(mine=mine)
    assert found.format(mine=mine) in error.found
    assert hint in error.hint
    assert path.format(mine=mine) in error.where


def test_a_module_that_changes_the_folder_leaves_it_as_it_was(tmp_path, monkeypatch):
    (tmp_path / "module_that_moves.py").write_text("import os\n\nos.chdir('/')\n" + MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = os.getcwd()
    resolve_policy("module_that_moves.Team")
    assert os.getcwd() == before


def test_a_misspelt_module_gets_its_neighbour(tmp_path, monkeypatch):
    (tmp_path / "my_policies_of_today.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert refused("my_polices_of_today.Team").hint == "did you mean 'my_policies_of_today'?"


def test_a_module_that_breaks_on_import(tmp_path, monkeypatch):
    (tmp_path / "broken_module_of_a_user.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "ZeroDivisionError" in refused("broken_module_of_a_user.Policy").found


def test_a_class_that_refuses_the_mission(mine, assembler):
    error = refused(f"{mine}.Refuses", interface=assembler)
    assert error.expected == "a constructor that raises nothing"
    assert error.found.startswith("ValueError: only for arenas (")
    assert error.found.endswith(f"{mine}.py:25 in __init__)")


def test_arguments_that_a_class_does_not_take(mine):
    error = refused(PolicyConfig(class_path=f"{mine}.Team", init_kwargs={"sed": 1}))
    assert (error.expected, error.found, error.hint) == ("an argument of Team", "'sed'", "did you mean 'seed'?")
    assert "hidden_size" in refused(PolicyConfig(class_path="grid", init_kwargs={"hiden_size": 8})).hint


# ---- weights ---------------------------------------------------------------------------------------------------


def test_weights_are_loaded(weights, assembler):
    resolved = resolve_policy(small(data_path=weights))
    saved = torch.load(weights, weights_only=True)
    loaded = build_policy(resolved, assembler).network().state_dict()
    assert set(saved) == set(loaded)
    assert all(torch.equal(saved[name], loaded[name]) for name in saved)
    assert resolved.label == "grid-model"


def test_identity_follows_the_content_of_the_weights(weights, tmp_path):
    copy = tmp_path / "copy.pt"
    copy.write_bytes(weights.read_bytes())
    identity = resolve_policy(small(data_path=weights)).identity()
    assert resolve_policy(small(data_path=copy)).identity() == identity
    copy.write_bytes(b"other")
    assert resolve_policy(small(data_path=copy)).identity() != identity
    assert resolve_policy("random").identity()["weights_sha256"] is None


def test_missing_weights_get_their_neighbour(weights):
    error = refused(small(data_path=weights.with_name("modle.pt")), CheckpointError)
    assert error.found == "no such file"
    assert "'model.pt'" in error.hint
    folder = weights.parent / "nowhere"
    error = refused(small(data_path=folder / "model.pt"), CheckpointError)
    assert error.hint == f"the folder '{folder}' does not exist"


@pytest.mark.parametrize("content", [b"", b"this is not a checkpoint at all"])
def test_damaged_weights(weights, assembler, content):
    weights.write_bytes(content)
    error = refused(small(data_path=weights), CheckpointError, assembler)
    assert error.expected == "weights"
    assert "damaged" in error.found or "an unreadable file" in error.found
    assert str(weights) in error.where


def test_half_a_checkpoint(weights, assembler):
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    assert str(weights) in refused(small(data_path=weights), CheckpointError, assembler).where


@pytest.mark.parametrize("content", [[1, 2, 3], "text", {"a": 1}, None])
def test_a_readable_file_that_holds_no_weights(weights, assembler, content):
    torch.save(content, weights)
    assert str(weights) in refused(small(data_path=weights), CheckpointError, assembler).where


def test_weights_of_another_network(weights, assembler, hall):
    wider = PolicyConfig(class_path="grid", init_kwargs={"hidden_size": 16}, data_path=weights)
    for policy, interface in ((wider, assembler), (small(data_path=weights), hall)):
        error = refused(policy, CheckpointError, interface)
        assert error.expected == "weights of this network"
        assert "size mismatch" in error.found
        assert "another mission" in error.hint
    assert refused(PolicyConfig(class_path="lstm", data_path=weights), CheckpointError, assembler)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(weights, assembler, value):
    state = torch.load(weights, weights_only=True)
    name = next(iter(state))
    state[name].view(-1)[0] = value
    torch.save(state, weights)
    error = refused(small(data_path=weights), CheckpointError, assembler)
    assert error.expected == "finite weights"
    assert name.split(".")[-1] in error.found


# ---- bundles ---------------------------------------------------------------------------------------------------


def bundle(path, weights, *, class_path=GRID, hidden_size=8):
    spec = {"class_path": class_path, "data_path": "weights.pt", "init_kwargs": {"hidden_size": hidden_size}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("policy_spec.json", json.dumps(spec))
        archive.write(weights, "weights.pt")
    return path


def test_a_bundle_says_itself_what_it_is(tmp_path, weights, assembler):
    path = bundle(tmp_path / "mine-0.1.0.zip", weights)
    resolved = resolve_policy(str(path))
    assert (resolved.label, resolved.class_path, resolved.init_kwargs) == ("mine-0.1.0", GRID, {"hidden_size": 8})
    assert resolve_policy(PolicyConfig(data_path=path)) == resolved
    loaded = build_policy(resolved, assembler).network().state_dict()
    saved = torch.load(weights, weights_only=True)
    assert all(torch.equal(saved[name], loaded[name]) for name in saved)


def test_a_bundle_is_loaded_by_its_class_as_cogames_does_it(tmp_path, weights, assembler):
    """Also if it holds safetensors: CoGames knows nothing of DAF's way to read them."""
    path = tmp_path / "theirs.zip"
    spec = {"class_path": GRID, "data_path": "w.safetensors", "init_kwargs": {"hidden_size": 8}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("policy_spec.json", json.dumps(spec))
        archive.write(weights, "w.safetensors")  # what GridPolicy reads: torch's format, whatever its name
    loaded = build_policy(resolve_policy(str(path)), assembler).network().state_dict()
    assert torch.equal(loaded["bias"], torch.load(weights, weights_only=True)["bias"])


def test_an_overwritten_bundle_is_not_served_stale(tmp_path, weights, assembler):
    path = bundle(tmp_path / "mine.zip", weights)
    before = build_policy(resolve_policy(str(path)), assembler).network().state_dict()
    state = {name: tensor + 1 for name, tensor in torch.load(weights, weights_only=True).items()}
    torch.save(state, weights)
    path.unlink()
    bundle(path, weights)
    after = build_policy(resolve_policy(str(path)), assembler).network().state_dict()
    assert all(torch.equal(after[name], before[name] + 1) for name in before)


@pytest.mark.parametrize(
    ("members", "found"),
    [(None, "not a zip file"), ({}, "no such member"), ({"policy_spec.json": "{}"}, "class_path")],
)
def test_files_that_are_no_bundle(tmp_path, members, found):
    path = tmp_path / "x.zip"
    if members is None:
        path.write_text("text")
    else:
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    error = refused(str(path), CheckpointError)
    assert found in error.found + error.where
    assert error.where.startswith(str(path))


# ---- transfer --------------------------------------------------------------------------------------------------


def test_weights_play_the_same_mission_with_other_numbers(assembler):
    policy = resolve_policy("grid")
    shorter = PolicyEnvInterface.from_mg_cfg(
        resolve_mission(MissionConfig(source="assembler_2", max_steps=5)).env_config
    )
    check_transfer(policy, assembler, "assembler_2", shorter, "short")


def test_fewer_agents_are_the_same_to_a_network():
    pair = resolve_mission(MissionConfig(source="tutorial.miner", num_agents=2)).env_config
    miner = interface_of("tutorial.miner")
    check_transfer(resolve_policy("grid"), miner, "tutorial.miner", PolicyEnvInterface.from_mg_cfg(pair), "pair")


def test_another_mission_is_refused_before_anything_is_trained(assembler, hall):
    with pytest.raises(PolicyError) as caught:
        check_transfer(resolve_policy("grid"), assembler, "assembler_2", hall, "training_facility_1")
    error = caught.value
    assert "observation shape" in error.expected
    assert "64 x 3" in error.expected
    assert error.found == "128 x 3"
    assert "'assembler_2'" in error.where
    assert "'training_facility_1'" in error.where


def test_the_same_shape_with_other_features_is_refused(assembler):
    other = assembler.model_copy(update={"tags": [*assembler.tags, "chest"]})
    with pytest.raises(PolicyError, match="tags"):
        check_transfer(resolve_policy("grid"), assembler, "a", other, "b")


def test_shorthands_are_followed_in_every_package_where_the_engine_looks_for_them():
    listed = re.findall(r'"([\w.]+)",', inspect.getsource(discover_and_register_policies))
    assert set(listed) == {"mettagrid.policy", "cogames.policy", *PACKAGES_WITH_SHORTHANDS}


def test_identity_follows_the_code_of_the_class(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "walkers_here.py").write_text(
        "from mettagrid.policy.policy import MultiAgentPolicy\nclass Mine(MultiAgentPolicy):\n    pass\n"
    )
    resolved = resolve_policy("walkers_here.Mine")
    before = resolved.identity()
    assert set(before["code"]["files"]) == {"walkers_here.py"}
    (tmp_path / "walkers_here.py").write_text("edited")
    with pytest.raises(BadInputError, match=r"walkers_here\.py changed since"):
        resolved.identity()
    monkeypatch.delitem(sys.modules, "walkers_here")
    assert resolved.identity() != before


# ---- weights that a class does not use ---------------------------------------------------------------------------

LENIENT = """
import torch
from daf.policies import NetworkPolicy
from tests.unit.engine.networks_of_users import Bag, Remembering, Scout

class Lenient(Scout):
    def load_policy_data(self, path):
        self.network().load_state_dict(torch.load(path, weights_only=True), strict=False)

class LenientRememberer(NetworkPolicy):
    def make_network(self, info):
        return Remembering(len(info.action_names))

    load_policy_data = Lenient.load_policy_data

class Ignores(Scout):
    def load_policy_data(self, path):
        pass

class Halves(Scout):
    def load_policy_data(self, path):
        state = {name: value.half() for name, value in torch.load(path, weights_only=True)["model"].items()}
        self.network().load_state_dict(state)
"""


@pytest.fixture
def lenient(tmp_path, monkeypatch):
    name = f"lenient_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{name}.py").write_text(LENIENT)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def saved(tmp_path, state):
    torch.save(state, tmp_path / "w.pt")
    return tmp_path / "w.pt"


def scouts_weights(hall):
    torch.manual_seed(7)
    return build_policy(resolve_policy("tests.unit.engine.networks_of_users.Scout"), hall).network().state_dict()


def test_a_checkpoint_that_a_class_ignores_does_not_play(lenient, weights, assembler):
    """Neither of another network, nor of the right one."""
    for name in ("Lenient", "Ignores"):
        error = refused(PolicyConfig(class_path=f"{lenient}.{name}", data_path=weights), CheckpointError, assembler)
        assert error.expected == "weights for every parameter of the network"
        assert error.found.startswith("6 of 6 keep their initial values (features.weight, values.weight, logits.weight")
        assert "strict=False" in error.hint
        assert str(weights) in error.where


def test_a_checkpoint_that_fits_a_part_does_not_play(lenient, tmp_path, hall):
    path = saved(tmp_path, scouts_weights(hall))
    error = refused(PolicyConfig(class_path=f"{lenient}.LenientRememberer", data_path=path), CheckpointError, hall)
    assert error.found.startswith("4 of 10 keep their initial values (core.weight_ih, ")


def test_a_class_may_convert_what_it_loads(lenient, tmp_path, hall):
    path = saved(tmp_path, {"model": scouts_weights(hall), "step": 3})
    assert build_policy(resolve_policy(PolicyConfig(class_path=f"{lenient}.Halves", data_path=path)), hall)


def test_weights_that_equal_the_initial_ones_are_used(lenient, tmp_path, hall):
    path = saved(tmp_path, scouts_weights(hall))
    torch.manual_seed(7)
    build_policy(resolve_policy(PolicyConfig(class_path=f"{lenient}.Lenient", data_path=path)), hall)


def test_a_class_that_cannot_load_gets_no_checkpoint(mine, weights, assembler):
    error = refused(PolicyConfig(class_path=f"{mine}.Team", data_path=weights), CheckpointError, assembler)
    assert error.found == "Team without load_policy_data"


# ---- classes are imported alone, and may do anything at import ---------------------------------------------------


def module(tmp_path, monkeypatch, text, name="user"):
    name = f"{name}_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


@pytest.mark.parametrize("code", ["0", "1", "2", "'a message'", ""])
def test_a_module_that_ends_the_program(tmp_path, monkeypatch, code):
    name = module(tmp_path, monkeypatch, f"import sys\n\ndef check():\n    sys.exit({code})\n\ncheck()\n")
    error = refused(f"{name}.Policy")
    assert error.found.startswith(f"{name} ends the program: SystemExit")
    assert error.found.endswith(f"{name}.py:4 in check)")


def test_a_class_that_ends_the_program(tmp_path, monkeypatch, assembler):
    text = MODULE + "\nclass Quits(Team):\n    def __init__(self, info):\n        raise SystemExit(0)\n"
    error = refused(f"{module(tmp_path, monkeypatch, text)}.Quits", interface=assembler)
    assert error.found.startswith("SystemExit: 0 (")


def test_ctrl_c_stays_what_it_is(tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        resolve_policy(f"{module(tmp_path, monkeypatch, 'raise KeyboardInterrupt')}.Policy")


def test_the_place_of_an_error_is_the_users(tmp_path, monkeypatch):
    name = module(tmp_path, monkeypatch, "import json\n\nTABLES = json.loads('{')\n")
    assert refused(f"{name}.Policy").found.endswith(f"{name}.py:3 in <module>)")


def test_a_missing_library_is_not_a_missing_module(tmp_path, monkeypatch):
    name = module(tmp_path, monkeypatch, "import a_library_that_is_not_there\n")
    error = refused(f"{name}.Policy")
    assert error.hint == "install 'a_library_that_is_not_there'?"
    assert f"{name}.py:1" in error.found


WALKER = """
from mettagrid.policy.policy import MultiAgentPolicy

class Walker(MultiAgentPolicy):
    short_names = ["{}"]
"""


def test_two_versions_of_a_class_may_have_the_same_short_name(tmp_path, monkeypatch):
    names = [module(tmp_path, monkeypatch, WALKER.format("shared_name"), version) for version in ("v1", "v2")]
    paths = [resolve_policy(f"{name}.Walker").class_path for name in names]
    assert paths == [f"{name}.Walker" for name in names]


def test_a_version_may_extend_the_other(tmp_path, monkeypatch):
    old = module(tmp_path, monkeypatch, WALKER.format("extended_name"), "old")
    text = f'from {old} import Walker as Old\n\nclass Walker(Old):\n    short_names = ["extended_name"]\n'
    assert resolve_policy(f"{module(tmp_path, monkeypatch, text, 'new')}.Walker")


def test_the_engines_short_names_stay_the_engines(tmp_path, monkeypatch):
    resolve_policy(f"{module(tmp_path, monkeypatch, WALKER.format('random'))}.Walker")
    assert resolve_policy("random").class_path.startswith("mettagrid.")


@pytest.fixture
def optional(tmp_path, monkeypatch):
    """An optional package of policies, one of which raises, one of which ends the program; and one that is well."""
    import sys

    from daf.engine import policy_classes

    folder = tmp_path / "cogames_agents" / "policy"
    folder.mkdir(parents=True)
    for place in (folder, folder.parent):
        (place / "__init__.py").write_text("")
    (folder / "broken.py").write_text("raise ValueError('not here')\n")
    (folder / "exits.py").write_text("raise SystemExit(0)\n")
    (folder / "well.py").write_text(WALKER.format("wellwalker"))
    monkeypatch.syspath_prepend(str(tmp_path))
    policy_classes._import_package.cache_clear()
    yield
    policy_classes._import_package.cache_clear()
    for name in [name for name in sys.modules if name.startswith("cogames_agents")]:
        del sys.modules[name]


def test_a_broken_optional_package_stops_only_what_needs_it(optional, mine):
    assert resolve_policy("random")
    assert resolve_policy(f"{mine}.Team")
    assert resolve_policy("wellwalker").class_path == "cogames_agents.policy.well.Walker"
    error = refused("brokenwalker")
    assert "cogames_agents.policy.broken cannot be imported: ValueError: not here" in error.hint
    assert "cogames_agents.policy.exits cannot be imported: SystemExit: 0" in error.hint


def test_only_shorthands_are_searched_for(optional, mine, monkeypatch):
    import sys

    resolve_policy(f"{mine}.Team")
    resolve_policy("grid")
    assert "cogames_agents" not in sys.modules


# ---- agents that ask for their number ----------------------------------------------------------------------------


def test_an_agent_that_asks_for_its_number_gets_it(hall):
    numbered = PolicyConfig(class_path="tests.unit.engine.broken_policies.Numbered", init_kwargs={"offset": 1})
    built: Any = build_policy(resolve_policy(numbered), hall)
    assert [built.agent_policy(number).number for number in range(3)] == [1, 2, 3]


def test_the_number_is_not_the_users_to_choose():
    error = refused(PolicyConfig(class_path="tests.unit.engine.broken_policies.Numbered", init_kwargs={"agent_id": 1}))
    assert error.found == "'agent_id'"


@pytest.mark.long
def test_two_versions_with_one_short_name_play_in_worker_processes(tmp_path, monkeypatch):
    from daf.engine.evaluation import evaluate_policy

    text = (
        WALKER.format("walker_of_workers")
        + "    def step_batch(self, observations, actions):\n        actions[:] = {}\n"
    )
    names = [module(tmp_path, monkeypatch, text.format(number), f"w{number}") for number in (1, 2)]
    mission = MissionConfig(source="training_facility_1", max_steps=5)
    for name, way in zip(names, ("move_north", "move_south"), strict=True):
        frame = evaluate_policy(f"{name}.Walker", mission, episodes=2, seed=0, workers=2)
        assert frame["failure"].isna().all()
        assert {action for action, count in json.loads(frame["action_counts"][0]).items() if count} == {way}
