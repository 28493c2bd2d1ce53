"""The provenance of a package: an in-toto statement (v1) with a SLSA provenance predicate (v1).

Its subjects are the members of the bundle, by digest; `inspection` compares them. It is part of the zip, so it cannot
have the zip's own digest as a subject, and it holds no time: the manifest next to the zip has both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daf.packaging.dependencies import Dependency

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:daf:package:v1"
BUILDER = "urn:daf"


@dataclass(frozen=True, kw_only=True)
class Build:
    """What a package was built from.

    Attributes:
        parameters: what the user asked for.
        settings: what DAF added to that, and what determined the policy.
        inputs: files that were read, by name: their sha256.
        dependencies: distributions that the package needs.
    """

    parameters: Mapping[str, Any]
    settings: Mapping[str, Any]
    inputs: Mapping[str, str]
    dependencies: Sequence[Dependency]


def statement(subjects: Mapping[str, str], build: Build) -> bytes:
    """The content of provenance.intoto.json.

    Args:
        subjects: sha256 of the other members of the bundle.
    """
    from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
    from in_toto_attestation.v1.statement import Statement

    descriptors = [
        ResourceDescriptor(name=name, digest={"sha256": sha256}).pb for name, sha256 in sorted(subjects.items())
    ]
    predicate = _predicate(build)
    Statement(descriptors, PREDICATE_TYPE, predicate).validate()
    # Not the library's own text: protocol buffers know no integers in a predicate, and would write a seed as 1.0.
    content = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": sha256}} for name, sha256 in sorted(subjects.items())],
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    }
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _predicate(build: Build) -> dict[str, Any]:
    from daf import __version__

    materials: list[dict[str, Any]] = [
        {"name": name, "digest": {"sha256": sha256}} for name, sha256 in sorted(build.inputs.items())
    ]
    materials += [{"uri": f"pkg:pypi/{item.name}@{item.version}"} for item in build.dependencies]
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": dict(build.parameters),
            "internalParameters": dict(build.settings),
            "resolvedDependencies": materials,
        },
        "runDetails": {"builder": {"id": BUILDER, "version": {"daf": __version__}}},
    }
