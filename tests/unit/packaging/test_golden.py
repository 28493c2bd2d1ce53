"""Golden vectors: a package answers as it did when it was packaged, or is refused with step, agent and both answers."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daf.deployment import PackageResult, daf_deploy_policy, daf_package_policy, daf_validate_deployment
from daf.errors import BadInputError, DeploymentError
from daf.packaging import bundle, isolated_run
from daf.packaging.endpoints import validation_path_of
from daf.packaging.golden import TOLERANCE, GoldenVectors, read_golden, replay, replay_copy
from daf.packaging.manifest import contents, manifest_path_of
from daf.packaging.registry import FolderRegistry
from daf.packaging.sandbox import GuestError
from daf.system.files import file_sha256, write_json
from daf.system.json_files import read_json
from tests.unit.network_source import RECURRENT_NET

MISSION = "tutorial.miner"
POLICIES = (
    RECURRENT_NET
    + '''
import random

from daf.policies import BatchPolicy, NetworkPolicy


class Counter(BatchPolicy):
    """Scripted, stateful, and random with python's own generator."""

    steps = 0

    def step_batch(self, observations, actions):
        self.steps += 1
        actions[:] = 1 + (self.steps + random.randrange(4)) % 4


SCALE = 8.0


class Remembers(NetworkPolicy):
    def make_network(self, info):
        return Net(len(info.action_names))


class Clock(BatchPolicy):
    """Acts by something that no seed fixes."""

    def step_batch(self, observations, actions):
        actions[:] = 1 + int.from_bytes(__import__("os").urandom(4), "big") % 4
'''
)


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("policies")
    name = f"golden_{abs(hash(str(folder)))}"
    (folder / f"{name}.py").write_text(POLICIES)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield name


def changed(package: Path, folder: Path, members: dict[str, bytes]) -> Path:
    """The package with other content under some names, and a manifest that fits."""
    folder.mkdir()
    path = folder / package.name
    with zipfile.ZipFile(package) as archive:
        bundle.write_zip(path, {name: archive.read(name) for name in archive.namelist()} | members)
    content = read_json(manifest_path_of(package))
    content |= {"sha256": file_sha256(path), "size_bytes": path.stat().st_size, "files": contents(path)}
    write_json(manifest_path_of(path), content)
    return path


class HerePlayer:
    """The package's program, in this process: it needs no confinement, since the package is this test's."""

    def __init__(self, package: Path, root: Path) -> None:
        self.package, self.root = package, root
        isolated_run.unpack(package, root)

    def build(self, interface: dict[str, Any], seed: int, *, listen: bool) -> dict[str, Any]:
        order = {"interface": interface, "seed": seed, "max_action_time_ms": 10_000, "listen": listen}
        self.built = isolated_run.Built(order, str(self.package), self.root)
        return self.built.ready()

    def ask(self, ready: dict[str, Any], observations: np.ndarray) -> dict[str, Any]:
        agents = range(len(observations))
        question = {"agents": [*agents], "together": ready["together"], "talk": [[] for _ in agents]}
        return self.built.act(question, observations.tobytes())


def replayed_here(package: Path, root: Path) -> str:
    golden = read_golden(package)
    assert golden is not None
    return replay(golden, HerePlayer(package, root))  # type: ignore[arg-type]


def saved_weights(class_path: str, path: Path, change: float = 0.0) -> bytes:
    """Untrained weights of a network policy; `change` is added to one of the last layer's numbers."""
    import torch

    from daf.engine.missions import resolve_mission
    from daf.engine.policies import build_policy, resolve_policy
    from daf.engine.simulation import SimulationFactory

    torch.manual_seed(3)
    policy = build_policy(resolve_policy(class_path), SimulationFactory(resolve_mission(MISSION).env_config).interface)
    network = policy.network()
    assert network is not None
    with torch.no_grad():
        network.state_dict()["logits.bias"][2] += change
    policy.save_policy_data(str(path))
    return path.read_bytes()


@pytest.fixture(scope="module")
def weights(module: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "w.pt"
    saved_weights(f"{module}.Remembers", path)
    return path


@pytest.fixture(scope="module")
def recurrent(module: str, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> PackageResult:
    folder = tmp_path_factory.mktemp("packages")
    return daf_package_policy(f"{module}.Remembers", weights, folder, "r", mission=MISSION)


# ---- made -----------------------------------------------------------------------------------------------------


def test_the_vectors_are_real_observations_and_the_probabilities_of_a_recurrent_network(
    recurrent: PackageResult, module: str, weights: Path
) -> None:
    """Compared with the network called by hand, whose state goes from step to step."""
    import torch

    from daf.engine.missions import resolve_mission
    from daf.engine.policies import build_policy, resolve_policy
    from daf.engine.simulation import AgentBuffers, SimulationFactory

    golden = read_golden(recurrent.path)
    assert golden is not None
    assert golden.observations.shape == (8, 4, 500, 3)
    factory = SimulationFactory(resolve_mission(MISSION).env_config)
    buffers = AgentBuffers.zeros(4, (500, 3))
    factory.build(0, buffers)
    assert (golden.observations[0] == buffers.observations).all()
    assert len({step.tobytes() for step in golden.observations}) == 8  # something happens in between
    policy = build_policy(resolve_policy(f"{module}.Remembers"), factory.interface)
    policy.load_policy_data(str(weights))
    network, state = policy.network().inner, torch.zeros(4, 8)  # type: ignore[union-attr]
    for seen, expected in zip(golden.observations, golden.probabilities, strict=True):  # type: ignore[arg-type]
        with torch.no_grad():
            logits, _, state = network(torch.from_numpy(seen), state)
        assert np.allclose(logits.softmax(dim=1).numpy(), expected, atol=2e-6)


def test_the_same_package_has_the_same_vectors(
    recurrent: PackageResult, module: str, weights: Path, tmp_path: Path
) -> None:
    again = daf_package_policy(f"{module}.Remembers", weights, tmp_path / "again", "r", mission=MISSION)
    assert again.path.read_bytes() == recurrent.path.read_bytes()


def test_a_policy_that_no_seed_fixes_has_no_vectors(
    module: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    package = daf_package_policy(f"{module}.Clock", None, tmp_path / "out", mission=MISSION)
    assert bundle.GOLDEN_NAME not in package.manifest.files
    assert "acts differently each time" in caplog.text
    assert read_golden(package.path) is None


# ---- replayed -------------------------------------------------------------------------------------------------


def test_an_unchanged_package_answers_as_before(recurrent: PackageResult, module: str, tmp_path: Path) -> None:
    assert replayed_here(recurrent.path, tmp_path / "root") == ""
    scripted = daf_package_policy(f"{module}.Counter", None, tmp_path / "out", "c", mission=MISSION)
    golden = read_golden(scripted.path)
    assert golden is not None
    assert golden.actions is not None
    assert len({json.dumps(step) for step in golden.actions}) > 1
    assert replayed_here(scripted.path, tmp_path / "root2") == ""


def test_other_weights_are_found_out(recurrent: PackageResult, module: str, tmp_path: Path) -> None:
    weights = saved_weights(f"{module}.Remembers", tmp_path / "w2.pt", change=0.01)
    other = changed(recurrent.path, tmp_path / "changed", {"weights.pt": weights})
    found = replayed_here(other, tmp_path / "root")
    assert found.startswith("step 0, agent 0: expected move_")
    assert "with probability 0." in found


def test_other_code_is_found_out(recurrent: PackageResult, module: str, tmp_path: Path) -> None:
    """Also if only the recurrence differs, which the first step does not show."""
    with zipfile.ZipFile(recurrent.path) as archive:
        name = next(name for name in archive.namelist() if name.startswith("golden_") and name.endswith(".py"))
        code = archive.read(name).decode()
    other = code.replace("mean(dim=1), state)", "mean(dim=1), None)").replace(module, f"{module}x")
    spec = {
        f"{module}x.py": other.encode(),
        bundle.SPEC_NAME: bundle.policy_spec(f"{module}x.Remembers", "weights.pt", {}),
    }
    found = replayed_here(changed(recurrent.path, tmp_path / "changed", spec), tmp_path / "root")
    assert found.startswith("step 1, agent 0: expected ")


def vectors(**values: Any) -> GoldenVectors:
    """Two agents, one step, two actions."""
    content: dict[str, Any] = {
        "interface": {}, "action_names": ["noop", "move"], "seed": 0, "tolerance": TOLERANCE,
        "observations": np.zeros((1, 2, 1, 3), np.uint8), "probabilities": np.array([[[0.25, 0.75], [0.5, 0.5]]]),
        "actions": None,
    }  # fmt: skip
    return GoldenVectors(**(content | values))


class Says:
    def __init__(self, **answer: Any) -> None:
        self.answer = answer

    def build(self, *_: Any, **__: Any) -> dict[str, Any]:
        return {}

    def ask(self, *_: Any) -> dict[str, Any]:
        return self.answer


@pytest.mark.parametrize(("rows", "found"), [
    ([[0.25, 0.75], [0.5, 0.5]], ""),
    ([[0.25, 0.75], [0.50009, 0.49991]], ""),
    ([[0.25, 0.75], [0.5002, 0.4998]],
     "step 0, agent 1: expected noop with probability 0.500000, found 0.500200"),
    ([[0.25, float("nan")], [0.5, 0.5]], "step 0, agent 0: expected move with probability 0.750000, found nan"),
    ([[0.25, 0.75], [1.0]], "step 0, agent 1: expected 2 probabilities, found 1"),
    ([], "step 0, all agents: expected the network's answer to 2 of them, found 0"),
])  # fmt: skip
def test_probabilities_are_compared_within_the_tolerance(rows: list[list[float]], found: str) -> None:
    assert replay(vectors(), Says(actions=[], probabilities=rows)) == found  # type: ignore[arg-type]


@pytest.mark.parametrize(("chosen", "found"), [
    ([["noop", None, None], ["move", "heart", None]], ""),
    ([["noop", None, None], ["move", None, None]], "step 0, agent 1: expected move with heart, found move"),
    ([["noop", None, None]], "step 0, all agents: expected 2 actions, found 1"),
])  # fmt: skip
def test_actions_are_compared_exactly(chosen: list[list[str | None]], found: str) -> None:
    golden = vectors(probabilities=None, actions=[[["noop", None, None], ["move", "heart", None]]])
    assert replay(golden, Says(actions=chosen)) == found  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [
    {"observations": ["AAAA"]}, {"observations": ["not base64!"] * 8}, {"num_tokens": 3}, {"tolerance": 0.5},
    {"action_names": ["noop"]}, {"probabilities": None},
])  # fmt: skip
def test_damaged_vectors_are_refused(change: dict[str, Any], recurrent: PackageResult, tmp_path: Path) -> None:
    with zipfile.ZipFile(recurrent.path) as archive:
        content = json.loads(archive.read(bundle.GOLDEN_NAME)) | change
    other = changed(recurrent.path, tmp_path / "changed", {bundle.GOLDEN_NAME: bundle.json_bytes(content)})
    with pytest.raises(BadInputError) as caught:
        read_golden(other)
    assert bundle.GOLDEN_NAME in caught.value.where
    with pytest.raises(DeploymentError, match="package the policy again"):
        replay_copy(other)


# ---- where it counts ------------------------------------------------------------------------------------------


def test_vectors_that_would_fill_the_memory_are_refused_unfilled(tmp_path: Path) -> None:
    """Each observation has one token in the file, and a hundred thousand of them in memory."""
    agents = 500
    content = {
        "format": "daf-golden-vectors/1", "mission": MISSION, "seed": 0, "stride": 1, "tolerance": TOLERANCE,
        "action_names": ["noop"], "interface": {}, "num_tokens": 100_000, "observations": ["AAAA" * agents] * 8,
        "probabilities": [[[1.0]] * agents] * 8, "actions": None,
    }  # fmt: skip
    bundle.write_zip(tmp_path / "p.zip", {bundle.GOLDEN_NAME: json.dumps(content).encode()})
    with pytest.raises(BadInputError, match="1,200,000,000 bytes"):
        read_golden(tmp_path / "p.zip")
    bundle.write_zip(tmp_path / "p.zip", {bundle.GOLDEN_NAME: json.dumps(content | {"num_tokens": 4}).encode()})
    vectors = read_golden(tmp_path / "p.zip")
    assert vectors is not None
    assert vectors.observations.shape == (8, agents, 4, 3)


@pytest.mark.slow
def test_a_deployed_copy_that_answers_differently_is_refused(
    recurrent: PackageResult, module: str, tmp_path: Path
) -> None:
    """In the confined process."""
    weights = saved_weights(f"{module}.Remembers", tmp_path / "w2.pt", change=0.01)
    other = changed(recurrent.path, tmp_path / "changed", {"weights.pt": weights})
    with pytest.raises(DeploymentError, match="step 0, agent 0: expected move_") as caught:
        replay_copy(other)
    assert caught.value.where == f"{other}: golden_vectors.json"


@pytest.mark.long
def test_a_package_that_answers_differently_is_neither_valid_nor_deployed(
    recurrent: PackageResult, module: str, tmp_path: Path
) -> None:
    """In the confined process, at validation, and when the deployed copy is about to serve."""
    registry = tmp_path / "registry"
    result = daf_validate_deployment(recurrent.path, MISSION, steps=4)
    assert [check.found for check in result.checks if check.name == "golden vectors"] == [
        "action probabilities of 4 agents in 8 steps"
    ]
    deployed = daf_deploy_policy(recurrent.path, registry, validate=result)
    evidence = {"golden_vectors": "action probabilities of 4 agents in 8 steps"}
    assert deployed.details == {"evidence": evidence}
    (event,) = FolderRegistry(registry).history("r")
    assert event["evidence"] == evidence

    weights = saved_weights(f"{module}.Remembers", tmp_path / "w2.pt", change=0.01)
    content = read_json(manifest_path_of(recurrent.path))
    with zipfile.ZipFile(recurrent.path) as archive:
        metadata = json.loads(archive.read(bundle.METADATA_NAME)) | {"version": "0.2.0"}
        statement = json.loads(archive.read(bundle.STATEMENT_NAME))
    members = {"weights.pt": weights, bundle.METADATA_NAME: bundle.json_bytes(metadata)}
    for subject in statement["subject"]:
        if subject["name"] in members:
            subject["digest"]["sha256"] = hashlib.sha256(members[subject["name"]]).hexdigest()
    members[bundle.STATEMENT_NAME] = bundle.json_bytes(statement)
    other = changed(recurrent.path, tmp_path / "changed", members)
    content = read_json(manifest_path_of(other)) | {"version": "0.2.0"}
    write_json(manifest_path_of(other), content)
    result = daf_validate_deployment(other, MISSION, steps=4)
    assert len(result.problems) == 1
    assert result.problems[0].startswith("golden vectors: step 0, agent 0: expected move_")
    write_json(validation_path_of(other), {"is_valid": True, "sha256": result.sha256})
    with pytest.raises(DeploymentError, match="step 0, agent 0: expected move_"):
        daf_deploy_policy(other, registry, validate=False)
    assert FolderRegistry(registry).current("r")["version"] == "0.1.0"  # type: ignore[index]


def test_a_network_that_is_not_asked_is_found_out(recurrent: PackageResult, tmp_path: Path) -> None:
    """A process that fails is the package's fault, too."""
    golden = read_golden(recurrent.path)
    assert golden is not None
    with pytest.raises(TypeError, match="no network"):
        isolated_run.listen(None)

    class Fails(Says):
        def build(self, *_: Any, **__: Any) -> dict[str, Any]:
            raise GuestError("lost")

    with pytest.raises(GuestError, match="lost"):
        replay(replace(golden, seed=1), Fails())  # type: ignore[arg-type]
