"""Writing a package: everything is checked and collected before the first byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.config import MissionConfig, PolicyConfig
from daf.config.licenses import License, find_license
from daf.config.package_recipes import PackageRecipe
from daf.config.recipes import policy_label
from daf.errors import BadInputError, CheckpointError, PolicyError
from daf.packaging import bundle
from daf.packaging.lineage import read_best, training_cost
from daf.packaging.manifest import Manifest, contents, manifest_path_of, require_version
from daf.system.files import digest, file_sha256, write_json
from daf.system.provenance import engine_stamp, provenance, utc_now
from daf.system.shown import Shown
from daf.system.user_paths import user_path
from daf.system.validated import require_name

if TYPE_CHECKING:
    from daf.engine.model_files import ModelDescription
    from daf.engine.policies import ResolvedPolicy
    from daf.packaging.findings import Findings
    from daf.packaging.source import PolicySource
    from daf.search.records import BestFile
    from daf.statistics.results import ComparisonResults

DEFAULT_VERSION = "0.1.0"


@dataclass(frozen=True, kw_only=True)
class PackageOptions:
    """Optional content of a package, and what its model card says.

    Attributes:
        description: one sentence for the model card.
        include: additional files and folders for the top level of the zip.
        intended_use: what the policy is for, and what it is not for.
        limitations: known weaknesses.
        license: SPDX identifier or expression, such as MIT.
        license_file: the text of the licence, for one that DAF does not ship or SPDX does not list.
        license_holder: whose copyright the texts of MIT and BSD name; default: the authors of the package.
        comparison: results to show, or the comparison.json that holds them.
        compared_as: the policy's name in the comparison; default: the package's name.
        sweep: the best.json of the sweep that chose the hyperparameters of the training.
        mission_name: what the mission is called where it is compared, if its source has another name.
    """

    description: str = ""
    include: Sequence[str | Path] = ()
    intended_use: str = ""
    limitations: str = ""
    license: str | None = None
    license_file: str | Path | None = None
    license_holder: str | None = None
    comparison: ComparisonResults | str | Path | None = None
    compared_as: str | None = None
    sweep: str | Path | None = None
    mission_name: str | None = None


@dataclass(frozen=True, kw_only=True)
class PackageRequest:
    """What to package and where to write it; `daf.deployment.daf_package_policy` explains the fields."""

    policy_class_path: str
    weights_path: Path | None
    output_dir: Path
    name: str | None = None
    version: str | None = None
    init_kwargs: Mapping[str, Any] = field(default_factory=dict)
    mission: str | MissionConfig | None = None
    options: PackageOptions = PackageOptions()


@dataclass(frozen=True, kw_only=True, repr=False)
class PackageResult(Shown):
    """A package on disk.

    Attributes:
        path: the zip.
        manifest_path: the manifest next to it.
        sha256: of the zip.
        manifest: what the zip contains and was made with.
    """

    path: Path
    manifest_path: Path
    sha256: str
    manifest: Manifest

    def _headline(self) -> str:
        return f"{self.manifest.name} {self.manifest.version} in {self.path}, sha256 {self.sha256[:12]}"


def write_package(request: PackageRequest) -> PackageResult:
    """Write the zip and its manifest.

    Raises:
        DafError: as `daf.deployment.daf_package_policy`; nothing has been written.
    """
    checked = _check(request)
    collected = _collect(checked, request.options.include)
    return _write(checked, collected, request)


def package_checkpoint(
    recipe: PackageRecipe, *, weights: Sequence[str], output_dir: Path, comparison: str | None, sweep: str | None
) -> PackageResult:
    """Package the policy of a recipe, under the checkpoint's label.

    Args:
        weights: model.safetensors and model.json of a trained policy; otherwise the files that the configuration names,
            if any.
        comparison: the comparison.json whose results the model card shows.
        sweep: the best.json of the sweep that chose the hyperparameters.

    Raises:
        DafError: as `write_package`.
    """
    from daf.engine.policies import resolve_policy

    policy = recipe.policy
    data_path = Path(weights[0]) if weights else None
    resolved = resolve_policy(
        PolicyConfig(class_path=policy.class_path, data_path=data_path, init_kwargs=policy.init_kwargs)
    )
    if resolved.bundle is not None:
        raise BadInputError("a policy class", "a bundle", f"policies.{policy.label}", "it is already a package")
    return write_package(
        PackageRequest(
            policy_class_path=policy.class_path or resolved.class_path,
            weights_path=resolved.data_path,
            output_dir=output_dir,
            name=policy.checkpoint_label,
            version=recipe.version,
            init_kwargs=resolved.init_kwargs,
            mission=recipe.mission.config,
            options=PackageOptions(
                description=recipe.description,
                intended_use=recipe.intended_use,
                limitations=recipe.limitations,
                license=recipe.license.spdx,
                license_file=recipe.license.file,
                license_holder=recipe.license.holder,
                comparison=comparison,
                compared_as=policy.label,
                sweep=sweep,
                mission_name=recipe.mission.name,
            ),
        )
    )


# ---- check ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Checked:
    """A checked request. `model` describes the weights if DAF trained them."""

    name: str
    version: str
    policy: ResolvedPolicy
    init_kwargs: dict[str, Any]
    model: ModelDescription | None
    mission: str | MissionConfig | None
    license: License | None
    sweep: BestFile | None
    findings: Findings | None


def _check(request: PackageRequest) -> _Checked:
    from daf.engine.model_files import load_model_description, weights_files
    from daf.engine.policies import resolve_policy

    _check_weights(request.weights_path)
    init_kwargs = dict(request.init_kwargs)
    config = PolicyConfig(class_path=request.policy_class_path, data_path=request.weights_path, init_kwargs=init_kwargs)
    policy = resolve_policy(config)
    name, version = request.name or policy_label(request.policy_class_path), request.version or DEFAULT_VERSION
    require_name(name, "daf_package_policy: name")
    require_version(version, "daf_package_policy: version")
    _refuse_agent_policy(policy.class_path)
    model, mission = None, request.mission
    if description_files := weights_files(config)[1:]:
        model = load_model_description(description_files[0])
        if mission is None:
            mission = MissionConfig.from_dict(model.recipe["mission"]["config"], source=str(description_files[0]))
    options = request.options
    license_file = None if options.license_file is None else user_path(options.license_file, "license_file")
    holder = options.license_holder or f"the authors of {name}"
    return _Checked(
        name=name, version=version, policy=policy, init_kwargs=init_kwargs, model=model, mission=mission,
        license=find_license(options.license, license_file, holder, "daf_package_policy: license"),
        sweep=None if options.sweep is None else read_best(user_path(options.sweep, "sweep"), model),
        findings=_findings(options, name, model),
    )  # fmt: skip


def _findings(options: PackageOptions, name: str, model: ModelDescription | None) -> Findings | None:
    from daf.packaging.findings import findings, read_comparison

    results = options.comparison
    if results is None:
        return None
    if isinstance(results, str | Path):
        results = read_comparison(user_path(results, "comparison"))
    seed = None if model is None else int(model.recipe["seed"])
    return findings(results, options.compared_as or name, seed)


def _check_weights(path: Path | None) -> None:
    if path is not None and not (path.is_file() and path.stat().st_size > 0):
        found = "no such file" if not path.exists() else "an empty file" if path.is_file() else "a folder"
        raise CheckpointError("a file with weights", found, str(path), "train first, or leave weights_path out")


def _refuse_agent_policy(class_path: str) -> None:
    """Check the class: the engine's loader accepts only classes that control all agents, and plays them one by one."""
    from daf.engine.policy_classes import acts_for_one_agent, load_policy_class

    policy_class = load_policy_class(class_path)
    if "agent_policy" not in dir(policy_class):
        hint = "wrap it: a MultiAgentPolicy whose agent_policy(id) returns it"
        found = f"{policy_class.__name__}, a policy of one agent"
        raise PolicyError("a subclass of MultiAgentPolicy", found, f"policy '{class_path}'", hint)
    if not acts_for_one_agent(policy_class):
        hint = "extend BatchPolicy or NetworkPolicy (daf.policies), which have it"
        found = f"{policy_class.__name__} without it"
        raise PolicyError("a class with agent_policy(agent_id)", found, f"policy '{class_path}'", hint)


# ---- collect ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Collected:
    """The files of a package that are copied or converted, and the interface of its mission."""

    source: PolicySource
    weights: dict[str, bytes]  # one file or none
    included: dict[str, bytes]
    observation_shape: list[int] | None
    action_names: list[str] | None
    mission_file: dict[str, bytes]  # mission.json, if CoGames does not know the mission by its name
    golden: dict[str, bytes]  # golden_vectors.json, if the policy's answers can be repeated

    @property
    def weights_name(self) -> str | None:
        return next(iter(self.weights), None)


def _collect(checked: _Checked, include: Sequence[str | Path]) -> _Collected:
    from daf.engine.missions import resolve_mission
    from daf.engine.simulation import SimulationFactory
    from daf.packaging.golden import golden_member
    from daf.packaging.source import collect_source
    from daf.packaging.weights import weights_for_bundle

    factory, interface, mission_file, golden = None, None, {}, {}
    if checked.mission is not None:
        mission = resolve_mission(checked.mission)
        factory = SimulationFactory(mission.env_config)
        interface = factory.interface
        config = checked.mission if isinstance(checked.mission, MissionConfig) else None
        changed = config is not None and bool(config.variants or config.num_agents or config.max_steps)
        if changed or mission.origin != "cogames":
            mission_file = {bundle.MISSION_NAME: mission.env_config.model_dump_json().encode()}
    weights = weights_for_bundle(checked.policy, interface)
    if factory is not None:
        golden = golden_member(checked.policy, mission.name, factory)
    return _Collected(
        source=collect_source(checked.policy.class_path),
        weights=dict([weights]) if weights else {},
        included=bundle.included_files(include),
        observation_shape=None if interface is None else list(interface.observation_shape),
        action_names=None if interface is None else list(interface.action_names),
        mission_file=mission_file,
        golden=golden,
    )


# ---- describe and write -----------------------------------------------------------------------------------


def _write(checked: _Checked, collected: _Collected, request: PackageRequest) -> PackageResult:
    identity = _identity(checked, collected, request.weights_path)
    facts = _facts(checked, collected, request.policy_class_path, identity)
    members = _members(facts, checked, collected, identity, request)
    path = request.output_dir / f"{checked.name}-{checked.version}.zip"
    bundle.write_zip(path, members)
    manifest = Manifest(
        **facts,
        sha256=file_sha256(path),
        size_bytes=path.stat().st_size,
        files=contents(path),
        training_cost=training_cost(request.weights_path if checked.model else None),
        provenance=provenance(identity, {"training": checked.model.recipe["seed"]} if checked.model else {}),
        created=utc_now(),
    )
    manifest_path = manifest_path_of(path)
    write_json(manifest_path, manifest.model_dump(mode="json"))
    return PackageResult(path=path, manifest_path=manifest_path, sha256=manifest.sha256, manifest=manifest)


def _identity(checked: _Checked, collected: _Collected, weights_path: Path | None) -> dict[str, Any]:
    """What determines how the packaged policy acts."""
    weights = None if weights_path is None else file_sha256(weights_path)
    return {
        "class_path": collected.source.class_path,
        "init_kwargs": checked.init_kwargs,
        "weights": weights,
        "code": checked.policy.identity()["code"],
    }


def _facts(checked: _Checked, collected: _Collected, policy: str, identity: Mapping[str, Any]) -> dict[str, Any]:
    """The facts in both metadata.json inside the zip and the manifest next to it."""
    mission = checked.mission.source if isinstance(checked.mission, MissionConfig) else checked.mission
    recipe_digest = checked.model.recipe_digest if checked.model else None
    return {
        "name": checked.name,
        "version": checked.version,
        "class_path": collected.source.class_path,
        "init_kwargs": checked.init_kwargs,
        "policy": policy,
        "mission": mission,
        "observation_shape": collected.observation_shape,
        "action_names": collected.action_names,
        "license": None if checked.license is None else checked.license.spdx or "other",
        "engine": engine_stamp(),
        "recipe_digest": recipe_digest or digest(identity),
    }


def _members(
    facts: Mapping[str, Any],
    checked: _Checked,
    collected: _Collected,
    identity: Mapping[str, Any],
    request: PackageRequest,
) -> dict[str, bytes]:
    """Name and content of every file of the zip."""
    from daf.packaging.documents import DocumentRequest, documents
    from daf.packaging.lineage import Sources
    from daf.packaging.source import requirement_lines

    weights_name, source, options = collected.weights_name, collected.source, request.options
    loaded = {
        bundle.SPEC_NAME: bundle.policy_spec(source.class_path, weights_name, checked.init_kwargs),
        **source.files,
        **collected.weights,
        **collected.mission_file,
        **collected.golden,
    }
    if clashes := sorted(set(collected.included) & set(loaded)):
        raise BadInputError(
            "files with names that are free in the bundle", f"'{clashes[0]}'", "include", "rename the file"
        )
    members = loaded | collected.included
    inputs = {} if request.weights_path is None else {request.weights_path.name: str(identity["weights"])}
    if checked.findings is not None:
        inputs["tables of the comparison"] = checked.findings.sha256
    note = {"weights": weights_name, "note": checked.policy.note, "description": options.description}
    return members | documents(
        DocumentRequest(
            facts={**facts, **note},
            members=members,
            requirements=requirement_lines(source.packages),
            sources=Sources(identity=identity, model=checked.model, sweep=checked.sweep, findings=checked.findings),
            license=checked.license,
            has_daf_files=checked.policy.class_path.startswith("daf.") or any(n.startswith("daf/") for n in members),
            inputs=inputs,
            intended_use=options.intended_use,
            limitations=options.limitations,
            mission_name=options.mission_name,
        )
    )
