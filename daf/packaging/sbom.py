"""The software bill of materials of a package, in the CycloneDX format (1.6, JSON).

The subject is the policy. Its components are the files of the bundle that run or are loaded, and every distribution
that they need. The same package gives the same bytes: there is no time in it, and its serial number is derived from its
content.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from daf.packaging.dependencies import Dependency
from daf.system.json_files import parse_json
from daf.system.validated import validated

if TYPE_CHECKING:
    from cyclonedx.model.component import Component

    from daf.config.licenses import License

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "daf/package/sbom")
_INDEX = "https://pypi.org/simple"


def sbom(
    name: str, version: str, license: License | None, files: Mapping[str, str], dependencies: Sequence[Dependency]
) -> bytes:
    """The content of sbom.cdx.json.

    Args:
        files: sha256 of the members that run or are loaded, by name.
        dependencies: what they need, with what that needs in turn.
    """
    from cyclonedx.model.bom import Bom
    from cyclonedx.output.json import JsonV1Dot6

    bom = Bom()
    root = _policy(name, version, license)
    bom.metadata.component = root
    parts = [_file(member, sha256) for member, sha256 in sorted(files.items())]
    libraries = {dependency.name: _library(dependency) for dependency in dependencies}
    for component in [*parts, *libraries.values()]:
        bom.components.add(component)
    needed = {other for dependency in dependencies for other in dependency.needs}
    direct = [libraries[dependency.name] for dependency in dependencies if dependency.name not in needed]
    bom.register_dependency(root, [*parts, *direct])
    for dependency in dependencies:
        bom.register_dependency(libraries[dependency.name], [libraries[other] for other in dependency.needs])
    content = parse_json(JsonV1Dot6(bom).output_as_string().encode(), "the bill of materials")
    return _without_time(validated(dict[str, Any], content, "the bill of materials"))


def _without_time(content: dict[str, Any]) -> bytes:
    """The document with a serial number that its content gives, and without the time of its making."""
    content["metadata"].pop("timestamp", None)
    content.pop("serialNumber", None)
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    content["serialNumber"] = uuid.uuid5(_NAMESPACE, text).urn
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _policy(name: str, version: str, license: License | None) -> Component:
    from cyclonedx.model.component import Component, ComponentType

    return Component(
        name=name, version=version, type=ComponentType.MACHINE_LEARNING_MODEL, bom_ref=f"policy:{name}@{version}",
        licenses=_licenses(license.spdx or "the licence in the file LICENSE") if license else [],
    )  # fmt: skip


def _file(name: str, sha256: str) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType

    return Component(
        name=name, type=ComponentType.FILE, bom_ref=f"file:{name}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)],
    )  # fmt: skip


def _library(dependency: Dependency) -> Component:
    """A distribution; its hashes are those of all its files, of which an installation takes one."""
    from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    references = []
    if dependency.hashes:
        hashes = [HashType(alg=HashAlgorithm.SHA_256, content=sha256) for sha256 in dependency.hashes]
        references.append(
            ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION, url=XsUri(f"{_INDEX}/{dependency.name}/"), hashes=hashes,
                comment="any of these files",
            )
        )  # fmt: skip
    return Component(
        name=dependency.name, version=dependency.version, type=ComponentType.LIBRARY,
        bom_ref=f"pypi:{dependency.name}@{dependency.version}",
        purl=PackageURL("pypi", None, dependency.name, dependency.version),
        licenses=_licenses(dependency.license), external_references=references,
    )  # fmt: skip


def _licenses(text: str) -> list[Any]:
    from cyclonedx.contrib.license.factories import LicenseFactory

    return [LicenseFactory().make_from_string(text)] if text and text.upper() != "UNKNOWN" else []
