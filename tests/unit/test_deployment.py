"""Packages hold what they say, play where DAF is unknown, and travel to registries and servers."""

import io
import json
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from daf.deployment import (
    PackageOptions,
    PackageResult,
    daf_deploy_policy,
    daf_package_policy,
    daf_rollback_deployment,
    daf_validate_deployment,
)
from daf.errors import BadInputError, CheckpointError, DeploymentError, PolicyError
from daf.packaging.endpoints import open_endpoint, validation_path_of
from daf.packaging.manifest import Manifest, contents, manifest_path_of, read_manifest
from daf.packaging.registry import FolderRegistry
from daf.packaging.source import collect_source
from daf.system.files import file_sha256, write_json
from tests.stages import others_long
from tests.unit.network_source import RECURRENT_NET

MISSION = "tutorial.miner"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Untrained weights of the built-in lstm for the mission."""
    import torch
    from mettagrid.policy.lstm import LSTMPolicy

    from daf.engine.missions import resolve_mission
    from daf.engine.simulation import SimulationFactory

    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("checkpoints") / "best_model.pt"
    interface = SimulationFactory(resolve_mission(MISSION).env_config).interface
    LSTMPolicy(interface).save_policy_data(str(path))
    return path


@pytest.fixture(scope="module")
def package(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> PackageResult:
    return daf_package_policy(
        policy_class_path="lstm", weights_path=weights, output_dir=tmp_path_factory.mktemp("packages"), mission=MISSION
    )


@pytest.fixture(scope="module", params=others_long(["grid", "lstm"], "lstm"))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as a training publishes it."""
    from daf.config import Hyperparameters, MissionConfig, PolicyConfig
    from daf.config.recipes import MissionRecipe, TrainingRecipe
    from daf.engine.missions import resolve_mission
    from daf.engine.model_files import save_model
    from daf.engine.policies import build_policy, resolve_policy
    from daf.engine.simulation import SimulationFactory

    init_kwargs = {"hidden_size": 8} if request.param == "grid" else {}
    resolved = resolve_policy(PolicyConfig(class_path=request.param, init_kwargs=init_kwargs))
    interface = SimulationFactory(resolve_mission(MISSION).env_config).interface
    network = build_policy(resolved, interface).network()
    assert network is not None
    recipe = TrainingRecipe(
        mission=MissionRecipe(name="mine", config=MissionConfig(source=MISSION), sha256=None),
        policy_class_path=request.param, init_kwargs=init_kwargs, hyperparameters=Hyperparameters(), num_steps=1,
        seed=7, world_size=1,
    )  # fmt: skip
    return save_model(
        tmp_path_factory.mktemp("model"), network.state_dict(), recipe=recipe, policy_class_path=resolved.class_path,
        interface=interface, agent_steps=1,
    )  # fmt: skip


def starter(folder: Path, version: str, description: str = "") -> Path:
    return daf_package_policy(
        "starter", None, folder, version=version, options=PackageOptions(description=description)
    ).path


def test_the_contents_of_a_package(package: PackageResult, weights: Path) -> None:
    assert package.path.name == "lstm-0.1.0.zip"
    assert package.manifest_path.name == "lstm-0.1.0.manifest.json"
    with zipfile.ZipFile(package.path) as archive:
        assert archive.namelist() == sorted(archive.namelist())
        members = {name: archive.read(name) for name in archive.namelist()}
    assert sorted(members) == [
        "README.md", "VERSION", "golden_vectors.json", "lineage.json", "metadata.json", "policy_spec.json",
        "provenance.intoto.json", "requirements.lock", "requirements.txt", "sbom.cdx.json", "weights.pt",
    ]  # fmt: skip
    assert json.loads(members["policy_spec.json"]) == {
        "class_path": "mettagrid.policy.lstm.LSTMPolicy",
        "data_path": "weights.pt",
        "init_kwargs": {},
        "setup_script": None,
    }
    assert members["weights.pt"] == weights.read_bytes()
    assert "mettagrid==" in members["requirements.txt"].decode()
    assert "500 × 3" in members["README.md"].decode()
    manifest = package.manifest
    assert manifest.sha256 == package.sha256 == file_sha256(package.path)
    assert manifest.observation_shape == [500, 3]
    assert manifest.action_names == ["noop", "move_north", "move_south", "move_west", "move_east"]
    assert manifest.files == contents(package.path)


@pytest.mark.slow
@pytest.mark.parametrize("mission", [MISSION, pytest.param("training_facility_1", marks=pytest.mark.long)])
def test_the_commands_of_the_readme_play_with_the_installed_command(mission: str, tmp_path: Path) -> None:
    path = daf_package_policy("starter", None, tmp_path, mission=mission).path
    with zipfile.ZipFile(path) as archive:
        text = archive.read("README.md").decode()
    commands = text.partition("```sh\n")[2].partition("\n```")[0].splitlines()
    assert commands[-1].startswith("cogames run -m ")
    assert len(commands) == (2 if mission == "training_facility_1" else 1)
    for command in commands:
        limits = " -e 1 -s 5" if command.startswith("cogames") else ""
        done = subprocess.run(
            command + limits, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "Average Per-Agent Reward" in done.stdout


@pytest.mark.long
@pytest.mark.parametrize("model", ["grid"], indirect=True)
def test_the_installed_command_loads_the_weights_of_a_package_and_plays(model: Path, tmp_path: Path) -> None:
    """A trained model in the form that CoGames loads: without one of its tensors, the same command fails."""
    import torch

    from daf.engine.model_files import load_model_description
    from daf.packaging import bundle

    described = load_model_description(model.with_name("model.json"))
    made = daf_package_policy(described.policy_class_path, model, tmp_path, "p", init_kwargs=described.init_kwargs)
    with zipfile.ZipFile(made.path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    weights = torch.load(io.BytesIO(members["weights.pt"]), weights_only=True)
    name = next(iter(weights))
    torch.save({key: value for key, value in weights.items() if key != name}, tmp_path / "partial.pt")
    bundle.write_zip(tmp_path / "damaged.zip", members | {"weights.pt": (tmp_path / "partial.pt").read_bytes()})
    done = []
    for zip_name in (made.path.name, "damaged.zip"):
        command = f"cogames run -m {MISSION} -p file://$PWD/{zip_name} -e 1 -s 5"
        done.append(
            subprocess.run(
                command, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False
            )
        )  # fmt: skip
    played, refused = done
    assert played.returncode == 0, played.stdout + played.stderr
    assert "Average Per-Agent Reward" in played.stdout
    assert refused.returncode != 0
    assert name in refused.stdout + refused.stderr


def test_the_same_inputs_give_the_same_bytes(package: PackageResult, weights: Path, tmp_path: Path) -> None:
    again = daf_package_policy("lstm", weights, tmp_path, mission=MISSION)
    assert again.path.read_bytes() == package.path.read_bytes()
    other = daf_package_policy("lstm", weights, tmp_path, mission=MISSION, options=PackageOptions(description="other"))
    assert other.sha256 != package.sha256


def test_a_package_plays_in_a_process_without_daf(package: PackageResult) -> None:
    result = daf_validate_deployment(package.path, MISSION, steps=8)
    assert result.is_valid, result.problems
    assert len(result.rewards) == 4
    assert [check.name for check in result.checks][:3] == ["archive", "manifest", "play"]


OWN_POLICY = """
from mettagrid.policy.policy import AgentPolicy, MultiAgentPolicy
from mettagrid.simulator import Action
{imports}

class Walker(AgentPolicy):
    def step(self, obs):
        return Action(name={name})

class Mine(MultiAgentPolicy):
    def agent_policy(self, agent_id):
        return Walker(self.policy_env_info)
"""


def test_a_users_single_module_travels_under_a_name_of_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "walkers.py").write_text(OWN_POLICY.format(imports="", name="'move_east'"))
    monkeypatch.syspath_prepend(tmp_path)
    source = collect_source("walkers.Mine")
    assert len(source.files) == 1
    (name,) = source.files
    assert name.startswith("walkers_")
    assert source.class_path == name.removesuffix(".py") + ".Mine"
    with pytest.raises(PolicyError, match="a policy of one agent"):
        daf_package_policy("walkers.Walker", output_dir=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_users_package_travels_whole_and_plays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "src" / "my_team" / "brains"
    home.mkdir(parents=True)
    for folder in (home, home.parent):
        (folder / "__init__.py").write_text("")
    (home / "walk.py").write_text(OWN_POLICY.format(imports="from ..moves import MOVE", name="MOVE"))
    (home.parent / "moves.py").write_text("import json\nfrom my_team import names\nMOVE = names.EAST\n")
    (home.parent / "names.py").write_text("EAST = 'move_east'\n")
    (home.parent / "unrelated.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path / "src")
    made = daf_package_policy("my_team.brains.walk.Mine", output_dir=tmp_path / "out", name="team")
    assert {name for name in made.manifest.files if name.endswith(".py")} == {
        "my_team/__init__.py", "my_team/brains/__init__.py", "my_team/brains/walk.py", "my_team/moves.py",
        "my_team/names.py",
    }  # fmt: skip
    result = daf_validate_deployment(made.path, MISSION, steps=4)
    assert result.is_valid, result.problems


USERS = (
    RECURRENT_NET
    + """
from daf.policies import BatchPolicy, NetworkPolicy


class Wanderer(BatchPolicy):
    steps = 0

    def step_batch(self, observations, actions):
        assert len(observations) == self.policy_env_info.num_agents  # one call per step for all agents
        print("stepping")
        self.steps += 1
        actions[:] = 1 + self.steps // 3 % 4


class Learner(NetworkPolicy):
    def make_network(self, info):
        return Net(len(info.action_names))


class Quits(Wanderer):
    def step_batch(self, observations, actions):
        print("\\udcff cannot be decoded".encode("utf-8", "surrogatepass"), flush=True)
        raise SystemExit(0)
"""
)


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"users_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{name}.py").write_text(USERS)
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.mark.slow
def test_policies_of_dafs_base_classes_play_without_daf(users: str, tmp_path: Path) -> None:
    """The bundle includes the page and what it imports, not the rest of DAF; a recurrent network has its weights."""
    from daf.engine.missions import resolve_mission
    from daf.engine.policies import build_policy, resolve_policy
    from daf.engine.simulation import SimulationFactory

    interface = SimulationFactory(resolve_mission(MISSION).env_config).interface
    weights = tmp_path / "w.pt"
    build_policy(resolve_policy(f"{users}.Learner"), interface).save_policy_data(str(weights))
    scripted = daf_package_policy(f"{users}.Wanderer", None, tmp_path / "out", "wanderer", mission=MISSION)
    trained = daf_package_policy(f"{users}.Learner", weights, tmp_path / "out", "learner", mission=MISSION)
    for package in (scripted, trained):
        python = {name for name in package.manifest.files if name.endswith(".py")}
        assert python == {
            "daf/__init__.py", "daf/engine/__init__.py", "daf/engine/network_policy.py", "daf/engine/root_logger.py",
            "daf/errors.py", "daf/policies.py", "daf/system/__init__.py", "daf/system/arguments.py",
            "daf/system/checks.py", "daf/system/notebooks.py", "daf/system/nouns.py", "daf/system/progress.py",
            "daf/system/shown.py",
            f"{users}.py",
        }  # fmt: skip
        result = daf_validate_deployment(package.path, MISSION, steps=12)
        assert result.is_valid, result.problems


@pytest.mark.slow
def test_a_package_that_ends_the_process_is_invalid(users: str, tmp_path: Path) -> None:
    package = daf_package_policy(f"{users}.Quits", None, tmp_path / "out", "quits", mission=MISSION)
    result = daf_validate_deployment(package.path, MISSION, steps=4)
    assert "SystemExit: 0" in result.problems[0]
    assert f"{users}.py:" in result.problems[0]


def test_a_policy_without_the_interface_of_agents_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"agent_policy\(agent_id\)") as caught:
        daf_package_policy("tests.unit.engine.broken_policies.OnlyBatch", None, tmp_path / "out", mission=MISSION)
    assert "BatchPolicy" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_dafs_own_policy_travels_without_daf() -> None:
    source = collect_source("daf.engine.grid_policy.GridPolicy")
    assert len(source.files) == 1
    assert source.class_path.startswith("grid_policy_")
    assert set(source.packages) >= {"torch", "numpy", "mettagrid"}


@pytest.mark.slow
def test_a_bundle_that_needs_daf_is_found_out(tmp_path: Path) -> None:
    """Even where DAF is installed: the fresh process refuses it."""
    from daf.packaging import bundle

    path = tmp_path / "leaky-0.1.0.zip"
    text = OWN_POLICY.format(imports="import daf.errors", name="'noop'").encode()
    bundle.write_zip(path, {"leaky.py": text, bundle.SPEC_NAME: bundle.policy_spec("leaky.Mine", None, {})})
    write_manifest(path, "leaky", "0.1.0")
    result = daf_validate_deployment(path, MISSION, steps=2)
    assert not result.is_valid
    assert "imports DAF" in result.problems[0]


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ({"policy_class_path": "lstm", "weights_path": "nowhere.pt"}, CheckpointError, "no such file"),
    ({"policy_class_path": "lstmm"}, PolicyError, "did you mean 'lstm'"),
    ({"policy_class_path": "pathlib.Path"}, PolicyError, "subclass of MultiAgentPolicy"),
    ({"policy_class_path": "starter", "version": "1.0"}, BadInputError, "three numbers"),
    ({"policy_class_path": "starter", "name": "../x"}, BadInputError, "letters"),
    ({"policy_class_path": "starter", "options": PackageOptions(include=["no.txt"])}, BadInputError, r"no\.txt"),
])  # fmt: skip
def test_nothing_is_written_for_bad_input(
    tmp_path: Path, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        daf_package_policy(output_dir=tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_weights_of_another_network_are_refused(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="trained on another mission"):
        daf_package_policy("grid", weights, tmp_path / "out", mission=MISSION)
    (tmp_path / "broken.pt").write_bytes(b"not weights")
    with pytest.raises(CheckpointError, match="a damaged file"):
        daf_package_policy("lstm", tmp_path / "broken.pt", tmp_path / "out", mission=MISSION)
    assert not (tmp_path / "out").exists()


def test_a_trained_model_is_packaged_for_cogames_and_plays_there(model: Path, tmp_path: Path) -> None:
    """With nothing but its files: the description has class, mission and provenance."""
    import torch

    from daf.engine.model_files import load_model_description, read_weights

    described = load_model_description(model.with_name("model.json"))
    made = [
        daf_package_policy(described.policy_class_path, model, tmp_path / name, "p", init_kwargs=described.init_kwargs)
        for name in "ab"
    ]
    assert made[0].path.read_bytes() == made[1].path.read_bytes()
    with zipfile.ZipFile(made[0].path) as archive:
        assert json.loads(archive.read("policy_spec.json"))["data_path"] == "weights.pt"
        packaged = torch.load(io.BytesIO(archive.read("weights.pt")), weights_only=True)
    trained = read_weights(model)
    assert packaged.keys() == trained.keys()
    assert all(torch.equal(packaged[name], trained[name]) for name in trained)
    manifest = made[0].manifest
    assert manifest.recipe_digest == described.recipe_digest
    assert manifest.provenance["seeds"] == {"training": 7}
    assert (manifest.mission, manifest.observation_shape) == (MISSION, [500, 3])
    result = daf_validate_deployment(made[0].path, MISSION, steps=4)
    assert result.is_valid, result.problems


def test_a_trained_model_that_cannot_be_converted_is_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from daf.engine.model_files import load_model_description
    from daf.engine.policies import load_policy_class

    described = load_model_description(model.with_name("model.json"))
    policy_class, arguments = described.policy_class_path, {"init_kwargs": described.init_kwargs}
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(model.read_bytes())
    with pytest.raises(BadInputError, match=r"model\.json"):
        daf_package_policy(policy_class, alone, tmp_path / "out", **arguments)
    with pytest.raises(PolicyError, match="the policy class that was trained"):
        daf_package_policy("stateless", model, tmp_path / "out")
    for name, found in (
        ("load_policy_data", "differs after saving and loading"),
        ("save_policy_data", "saves nothing"),
    ):
        monkeypatch.setattr(load_policy_class(policy_class), name, lambda self, path: None)
        with pytest.raises(PolicyError, match=found):
            daf_package_policy(policy_class, model, tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_damaged_packages_are_invalid_without_playing(package: PackageResult, tmp_path: Path) -> None:
    assert "no such file" in daf_validate_deployment(tmp_path / "no.zip").problems[0]
    (tmp_path / "text.zip").write_text("hello")
    assert not daf_validate_deployment(tmp_path / "text.zip").is_valid
    content = bytearray(package.path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "lstm-0.1.0.zip").write_bytes(content)
    result = daf_validate_deployment(tmp_path / "lstm-0.1.0.zip")
    assert "Bad CRC-32 for file 'weights.pt'" in result.problems[0]


def test_a_package_that_is_not_its_manifests_is_invalid(tmp_path: Path) -> None:
    path = starter(tmp_path, "0.1.0")
    manifest = manifest_path_of(path).read_text()
    starter(tmp_path, "0.1.0", "changed")
    manifest_path_of(path).write_text(manifest)
    result = daf_validate_deployment(path)
    assert "README.md has changed" in result.problems[0]
    with pytest.raises(DeploymentError, match="nothing was sent"):
        daf_deploy_policy(path, tmp_path / "registry")
    write_json(validation_path_of(path), {"is_valid": True, "sha256": read_manifest(path).sha256})
    with pytest.raises(DeploymentError, match="other content"):
        daf_deploy_policy(path, tmp_path / "registry", validate=False)
    assert not (tmp_path / "registry").exists()


# ---- the folder registry ----------------------------------------------------------------------------------


def write_manifest(path: Path, name: str, version: str) -> Manifest:
    manifest = Manifest(
        name=name, version=version, sha256=file_sha256(path), size_bytes=path.stat().st_size, files=contents(path),
        class_path="leaky.Mine", policy="x", init_kwargs={}, engine={}, recipe_digest="0", mission=None,
        observation_shape=None, action_names=None, provenance={}, created="2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    write_json(manifest_path_of(path), manifest.model_dump(mode="json"))
    return manifest


def fake(folder: Path, version: str, content: bytes = b"x") -> Path:
    """A package that is never played."""
    folder.mkdir(exist_ok=True)
    path = folder / f"p-{version}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("policy_spec.json", content)
    manifest = write_manifest(path, "p", version)
    write_json(validation_path_of(path), {"is_valid": True, "sha256": manifest.sha256})
    return path


def test_deploying_and_rolling_back(tmp_path: Path) -> None:
    registry, folder = FolderRegistry(tmp_path / "registry"), tmp_path / "packages"
    for version in ("0.1.0", "0.2.0", "0.3.0"):
        made = fake(folder, version)
        deployed = daf_deploy_policy(made, tmp_path / "registry", validate=False)
        assert Path(deployed.location).read_bytes() == made.read_bytes()
    daf_deploy_policy(made, tmp_path / "registry", validate=False)  # again: no event
    assert len(registry.history("p")) == 3

    assert daf_rollback_deployment("p", tmp_path / "registry").version == "0.2.0"
    assert daf_rollback_deployment("p", f"file://{tmp_path}/registry").version == "0.1.0"
    with pytest.raises(DeploymentError, match=r"none before 0\.1\.0"):
        daf_rollback_deployment("p", tmp_path / "registry")
    assert daf_rollback_deployment("p", tmp_path / "registry", "0.3.0").version == "0.3.0"
    assert daf_rollback_deployment("p", tmp_path / "registry").version == "0.1.0"
    assert registry.current("p")["version"] == "0.1.0"  # type: ignore[index]
    assert registry.versions("p") == ["0.1.0", "0.2.0", "0.3.0"]
    assert [event["action"] for event in registry.history("p")] == ["deploy"] * 3 + ["rollback"] * 4


def test_a_version_never_changes(tmp_path: Path) -> None:
    daf_deploy_policy(fake(tmp_path / "a", "0.1.0", b"first"), tmp_path / "registry", validate=False)
    with pytest.raises(DeploymentError, match="give the package a new version"):
        daf_deploy_policy(fake(tmp_path / "b", "0.1.0", b"second"), tmp_path / "registry", validate=False)
    stored = tmp_path / "registry" / "p" / "0.1.0" / "p-0.1.0.zip"
    assert stored.read_bytes() == (tmp_path / "a" / "p-0.1.0.zip").read_bytes()


def test_a_rollback_to_nothing_or_to_a_changed_file_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "registry"
    with pytest.raises(DeploymentError, match="nothing is deployed here"):
        daf_rollback_deployment("p", home)
    for version in ("0.1.0", "0.2.0"):
        daf_deploy_policy(fake(tmp_path / "a", version), home, validate=False)
    with pytest.raises(DeploymentError, match=r"did you mean '0\.1\.0'"):
        daf_rollback_deployment("p", home, "0.1.1")
    (home / "p" / "0.1.0" / "p-0.1.0.zip").write_bytes(b"tampered")
    with pytest.raises(DeploymentError, match="other content"):
        daf_rollback_deployment("p", home)
    assert FolderRegistry(home).current("p")["version"] == "0.2.0"  # type: ignore[index]


def test_a_crash_before_the_pointer_moves_is_healed_by_repeating(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "registry"
    daf_deploy_policy(fake(tmp_path / "a", "0.1.0"), home, validate=False)
    second = fake(tmp_path / "a", "0.2.0")

    def crash(*_: Any) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("daf.packaging.journal.write_json", crash)
        with pytest.raises(DeploymentError, match="disk full"):
            daf_deploy_policy(second, home, validate=False)
    assert FolderRegistry(home).current("p")["version"] == "0.1.0"  # type: ignore[index]
    daf_deploy_policy(second, home, validate=False)
    assert FolderRegistry(home).current("p")["version"] == "0.2.0"  # type: ignore[index]
    assert daf_rollback_deployment("p", home).version == "0.1.0"


# ---- the server -------------------------------------------------------------------------------------------


class Stub(BaseHTTPRequestHandler):
    """What `cogames upload` talks to, as far as DAF uses it."""

    requests: ClassVar[list[tuple[str, str, str | None, bytes]]] = []
    refuse: ClassVar[dict[str, tuple[int, dict[str, str], bytes]]] = {}

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.requests.append((self.command, self.path, self.headers.get("X-Auth-Token"), body))
        base = f"http://127.0.0.1:{self.server.server_port}"  # type: ignore[attr-defined]
        answers: dict[str, Any] = {
            "/tournament/seasons": [{"name": "beta-cvc", "is_default": True}],
            "/tournament/seasons/beta-cvc": {"name": "beta-cvc"},
            "/stats/policies/submit/presigned-url": {"upload_url": f"{base}/storage/abc?sig=1", "upload_id": "u-1"},
            "/stats/policies/submit/complete": {"id": "v-9", "name": "p", "version": 3, "pools": ["q"]},
            "/storage/abc?sig=1": {},
        }
        status, headers, content = self.refuse.get(self.path, (200, {}, json.dumps(answers.get(self.path)).encode()))
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = _answer  # noqa: N815


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("COGAMES_TOKEN", "s3cret-token")
    Stub.requests.clear()
    Stub.refuse.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Stub) as stub:
        thread = threading.Thread(target=stub.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{stub.server_port}"
        stub.shutdown()
        thread.join(5)


def test_the_upload_sequence(server: str, tmp_path: Path) -> None:
    made = fake(tmp_path, "0.1.0")
    deployed = daf_deploy_policy(made, server, season="beta-cvc", validate=False)
    assert (deployed.location, deployed.details) == (
        "v-9", {"server_version": 3, "season": "beta-cvc", "pools": ["q"]},
    )  # fmt: skip
    assert [(method, path) for method, path, _, _ in Stub.requests] == [
        ("GET", "/tournament/seasons"),
        ("GET", "/tournament/seasons/beta-cvc"),
        ("POST", "/stats/policies/submit/presigned-url"),
        ("PUT", "/storage/abc?sig=1"),
        ("POST", "/stats/policies/submit/complete"),
    ]
    assert [token for *_, token, _ in Stub.requests] == ["s3cret-token"] * 3 + [None, "s3cret-token"]
    assert Stub.requests[3][3] == made.read_bytes()
    assert json.loads(Stub.requests[4][3]) == {"upload_id": "u-1", "name": "p", "season": "beta-cvc"}


def test_without_a_season_none_is_entered(server: str, tmp_path: Path) -> None:
    daf_deploy_policy(fake(tmp_path, "0.1.0"), server, name="other", validate=False)
    assert len(Stub.requests) == 3
    assert json.loads(Stub.requests[2][3]) == {"upload_id": "u-1", "name": "other"}


def test_an_unknown_season_uploads_nothing(server: str, tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match="did you mean 'beta-cvc'"):
        daf_deploy_policy(fake(tmp_path, "0.1.0"), server, season="beta-cv", validate=False)
    assert [path for _, path, _, _ in Stub.requests] == ["/tournament/seasons"]


def test_refusals_show_status_detail_and_hint_but_no_secret(server: str, tmp_path: Path) -> None:
    path = "/stats/policies/submit/presigned-url"
    Stub.refuse[path] = (401, {}, b'{"detail": "bad token s3cret-token"}')
    with pytest.raises(DeploymentError) as caught:
        daf_deploy_policy(fake(tmp_path, "0.1.0"), server, validate=False)
    assert "status 401: bad token ***" in str(caught.value)
    assert "has expired" in caught.value.hint
    Stub.refuse = {"/storage/abc?sig=1": (403, {}, b"")}
    with pytest.raises(DeploymentError) as caught:
        daf_deploy_policy(fake(tmp_path, "0.1.0"), server, validate=False)
    assert "sig=1" not in str(caught.value)
    assert [path for _, path, _, _ in Stub.requests][-1] == "/storage/abc?sig=1"  # not completed


def test_redirects_are_not_followed(server: str, tmp_path: Path) -> None:
    Stub.refuse["/stats/policies/submit/presigned-url"] = (302, {"Location": f"{server}/elsewhere"}, b"")
    with pytest.raises(DeploymentError, match="status 302"):
        daf_deploy_policy(fake(tmp_path, "0.1.0"), server, validate=False)
    assert len(Stub.requests) == 1


def test_servers_need_a_token_and_cannot_roll_back(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DeploymentError, match="deploy the earlier package again"):
        daf_rollback_deployment("p", server)
    monkeypatch.delenv("COGAMES_TOKEN")
    with pytest.raises(DeploymentError, match="a token in COGAMES_TOKEN"):
        daf_deploy_policy(fake(tmp_path, "0.1.0"), server, validate=False)
    assert Stub.requests == []


@pytest.mark.parametrize(
    "address", ["http://example.org", "https://user:pw@example.org", "s3://bucket/x", "folder:out/registry"]
)
def test_addresses_that_would_leak_or_mean_nothing(address: str) -> None:
    with pytest.raises(BadInputError) as caught:
        open_endpoint(address)
    assert "pw" not in str(caught.value)


def test_a_dead_server_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daf.packaging.http_client._FIRST_PAUSE_S", 0.0)
    monkeypatch.setenv("COGAMES_TOKEN", "x")
    with pytest.raises(DeploymentError, match="is the address right"):
        daf_deploy_policy(fake(tmp_path, "0.1.0"), "http://127.0.0.1:1", validate=False)
