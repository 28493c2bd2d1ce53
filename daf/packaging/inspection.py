"""What can be said about a package by reading it: its archive, its manifest, and whether the two agree.

Nothing of the package runs, is unpacked to disk or is unpickled here, and no member is read that is not small.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from daf.errors import BadInputError, DeploymentError
from daf.packaging.bundle import METADATA_NAME, SPEC_NAME, STATEMENT_NAME
from daf.packaging.manifest import PACKAGE_AGAIN, Manifest, differences, read_manifest
from daf.packaging.signing import check_signature
from daf.system.archives import Archive
from daf.system.checks import CheckResult, Status
from daf.system.json_files import parse_json
from daf.system.provenance import engine_stamp
from daf.system.validated import validated

_LARGEST_DOCUMENT = 4_000_000


class _Spec(TypedDict):
    """What DAF relies on in policy_spec.json."""

    class_path: str
    data_path: str | None
    init_kwargs: dict[str, Any]
    setup_script: str | None


class _Subject(TypedDict):
    """A file that a statement is about."""

    name: str
    digest: dict[str, str]


class _Statement(TypedDict):
    """What DAF relies on in provenance.intoto.json."""

    subject: list[_Subject]
    predicateType: str


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What reading a package found.

    Attributes:
        checks: in the order they were made.
        manifest: of the package, if it has a readable one.
    """

    checks: list[CheckResult] = field(default_factory=list)
    manifest: Manifest | None = None

    @property
    def passed(self) -> bool:
        return all(check.status != "error" for check in self.checks)


def check(name: str, status: Status, found: str, expected: str, hint: str = "") -> CheckResult:
    """A check's result, in one line."""
    return CheckResult(name=name, status=status, found=found, expected=expected, hint=hint)


def inspect(package: Path, verification_key: str | Path | None = None) -> Inspection:
    """Read a package; problems are checks with status `error`.

    Args:
        verification_key: a public key; the package must be signed with the key that belongs to it.

    Raises:
        DeploymentError, BadInputError: the signature cannot be checked, see `daf.packaging.signing`.
    """
    try:
        archive = Archive(package, f"a package at {package}", PACKAGE_AGAIN)
        if SPEC_NAME not in archive.names:
            return Inspection(
                checks=[check("archive", "error", f"no {SPEC_NAME}", "a submission bundle", PACKAGE_AGAIN)]
            )
        members = archive.digests()  # any damage is found now
        spec = _spec(archive)
    except BadInputError as error:
        return Inspection(checks=[_failed("archive", error)])
    checks = [check("archive", "ok", f"{len(members)} members", "a submission bundle")]
    try:
        manifest = read_manifest(package)
        deviations = differences(manifest, package, members) or _lies(manifest, archive, spec)
    except (BadInputError, DeploymentError) as error:
        return Inspection(checks=[*checks, _failed("manifest", error)])
    expected = "the content of the manifest"
    if deviations:
        checks.append(check("manifest", "error", "; ".join(deviations[:3]), expected, PACKAGE_AGAIN))
    else:
        checks.append(check("manifest", "ok", f"{len(manifest.files)} hashes match", expected))
    checks += check_signature(package, verification_key)
    checks += _check_engine(manifest)
    return Inspection(checks=checks, manifest=manifest)


def _failed(name: str, error: BadInputError | DeploymentError) -> CheckResult:
    return check(name, "error", error.found, error.expected, error.hint)


def _spec(archive: Archive) -> _Spec:
    """policy_spec.json, if it names nothing outside of the package.

    Raises:
        BadInputError: it is damaged, names a file that the package lacks, or a script to run.
    """
    where = f"{archive.path}: {SPEC_NAME}"
    content = parse_json(archive.read(SPEC_NAME, _LARGEST_DOCUMENT), where)
    if isinstance(content, dict):
        content = {"data_path": None, "init_kwargs": {}, "setup_script": None} | content
    spec = validated(_Spec, content, where, PACKAGE_AGAIN)
    data_path = spec["data_path"]
    if data_path is not None and (data_path not in archive.names or data_path.endswith("/")):
        raise BadInputError("weights inside the package", f"'{data_path}'", where, PACKAGE_AGAIN)
    if spec["setup_script"] is not None:
        found = f"'{spec['setup_script']}', a script to run first"
        raise BadInputError("a package without a set-up script", found, where, "do its work in the policy's class")
    return spec


def _lies(manifest: Manifest, archive: Archive, spec: _Spec) -> list[str]:
    """Where the manifest contradicts the package's own description of itself."""
    found = []
    for key in ("class_path", "init_kwargs"):
        if getattr(manifest, key) != spec[key]:
            found.append(f"another {key} in {SPEC_NAME}")
    if METADATA_NAME in archive.names:
        where = f"{archive.path}: {METADATA_NAME}"
        metadata = validated(dict[str, Any], parse_json(archive.read(METADATA_NAME, _LARGEST_DOCUMENT), where), where)
        known = manifest.model_dump(mode="json")
        found += [
            f"another {key} in {METADATA_NAME}"
            for key in sorted(metadata.keys() & known)
            if metadata[key] != known[key]
        ]
    if STATEMENT_NAME in archive.names:
        found += _false_subjects(manifest, archive)
    return found


def _false_subjects(manifest: Manifest, archive: Archive) -> list[str]:
    """Files that are not those of which the statement of provenance speaks."""
    where = f"{archive.path}: {STATEMENT_NAME}"
    content = validated(_Statement, parse_json(archive.read(STATEMENT_NAME, _LARGEST_DOCUMENT), where), where)
    stated = {subject["name"]: subject["digest"].get("sha256") for subject in content["subject"]}
    members = {name: sha256 for name, sha256 in manifest.files.items() if name != STATEMENT_NAME}
    different = [name for name in sorted(stated.keys() | members.keys()) if stated.get(name) != members.get(name)]
    return [f"another {name} in {STATEMENT_NAME}" for name in different]


def _check_engine(manifest: Manifest) -> list[CheckResult]:
    installed = engine_stamp()
    for name, version in manifest.engine.items():
        if installed.get(name) != version:
            found = f"{name} {installed.get(name, 'not installed')}"
            hint = "validate it where that version is installed; what follows was played with another engine"
            return [check("engine", "warning", found, f"{name} {version}, as packaged", hint)]
    return []
