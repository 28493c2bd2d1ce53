"""The zip of a package: a CoGames submission bundle that includes its documentation.

The same content gives the same bytes: members are sorted, stored without compression (whose output depends on the zlib
version; weights hardly compress anyway) and dated 1980. Times and machines are recorded in the manifest next to the
zip.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from daf.errors import BadInputError, did_you_mean
from daf.system.archives import fault_of_names
from daf.system.files import atomic_path
from daf.system.readers import read_bytes

SPEC_NAME = "policy_spec.json"
METADATA_NAME = "metadata.json"
MISSION_NAME = "mission.json"
GOLDEN_NAME = "golden_vectors.json"
LICENSE_NAME = "LICENSE"
STATEMENT_NAME = "provenance.intoto.json"
RESERVED = (
    SPEC_NAME, METADATA_NAME, MISSION_NAME, GOLDEN_NAME, LICENSE_NAME, STATEMENT_NAME, "LICENSE-DAF", "README.md",
    "VERSION", "lineage.json", "requirements.lock", "requirements.txt", "sbom.cdx.json",
)  # fmt: skip


def write_zip(path: str | Path, members: Mapping[str, bytes]) -> None:
    """Write a zip whose bytes depend only on the members; raises BadInputError if their names do not go together."""
    if fault := fault_of_names(list(members)):
        raise BadInputError(*fault, str(path), "rename the file")
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o100644 << 16
            info.create_system = 3  # Unix, on every machine
            archive.writestr(info, members[name])


def json_bytes(value: Any) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def policy_spec(class_path: str, weights_name: str | None, init_kwargs: Mapping[str, Any]) -> bytes:
    """The file that the engine's loader expects."""
    return json_bytes(
        {"class_path": class_path, "data_path": weights_name, "init_kwargs": dict(init_kwargs), "setup_script": None}
    )


def included_files(paths: Iterable[str | Path]) -> dict[str, bytes]:
    """Extra files and folders, at the top of the bundle under their own names.

    Raises:
        BadInputError: one is missing, or has a name that the bundle itself needs.
    """
    members: dict[str, bytes] = {}
    for item in map(Path, paths):
        if not item.exists():
            near = [path.name for path in item.parent.glob("*")] if item.parent.is_dir() else []
            hint = did_you_mean(item.name, near)
            raise BadInputError("a file or folder to include", "no such file", str(item), hint)
        files = sorted(path for path in item.rglob("*") if path.is_file()) if item.is_dir() else [item]
        for path in files:
            if "__pycache__" in path.parts:
                continue
            name = path.relative_to(item.parent).as_posix()
            if name in RESERVED or name in members:
                raise BadInputError("a name that is free in the bundle", f"'{name}'", str(path), "rename the file")
            members[name] = read_bytes(path, "a file to include")
    return members
