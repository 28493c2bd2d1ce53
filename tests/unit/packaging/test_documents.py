"""A package's documents tell the truth: each is read back with the field's library, and compared with its source."""

import csv
import hashlib
import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from huggingface_hub.repocard import ModelCard
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from scipy.stats import binomtest

from daf.config import DAFComparisonConfig, Hyperparameters, MissionConfig, PolicyConfig
from daf.config.licenses import shipped_licenses
from daf.config.recipes import MissionRecipe, TrainingRecipe
from daf.deployment import PackageOptions, PackageResult, daf_package_policy
from daf.errors import BadInputError
from daf.packaging.bundle import write_zip
from daf.packaging.dependencies import closure
from daf.packaging.findings import findings
from daf.packaging.inspection import inspect
from daf.packaging.manifest import contents, manifest_path_of
from daf.statistics.comparison import compare_episodes
from daf.statistics.intervals import mean_interval
from daf.statistics.results import ComparisonResults
from daf.system.files import file_sha256, write_json
from daf.training.outcome import TrainingOutcome, write_run_record

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[3]
MISSION = "tutorial.miner"
RECIPE = TrainingRecipe(
    mission=MissionRecipe(name="mine", config=MissionConfig(source=MISSION), sha256=None), policy_class_path="grid",
    init_kwargs={"hidden_size": 8}, hyperparameters=Hyperparameters(learning_rate=0.004), num_steps=50, seed=7,
    world_size=2,
)  # fmt: skip


def compared(seeds: tuple[int, ...]) -> ComparisonResults:
    """Two missions, eight episodes; `mine` has these training seeds, `other` has none."""
    rng, rows = np.random.default_rng(3), []
    for mission in ("mine", "far"):
        for policy, train_seeds in (("mine", seeds), ("other", (None,))):
            for train_seed in train_seeds:
                rows += [
                    {
                        "policy": policy, "checkpoint": f"{policy}-{train_seed}", "train_seed": train_seed,
                        "mission": mission, "env_seed": env_seed, "success": env_seed % 2 == 0, "timeouts": 0,
                        "mean_reward": float(rng.normal(2.0 if policy == "mine" else 1.0) + (train_seed or 0) / 10),
                    }
                    for env_seed in range(8)
                ]  # fmt: skip
    config = DAFComparisonConfig(policies=["mine", "other"], missions=["mine", "far"], num_resamples=200)
    return compare_episodes(pd.DataFrame(rows), config)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as a training publishes it, with the records of its training and sweep."""
    from daf.engine.missions import resolve_mission
    from daf.engine.model_files import save_model
    from daf.engine.policies import build_policy, resolve_policy
    from daf.engine.simulation import SimulationFactory

    folder = tmp_path_factory.mktemp("model")
    resolved = resolve_policy(PolicyConfig(class_path="grid", init_kwargs=RECIPE.init_kwargs))
    interface = SimulationFactory(resolve_mission(MISSION).env_config).interface
    network = build_policy(resolved, interface).network()
    assert network is not None
    processes = {"world_size": 2, "ranks": [{"name": "cpu", "host": "here"}, {"name": "cpu", "host": "there"}]}
    outcome = TrainingOutcome(status="completed", agent_steps=64, seconds=2.0, processes=processes)
    write_run_record(folder, RECIPE, outcome)
    write_json(folder / "best.json", best(0.004))
    return save_model(
        folder, network.state_dict(), recipe=RECIPE, policy_class_path=resolved.class_path, interface=interface,
        agent_steps=64,
    )  # fmt: skip


def best(learning_rate: float) -> dict[str, Any]:
    return {
        "sweep": "knobs", "trial": 3, "hyperparameters": {"learning_rate": learning_rate, "init_kwargs.hidden_size": 8},
        "objective": 1.5, "objective_metric": "mean_reward", "optimize_direction": "maximize", "seed": 11,
        "num_trials": 9, "num_completed": 8, "num_failed": 1, "confirmation": None, "recipe_digest": "ab" * 32,
    }  # fmt: skip


def packaged(model: Path, folder: Path, options: PackageOptions) -> PackageResult:
    return daf_package_policy("grid", model, folder, "mine", init_kwargs=RECIPE.init_kwargs, options=options)


@pytest.fixture(scope="module")
def options(model: Path, tmp_path_factory: pytest.TempPathFactory) -> PackageOptions:
    folder = compared((7,)).write(tmp_path_factory.mktemp("comparison"))
    return PackageOptions(
        comparison=folder / "comparison.json", sweep=model.with_name("best.json"), license="MIT",
        license_holder="A. Nyone", intended_use="To mine | nothing else.", limitations="Afraid of the dark.",
    )  # fmt: skip


@pytest.fixture(scope="module")
def package(model: Path, options: PackageOptions, tmp_path_factory: pytest.TempPathFactory) -> PackageResult:
    return packaged(model, tmp_path_factory.mktemp("package"), options)


@pytest.fixture(scope="module")
def members(package: PackageResult) -> dict[str, bytes]:
    with zipfile.ZipFile(package.path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_with_all_documents_too_the_same_inputs_give_the_same_bytes(
    model: Path, options: PackageOptions, package: PackageResult, tmp_path: Path
) -> None:
    again = packaged(model, tmp_path, replace(options, comparison=compared((7,))))
    assert again.path.read_bytes() == package.path.read_bytes()
    assert all(check.status == "ok" for check in inspect(package.path).checks)


# ---- the model card -----------------------------------------------------------------------------------------


def data_of(card: ModelCard) -> Any:
    """The front matter, which the library types as its base class."""
    return card.data


def metrics(card: ModelCard) -> dict[tuple[str, str], Any]:
    return {(result.dataset_config, result.metric_type): result for result in data_of(card).eval_results}


def test_the_card_shows_the_numbers_of_the_comparisons_tables(
    members: dict[str, bytes], options: PackageOptions
) -> None:
    card = ModelCard(members["README.md"].decode())
    assert data_of(card).license == "mit"
    shown = metrics(card)
    with open(Path(str(options.comparison)).with_name("summary.csv"), newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["policy"] == "mine"]
    assert {row["mission"] for row in rows} == {"mine", "far", "overall"}
    for row in rows:
        for metric, columns in (
            ("mean_reward", ("mean", "interval_low", "interval_high")),
            ("success_rate", ("success_rate", "success_low", "success_high")),
        ):
            result = shown[row["mission"], metric]
            found = (result.metric_value, result.metric_args["interval_low"], result.metric_args["interval_high"])
            assert found == tuple(float(row[column]) for column in columns)
            assert result.metric_args["episodes"] == int(row["n_episodes"])
    with open(Path(str(options.comparison)).with_name("pairwise.csv"), newline="") as stream:
        pair = next(row for row in csv.DictReader(stream) if row["mission"] == "overall")
    assert f"| {float(pair['difference']):.2f} |" in card.text
    assert f"| {pair['verdict']} |" in card.text


def test_of_several_training_seeds_the_card_shows_the_packaged_one(model: Path, tmp_path: Path) -> None:
    results = compared((7, 8, 9))
    made = packaged(model, tmp_path, PackageOptions(comparison=results))
    with zipfile.ZipFile(made.path) as archive:
        card = ModelCard(archive.read("README.md").decode())
    frame = results.episodes
    own = frame[(frame["policy"] == "mine") & (frame["train_seed"] == 7) & (frame["mission"] == "far")]["mean_reward"]
    interval = mean_interval([own.to_numpy()], 0.95)
    shown = metrics(card)["far", "mean_reward"]
    assert shown.metric_value == pytest.approx(own.mean(), rel=1e-12)
    assert (shown.metric_args["interval_low"], shown.metric_args["interval_high"]) == (interval.low, interval.high)
    assert "over its 3 training seeds, of which this package holds one" in card.text
    success = metrics(card)["far", "success_rate"]
    wilson = binomtest(4, 8).proportion_ci(method="wilson")
    assert (success.metric_value, success.metric_args["episodes"]) == (0.5, 8)
    assert (success.metric_args["interval_low"], success.metric_args["interval_high"]) == pytest.approx(tuple(wilson))
    rows = [row.split(" | ") for row in card.text.partition("## Evaluation")[2].splitlines() if row.startswith("| ")]
    assert [row[4] for row in rows if row[0] in ("| mine", "| far") and len(row) == 7] == ["50 %", "50 %"]
    overall = metrics(card)["overall", "success_rate"]
    assert overall.metric_value == 0.5
    assert success.metric_args["interval_low"] < overall.metric_args["interval_low"] < 0.5


def test_notes_of_a_comparison_lose_their_advice_on_its_configuration() -> None:
    rng = np.random.default_rng(3)
    rows = [
        {"policy": policy, "checkpoint": f"{policy}-{train_seed}", "train_seed": train_seed, "mission": "mine",
         "env_seed": env_seed, "mean_reward": float(rng.normal())}
        for policy in ("mine", "other") for train_seed in (7, 8, 9) for env_seed in range(8)
    ]  # fmt: skip
    config = DAFComparisonConfig(policies=["mine", "other"], missions=["mine"], num_resamples=200)
    results = compare_episodes(pd.DataFrame(rows), config)
    notes = "\n".join(findings(results, "mine", 7).notes)
    for advice in ("; set `equivalence_margin` to", " `recipe_claim: these_episodes` asks"):
        assert advice in "\n".join(results.notes)
        assert advice not in notes
    assert "No equivalence margin was declared, so undecided pairs cannot be distinguished from equal ones.\n" in notes
    assert "the spread between training seeds and between environment seeds counts.\n" in notes
    assert [note for note in results.notes if "`" not in note] == [
        note for note in results.notes if note in notes.splitlines()
    ]


def test_the_card_tells_use_training_lineage_and_limits(members: dict[str, bytes]) -> None:
    text = ModelCard(members["README.md"].decode()).text
    for words in (
        "To mine | nothing else.", "Afraid of the dark.", "| `learning_rate` | `0.004` |", "| training seed | 7 |",
        "| agent-steps | 64 |", "trial 3 of 9 of the sweep `knobs`", "known only on mine, far",
        "One training seed was compared",
    ):  # fmt: skip
        assert words in text
    listed = set(re.findall(r"^\| `([^`]+)` \| ", text.partition("## Files")[2], flags=re.MULTILINE))
    assert listed == members.keys() - {"README.md"}


def test_the_card_names_the_mission_as_the_comparison_does(model: Path, tmp_path: Path) -> None:
    made = packaged(model, tmp_path, PackageOptions(mission_name="short"))
    with zipfile.ZipFile(made.path) as archive:
        text = ModelCard(archive.read("README.md").decode()).text
    assert f"| made for the mission | short (from {made.manifest.mission}) |" in text
    assert f"it was made for short (from {made.manifest.mission})." in text


def test_without_a_comparison_the_card_says_that_nothing_is_known(model: Path, tmp_path: Path) -> None:
    made = packaged(model, tmp_path, PackageOptions())
    with zipfile.ZipFile(made.path) as archive:
        assert "LICENSE" not in archive.namelist()
        card = ModelCard(archive.read("README.md").decode())
    assert data_of(card).eval_results is None
    assert "How well it plays is not known." in card.text
    assert "None was given: all rights stay with the authors." in card.text


# ---- licence ------------------------------------------------------------------------------------------------


def test_licences(members: dict[str, bytes], model: Path, tmp_path: Path) -> None:
    assert members["LICENSE"].decode().startswith("MIT License\n\nCopyright (c) A. Nyone\n")
    assert members["LICENSE-DAF"].decode() == (PROJECT / "LICENSE").read_text()
    assert json.loads(members["metadata.json"])["license"] == "MIT"
    own = tmp_path / "terms.txt"
    own.write_text("Ask me first.\n")
    made = packaged(model, tmp_path, PackageOptions(license_file=own))
    assert made.manifest.license == "other"
    with zipfile.ZipFile(made.path) as archive:
        assert archive.read("LICENSE") == own.read_bytes()
        data = ModelCard(archive.read("README.md").decode()).data.to_dict()
    assert (data["license"], data["license_name"], data["license_link"]) == ("other", "custom", "LICENSE")


@pytest.mark.parametrize(("arguments", "message"), [
    ({"license": "MITT"}, "did you mean 'MIT'"),
    ({"license": "apache-2.0"}, "did you mean 'Apache-2.0'"),
    ({"license": "GPL-3.0-only"}, "set `license_file`"),
    ({"license_file": "no.txt"}, "no such file"),
    ({"comparison": "nowhere"}, "no such file"),
])  # fmt: skip
def test_wrong_options_write_nothing(model: Path, tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        packaged(model, tmp_path / "out", PackageOptions(**arguments))
    assert not (tmp_path / "out").exists()


def test_every_shipped_licence_is_one_of_spdx() -> None:
    from cyclonedx.spdx import is_supported_id

    assert len(shipped_licenses()) == 6
    assert all(is_supported_id(name) for name in shipped_licenses())


# ---- requirements and bill of materials --------------------------------------------------------------------


def test_the_locked_requirements_are_whole_and_those_of_the_lock(members: dict[str, bytes]) -> None:
    """pip refuses a file with hashes that lacks something that is needed on this system."""
    from importlib.metadata import requires

    text = members["requirements.lock"].decode()
    entries = [entry for entry in text.replace("\\\n", " ").splitlines() if not entry.startswith("#")]
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)
    lock = (PROJECT / "requirements.lock").read_text()
    assert all(entry in lock for entry in re.split(r"\n(?=[A-Za-z0-9])", text.partition("\n")[2].rstrip()))
    pins = {canonicalize_name(re.split(r"[\[=]", entry)[0]) for entry in entries}
    assert {"cogames", "mettagrid", "torch"} <= pins
    assert "pytest-xdist" not in pins  # of the lock, but not needed to play
    for name in {"cogames", "mettagrid", "torch"}:
        for requirement in map(Requirement, requires(name) or []):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert canonicalize_name(requirement.name) in pins, (name, requirement)


def test_without_a_lock_no_hash_is_invented(tmp_path: Path) -> None:
    unlocked = closure(["safetensors"], tmp_path / "none.lock")
    assert [(item.name, item.hashes, item.entry) for item in unlocked][:1] == [("safetensors", (), "")]
    other = tmp_path / "other.lock"
    other.write_text(f"safetensors==0.0.1 \\\n    --hash=sha256:{'0' * 64}\n")
    assert closure(["safetensors"], other)[0].hashes == ()


def test_the_bill_of_materials_is_valid_and_holds_what_runs(members: dict[str, bytes]) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = members["sbom.cdx.json"].decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    content = json.loads(text)
    assert "timestamp" not in content["metadata"]
    assert content["metadata"]["component"]["licenses"] == [{"license": {"id": "MIT"}}]
    files = {part["name"]: part["hashes"][0]["content"] for part in content["components"] if part["type"] == "file"}
    assert {"weights.pt", "policy_spec.json"} < files.keys()
    assert all(sha256 == hashlib.sha256(members[name]).hexdigest() for name, sha256 in files.items())
    libraries = {part["name"]: part for part in content["components"] if part["type"] == "library"}
    assert libraries["mettagrid"]["purl"] == "pkg:pypi/mettagrid@0.25.5"
    hashes = {item["content"] for item in libraries["mettagrid"]["externalReferences"][0]["hashes"]}
    entry = re.search(r"^mettagrid.*?(?=^[a-z]|\Z)", members["requirements.lock"].decode(), re.MULTILINE | re.DOTALL)
    assert hashes == set(re.findall(r"sha256:([0-9a-f]{64})", entry[0]))
    needs = {item["ref"]: item.get("dependsOn", []) for item in content["dependencies"]}
    assert "pypi:mettagrid@0.25.5" in needs["pypi:cogames@0.25.7"]


# ---- lineage and provenance ---------------------------------------------------------------------------------


def test_the_lineage_names_sweep_training_seeds_and_code(
    members: dict[str, bytes], package: PackageResult, model: Path
) -> None:
    lineage = json.loads(members["lineage.json"])
    assert (lineage["sweep"]["sweep"], lineage["sweep"]["trial"], lineage["sweep"]["seed"]) == ("knobs", 3, 11)
    training = lineage["training"]
    assert (training["seed"], training["recipe_digest"]) == (7, RECIPE.digest)
    assert training["weights_sha256"] == lineage["policy"]["weights"] == file_sha256(model)
    assert training["recipe"] == RECIPE.to_dict()
    assert lineage["evaluation"]["episode_seeds"]["far"] == "0 to 7 (8 seeds)"
    cost = package.manifest.training_cost
    assert cost is not None
    assert (cost["seconds"], cost["processes"], cost["hosts"]) == (2.0, 2, ["here", "there"])
    assert b"there" not in members["lineage.json"]  # machines and times are not in the zip


def test_another_sweep_or_policy_is_refused(model: Path, options: PackageOptions, tmp_path: Path) -> None:
    write_json(tmp_path / "best.json", best(0.1))
    with pytest.raises(BadInputError, match=r"learning_rate: 0\.1, but the model was trained with 0\.004"):
        packaged(model, tmp_path / "out", PackageOptions(sweep=tmp_path / "best.json"))
    with pytest.raises(BadInputError, match="a policy of the comparison"):
        packaged(model, tmp_path / "out", replace(options, compared_as="yours"))
    with pytest.raises(BadInputError, match="a training seed in the comparison"):
        packaged(model, tmp_path / "out", PackageOptions(comparison=compared((8, 9))))
    assert not (tmp_path / "out").exists()


def test_the_statement_is_one_of_in_toto_and_slsa(members: dict[str, bytes], model: Path) -> None:
    from google.protobuf.json_format import MessageToDict, ParseDict
    from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
    from in_toto_attestation.v1.statement import Statement
    from in_toto_attestation.v1.statement_pb2 import Statement as Message

    content = json.loads(members["provenance.intoto.json"])
    Statement.copy_from_pb(ParseDict(content, Message())).validate()
    assert content["_type"] == "https://in-toto.io/Statement/v1"
    assert content["predicateType"] == "https://slsa.dev/provenance/v1"
    predicate = MessageToDict(ParseDict(content["predicate"], Provenance()))  # an unknown key would be an error
    assert predicate["runDetails"]["builder"]["id"] == "urn:daf"
    subjects = {subject["name"]: subject["digest"]["sha256"] for subject in content["subject"]}
    others = {name: hashlib.sha256(text).hexdigest() for name, text in members.items()}
    del others["provenance.intoto.json"]
    assert subjects == others
    materials = content["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert {"name": "model.safetensors", "digest": {"sha256": file_sha256(model)}} in materials
    assert {"uri": "pkg:pypi/cogames@0.25.7"} in materials


def test_a_statement_about_other_files_is_found_out(
    package: PackageResult, members: dict[str, bytes], tmp_path: Path
) -> None:
    """Zip and manifest agree with each other: only the statement tells."""
    path = tmp_path / package.path.name
    write_zip(path, {**members, "LICENSE": b"Do what you like.\n"})
    manifest = package.manifest.model_copy(
        update={"sha256": file_sha256(path), "size_bytes": path.stat().st_size, "files": contents(path)}
    )
    write_json(manifest_path_of(path), manifest.model_dump(mode="json"))
    inspection = inspect(path)
    assert not inspection.passed
    assert inspection.checks[1].found == "another LICENSE in provenance.intoto.json"
