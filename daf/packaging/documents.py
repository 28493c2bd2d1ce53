"""The documents of a package: model card, licence, requirements, bill of materials, lineage and provenance."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daf.config.licenses import License, find_license
from daf.config.recipes import STAGE_VERSIONS
from daf.packaging.bundle import (
    GOLDEN_NAME,
    LICENSE_NAME,
    METADATA_NAME,
    MISSION_NAME,
    SPEC_NAME,
    STATEMENT_NAME,
    json_bytes,
)
from daf.packaging.lineage import Sources, lineage

if TYPE_CHECKING:
    from daf.packaging.dependencies import Dependency

DAF_LICENSE_NAME = "LICENSE-DAF"
DAF_HOLDER = "2026 DAF contributors"
_MEANING = {
    SPEC_NAME: "what the engine loads: class, arguments, weights",
    METADATA_NAME: "name, version, interface and recipe digest",
    MISSION_NAME: "the mission it was made for, which CoGames does not have by this name",
    GOLDEN_NAME: "observations, and what the policy answered where it was packaged; validation repeats them",
    LICENSE_NAME: "the licence",
    DAF_LICENSE_NAME: "the licence of the files of DAF in this bundle",
    "requirements.txt": "exact versions of what it imports",
    "requirements.lock": "these and all that they need, with hashes, for `pip install --no-deps --require-hashes`",
    "sbom.cdx.json": "bill of materials, CycloneDX 1.6",
    "lineage.json": "sweep, training, seeds and code, by content",
    STATEMENT_NAME: "in-toto statement with SLSA provenance: digests of all other files, and what they were made from",
    "VERSION": "the version",
}


@dataclass(frozen=True, kw_only=True)
class DocumentRequest:
    """What the documents are made from.

    Attributes:
        facts: the content of metadata.json.
        members: the other files of the bundle: those that run or are loaded, and what the user included.
        requirements: exact versions of the distributions that the policy imports.
        has_daf_files: whether some of the files are DAF's.
        inputs: sha256 of the files that were read, by name.
        intended_use, limitations: the author's words.
        mission_name: what the mission is called where it is compared; None: as its source.
    """

    facts: Mapping[str, Any]
    members: Mapping[str, bytes]
    requirements: Sequence[str]
    sources: Sources
    license: License | None
    has_daf_files: bool
    inputs: Mapping[str, str]
    intended_use: str = ""
    limitations: str = ""
    mission_name: str | None = None


def documents(request: DocumentRequest) -> dict[str, bytes]:
    """Name and content of every document; the statement, which covers all other files, is made last."""
    from daf.packaging.dependencies import closure, locked_requirements
    from daf.packaging.sbom import sbom

    facts = request.facts
    needed = closure(line.partition("==")[0] for line in request.requirements)
    origin = lineage(request.sources)
    files = {name: _sha256(content) for name, content in request.members.items()}
    made = {
        METADATA_NAME: json_bytes(facts),
        "requirements.txt": ("\n".join(request.requirements) + "\n").encode(),
        "VERSION": f"{facts['version']}\n".encode(),
        "lineage.json": json_bytes(origin),
        "sbom.cdx.json": sbom(facts["name"], facts["version"], request.license, files, needed),
    }
    if locked := locked_requirements(needed):
        made["requirements.lock"] = locked.encode()
    if request.license is not None:
        made[LICENSE_NAME] = request.license.text.encode()
    if request.has_daf_files:
        own = find_license("MIT", None, DAF_HOLDER)
        made[DAF_LICENSE_NAME] = b"" if own is None else own.text.encode()
    made["README.md"] = _card(request, made, origin, needed)
    made[STATEMENT_NAME] = _statement(request, made, origin, needed)
    return made


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _card(
    request: DocumentRequest, made: Mapping[str, bytes], origin: Mapping[str, Any], needed: Sequence[Dependency]
) -> bytes:
    from daf.packaging.card import CardContent, model_card
    from daf.packaging.dependencies import without_hashes

    names = sorted({*made, *request.members, "README.md", STATEMENT_NAME} - {"README.md"})
    weights = request.facts["weights"]
    meaning = _MEANING | ({weights: "the weights"} if weights else {})
    return model_card(
        CardContent(
            facts=request.facts,
            lineage=origin,
            license=request.license,
            findings=request.sources.findings,
            has_mission_file=MISSION_NAME in request.members,
            documents={name: meaning.get(name, "code" if name.endswith(".py") else "included") for name in names},
            unhashed=without_hashes(needed),
            intended_use=request.intended_use,
            limitations=request.limitations,
            mission_name=request.mission_name,
        )
    )


def _statement(
    request: DocumentRequest, made: Mapping[str, bytes], origin: Mapping[str, Any], needed: Sequence[Dependency]
) -> bytes:
    from daf.packaging.statement import Build, statement

    facts, training = request.facts, origin["training"]
    keys = ("name", "version", "policy", "init_kwargs", "mission", "description", "license")
    subjects = {name: _sha256(content) for name, content in {**request.members, **made}.items()}
    settings = {
        "stage_version": STAGE_VERSIONS["package"],
        "recipe_digest": facts["recipe_digest"],
        "training_seed": None if training is None else training["seed"],
        "code": origin["policy"].get("code", {}),
        "engine": facts["engine"],
    }
    build = Build(
        parameters={key: facts[key] for key in keys}, settings=settings, inputs=request.inputs, dependencies=needed
    )
    return statement(subjects, build)
