"""Model files: the same bytes for the same model, refused where they do not belong, and never a way to run code."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mettagrid.policy.policy_env_interface import PolicyEnvInterface

from daf.config import Hyperparameters, MissionConfig, PolicyConfig
from daf.config.recipes import MissionRecipe, TrainingRecipe
from daf.engine import model_files
from daf.engine.missions import resolve_mission
from daf.engine.model_files import class_path_of, load_model_description, read_weights, save_model, weights_bytes
from daf.engine.policies import build_policy, resolve_policy
from daf.errors import CheckpointError, DafError, PolicyError
from daf.system.files import file_sha256, write_json
from daf.system.json_files import read_json
from daf.system.provenance import engine_stamp

MISSION = "assembler_2"
GRID = "daf.engine.grid_policy.GridPolicy"
LSTM = "mettagrid.policy.lstm.LSTMPolicy"
KWARGS: dict[str, dict[str, Any]] = {"grid": {"hidden_size": 8}, "lstm": {}, "stateless": {}}


def interface_of(source: str) -> PolicyEnvInterface:
    return PolicyEnvInterface.from_mg_cfg(resolve_mission(source).env_config)


@pytest.fixture(scope="module")
def assembler() -> PolicyEnvInterface:
    return interface_of(MISSION)


def recipe_of(policy: str) -> TrainingRecipe:
    return TrainingRecipe(
        mission=MissionRecipe(name="mine", config=MissionConfig(source=MISSION), sha256=None),
        policy_class_path=policy,
        init_kwargs=KWARGS[policy],
        hyperparameters=Hyperparameters(learning_rate=0.1 + 0.2),
        num_steps=100,
        seed=7,
        world_size=1,
    )


def published(folder: Path, interface: PolicyEnvInterface, policy: str = "grid") -> Path:
    """A model as a training publishes it, with weights that no fresh network has."""
    resolved = resolve_policy(PolicyConfig(class_path=policy, init_kwargs=KWARGS[policy]))
    network = build_policy(resolved, interface).network()
    assert network is not None
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return save_model(
        folder,
        network.state_dict(),
        recipe=recipe_of(policy),
        policy_class_path=resolved.class_path,
        interface=interface,
        agent_steps=128,
    )


def weights_of(policy: PolicyConfig, interface: PolicyEnvInterface) -> dict[str, torch.Tensor]:
    network = build_policy(resolve_policy(policy), interface).network()
    assert network is not None
    return network.state_dict()


def refused(path: Path, kind: type[DafError], interface: PolicyEnvInterface, **config: Any) -> DafError:
    with pytest.raises(kind) as caught:
        build_policy(resolve_policy(PolicyConfig(data_path=path, **config)), interface)
    return caught.value


# ---- writing and reading ------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", sorted(KWARGS))
def test_a_model_says_itself_what_it_is(policy: str, tmp_path: Path, assembler: PolicyEnvInterface) -> None:
    path = published(tmp_path, assembler, policy)
    resolved = resolve_policy(str(path))
    assert resolved.class_path == resolve_policy(policy).class_path
    assert resolved.init_kwargs == KWARGS[policy]
    loaded, saved = weights_of(PolicyConfig(data_path=path), assembler), read_weights(path)
    assert loaded.keys() == saved.keys()
    assert all(torch.equal(loaded[name], saved[name]) for name in saved)


def test_the_same_model_gives_the_same_bytes(tmp_path: Path, assembler: PolicyEnvInterface) -> None:
    for name in ("a", "b"):
        published(tmp_path / name, assembler)
    for name in ("model.safetensors", "model.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["model.json", "model.safetensors"]


def test_bytes_do_not_depend_on_order_layout_or_shared_memory() -> None:
    matrix = torch.arange(6.0).view(2, 3)
    plain = weights_bytes({"a": matrix.clone(), "b": matrix.T.contiguous(), "c": matrix.clone()})
    assert weights_bytes({"c": matrix, "b": matrix.T, "a": matrix}) == plain
    with pytest.raises(CheckpointError, match="a dict"):
        weights_bytes({"extra": {}})


def test_what_the_description_holds(tmp_path: Path, assembler: PolicyEnvInterface) -> None:
    path = published(tmp_path, assembler)
    found = load_model_description(tmp_path / "model.json")
    assert (found.format_version, found.mission, found.agent_steps) == (1, "mine", 128)
    assert (found.policy_class_path, found.init_kwargs) == (GRID, {"hidden_size": 8})
    assert found.recipe == recipe_of("grid").to_dict()
    assert found.recipe_digest == recipe_of("grid").digest
    assert found.engine == engine_stamp()
    assert found.action_names == assembler.action_names
    assert found.observation_shape == list(assembler.observation_shape) == [64, 3]
    assert found.egocentric_shape == list(assembler.egocentric_shape)
    assert found.tags == assembler.tags
    assert found.observation_features[0] == "0 agent:group / 10"
    assert found.weights_sha256 == file_sha256(path)
    assert (tmp_path / "model.json").stat().st_size < 10_000


def test_weights_are_the_last_file_to_appear(
    tmp_path: Path, assembler: PolicyEnvInterface, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also over an older model: its weights must not remain next to the new description."""
    path = published(tmp_path, assembler)

    def full_disk(*arguments: object) -> None:
        assert not path.exists()
        assert read_json(tmp_path / "model.json")["agent_steps"] == 128
        raise OSError("no space left")

    monkeypatch.setattr(model_files, "write_bytes", full_disk)
    with pytest.raises(OSError, match="no space"):
        published(tmp_path, assembler)
    assert [file.name for file in tmp_path.iterdir()] == ["model.json"]


def test_init_kwargs_of_the_configuration_go_first(tmp_path: Path, assembler: PolicyEnvInterface) -> None:
    path = published(tmp_path, assembler)
    resolved = resolve_policy(PolicyConfig(data_path=path, init_kwargs={"greedy": True}))
    assert resolved.init_kwargs == {"hidden_size": 8, "greedy": True}
    error = refused(path, PolicyError, assembler, init_kwargs={"greddy": True})
    assert error.hint == "did you mean 'greedy'?"


# ---- without a description ------------------------------------------------------------------------------------


def test_weights_alone_need_their_class_and_are_loaded_strictly(tmp_path: Path, assembler: PolicyEnvInterface) -> None:
    path = published(tmp_path, assembler)
    (tmp_path / "model.json").unlink()
    error = refused(path, CheckpointError, assembler)
    assert (error.expected, error.found) == ("a description of the weights", "no such file")
    assert error.where == str(tmp_path / "model.json")
    known = PolicyConfig(class_path="grid", init_kwargs={"hidden_size": 8}, data_path=path)
    assert torch.equal(weights_of(known, assembler)["bias"], read_weights(path)["bias"])
    error = refused(path, CheckpointError, assembler, class_path="grid", init_kwargs={"hidden_size": 16})
    assert "size mismatch" in error.found
    tensors = read_weights(path)
    del tensors["bias"]
    path.write_bytes(weights_bytes(tensors))
    error = refused(path, CheckpointError, assembler, class_path="grid", init_kwargs={"hidden_size": 8})
    assert "Missing key" in error.found


def test_a_policy_without_a_network(tmp_path: Path, assembler: PolicyEnvInterface) -> None:
    error = refused(published(tmp_path, assembler), PolicyError, assembler, class_path="starter")
    assert "network()" in error.expected
    assert "load_policy_data" in error.hint


def test_weights_that_are_no_numbers(tmp_path: Path, assembler: PolicyEnvInterface) -> None:
    path = tmp_path / "x.safetensors"
    tensors = read_weights(published(tmp_path, assembler))
    tensors["bias"][0] = float("nan")
    path.write_bytes(weights_bytes(tensors))
    error = refused(path, CheckpointError, assembler, class_path="grid", init_kwargs={"hidden_size": 8})
    assert error.found == "NaN or infinity in bias"


# ---- mismatches -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [9, 500, -1])  # in the header, in the tensors, in the last byte
def test_a_flipped_bit_in_the_weights(place: int, tmp_path: Path, assembler: PolicyEnvInterface) -> None:
    path = published(tmp_path, assembler)
    sha256 = file_sha256(path)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    error = refused(path, CheckpointError, assembler)
    assert error.expected == f"weights with sha256 {sha256[:16]}…"
    assert error.found == f"{file_sha256(path)[:16]}…"
    assert "damaged" in error.hint


@pytest.mark.parametrize("content", [b"", b"no tensors at all", b"\xff" * 200])
def test_files_that_are_no_safetensors(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="a damaged file"):
        read_weights(path)


def test_half_a_file_is_none(tmp_path: Path, assembler: PolicyEnvInterface) -> None:
    path = published(tmp_path, assembler)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="a damaged file"):
        read_weights(path)


def other_engine(facts: dict[str, Any]) -> None:
    facts["engine"]["mettagrid"] = "0.1.0"


def more_tokens(facts: dict[str, Any]) -> None:
    facts["observation_shape"] = [96, 3]


def fewer_actions(facts: dict[str, Any]) -> None:
    facts["action_names"].pop()


def actions_in_another_order(facts: dict[str, Any]) -> None:
    facts["action_names"][:2] = reversed(facts["action_names"][:2])


def another_tag(facts: dict[str, Any]) -> None:
    facts["tags"][-1] = "type:chest_of_old"


def another_normalization(facts: dict[str, Any]) -> None:
    facts["observation_features"][0] = "0 agent:group / 11"


def smaller_window(facts: dict[str, Any]) -> None:
    facts["egocentric_shape"] = [7, 7]


def another_vibe(facts: dict[str, Any]) -> None:
    facts["vibe_action_names"] = ["change_vibe_old"]


def another_class(facts: dict[str, Any]) -> None:
    facts["policy_class_path"] = LSTM


@pytest.mark.parametrize(
    ("change", "kind", "expected", "found"),
    [
        (other_engine, CheckpointError, "mettagrid 0.1.0", f"mettagrid {engine_stamp()['mettagrid']}"),
        (more_tokens, PolicyError, "the observation shape used in training (96 x 3)", "64 x 3"),
        (fewer_actions, PolicyError, "the action names used in training (", "with 'move_"),
        (actions_in_another_order, PolicyError, "the action names used in training (", "(in another order)"),
        (another_tag, PolicyError, "the tags used in training (", "without 'type:chest_of_old', with '"),
        (another_normalization, PolicyError, "the observation features used in", "with '0 agent:group / 10'"),
        (smaller_window, PolicyError, "the egocentric shape used in training (7 x 7)", "9 x 9"),
        (another_vibe, PolicyError, "the vibe action names used in training (1: change_vibe_old)", "without 'change_v"),
        (another_class, PolicyError, f"the policy class that was trained ({LSTM})", GRID),
    ],
)
def test_models_of_something_else_are_refused(
    change: Callable[[dict[str, Any]], None],
    kind: type[DafError],
    expected: str,
    found: str,
    tmp_path: Path,
    assembler: PolicyEnvInterface,
) -> None:
    path = published(tmp_path, assembler)
    facts = read_json(tmp_path / "model.json")
    trained_with = dict(facts["engine"])
    change(facts)
    write_json(tmp_path / "model.json", facts)
    error = refused(path, kind, assembler, class_path="grid", init_kwargs={"hidden_size": 8})
    assert error.expected.startswith(expected)
    assert found in error.found
    assert str(path) in error.where
    version = "0.1.0" if change is other_engine else trained_with["mettagrid"]
    assert error.hint.startswith(f"trained on mine with cogames {trained_with['cogames']}, mettagrid {version}; ")
    assert error.exit_code == 2


def test_another_torch_or_pufferlib_is_no_other_engine(tmp_path: Path, assembler: PolicyEnvInterface) -> None:
    path = published(tmp_path, assembler)
    facts = read_json(tmp_path / "model.json")
    facts["engine"] |= {"torch": "1.0", "pufferlib-core": "not installed"}
    write_json(tmp_path / "model.json", facts)
    assert weights_of(PolicyConfig(data_path=path), assembler)


def test_a_model_does_not_play_another_mission(tmp_path: Path, assembler: PolicyEnvInterface) -> None:
    path = published(tmp_path, assembler)
    error = refused(path, PolicyError, interface_of("training_facility_1"))
    assert error.found == "128 x 3"
    error = refused(path, PolicyError, assembler.model_copy(update={"tags": assembler.tags[1:]}))
    assert error.found.endswith(f"(without '{assembler.tags[0]}')")
    fewer = assembler.model_copy(update={"num_agents": 2})
    assert weights_of(PolicyConfig(data_path=path), fewer)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"\xff\xfe", "UTF-16"),
        (b"[]", "[] (list)"),
        (b"{}", "nothing"),
        (b'{"format_version": 2}', "format 2"),
        (b'{"format_version": 1}', "nothing"),
    ],
)
def test_damaged_descriptions(content: bytes, found: str, tmp_path: Path, assembler: PolicyEnvInterface) -> None:
    path = published(tmp_path, assembler)
    (tmp_path / "model.json").write_bytes(content)
    for config in ({}, {"class_path": "grid", "init_kwargs": {"hidden_size": 8}}):
        error = refused(path, CheckpointError, assembler, **config)
        assert found in error.found
        assert error.where.partition(": ")[0] == str(tmp_path / "model.json")


def test_an_edited_recipe_is_noticed(tmp_path: Path, assembler: PolicyEnvInterface) -> None:
    path = published(tmp_path, assembler)
    facts = read_json(tmp_path / "model.json")
    facts["recipe"]["seed"] = 8
    write_json(tmp_path / "model.json", facts)
    assert "digest" in refused(path, CheckpointError, assembler).expected


# ---- code in weights --------------------------------------------------------------------------------------------


class Bomb:
    """Creates a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def as_torch(value: Any, path: Path) -> None:
    torch.save({"weight": value}, path)


def as_old_torch(value: Any, path: Path) -> None:
    torch.save({"weight": value}, path, _use_new_zipfile_serialization=False)


def as_pickle(value: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(value))


def as_text_pickle(value: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(value, protocol=0))


@pytest.mark.parametrize("policy", sorted(KWARGS))
@pytest.mark.parametrize(
    ("write", "name"),
    [
        (as_torch, "model.pt"),
        (as_old_torch, "model.pt"),
        (as_pickle, "model.pt"),
        (as_text_pickle, "model.pt"),
        (as_torch, "weights"),
        (as_old_torch, "weights.dat"),
        (as_pickle, "weights.dat"),
        (as_torch, "x.safetensors"),
    ],
)
def test_a_pickle_that_runs_code_does_not_run(
    policy: str,
    write: Callable[[Any, Path], None],
    name: str,
    tmp_path: Path,
    assembler: PolicyEnvInterface,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Even where torch's own protection is switched off, as some people's shells do."""
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    path, mark = tmp_path / name, tmp_path / "it ran"
    write(Bomb(mark), path)
    error = refused(path, CheckpointError, assembler, class_path=policy, init_kwargs=KWARGS[policy])
    assert not mark.exists()
    assert str(path) in error.where
    if write in (as_torch, as_old_torch) and name != "x.safetensors":
        assert error.found == f"a pickle that calls {os.mkdir.__module__}.mkdir"
        assert "state_dict()" in error.hint


CARELESS = """
import torch
from mettagrid.policy.policy import MultiAgentPolicy

class Careless(MultiAgentPolicy):
    def load_policy_data(self, path):
        self.data = torch.load(path, weights_only=False)
"""


def test_a_users_careless_loader_is_protected_too(
    tmp_path: Path, assembler: PolicyEnvInterface, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "careless_policy.py").write_text(CARELESS)
    monkeypatch.syspath_prepend(str(tmp_path))
    path, mark = tmp_path / "w.pt", tmp_path / "it ran"
    as_torch(Bomb(mark), path)
    refused(path, CheckpointError, assembler, class_path="careless_policy.Careless")
    assert not mark.exists()
    torch.save({"weight": torch.ones(2), "epochs": 3}, path)
    config = PolicyConfig(class_path="careless_policy.Careless", data_path=path)
    assert build_policy(resolve_policy(config), assembler).data["epochs"] == 3  # type: ignore[attr-defined]


def test_files_of_a_users_own_format_are_the_classs_business(
    tmp_path: Path, assembler: PolicyEnvInterface, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = CARELESS.replace("Careless", "Text").replace("torch.load(path, weights_only=False)", "open(path).read()")
    (tmp_path / "text_policy.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "rules.json").write_text(json.dumps([1, 2]))
    config = PolicyConfig(class_path="text_policy.Text", data_path=tmp_path / "rules.json")
    assert build_policy(resolve_policy(config), assembler).data == "[1, 2]"  # type: ignore[attr-defined]


# ---- the class that weights and bundles play with ---------------------------------------------------------------


def test_the_class_of_weights_is_the_one_that_their_description_names(
    tmp_path: Path, assembler: PolicyEnvInterface
) -> None:
    weights = published(tmp_path, assembler)
    assert class_path_of(PolicyConfig(data_path=weights)) == GRID
    assert class_path_of(PolicyConfig(class_path="lstm", data_path=weights)) == "lstm"
    (tmp_path / "model.json").write_text("{}")
    assert class_path_of(PolicyConfig(data_path=weights)) is None  # loading them says what is wrong


@pytest.mark.parametrize(
    ("members", "class_path"),
    [
        (("mine.py",), None),
        (("pkg/__init__.py", "mine/__init__.py"), None),
        (("other.py",), "mine.Policy"),
    ],
)
def test_the_class_of_a_bundle_counts_unless_the_bundle_holds_it(
    members: tuple[str, ...], class_path: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "bundle.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("policy_spec.json", '{"class_path": "mine.Policy"}')
        for member in members:
            archive.writestr(member, "")
    assert class_path_of(PolicyConfig(data_path=path)) == class_path
    path.write_bytes(b"no zip")
    assert class_path_of(PolicyConfig(data_path=path)) is None
