"""Whoever changes a result raises its stage's version, so that no experiment keeps a result that DAF would not compute.

`cases.py` has the data, results/*.json what DAF found in them when the version was last raised. They say that nothing
has changed, not that it is right, which the tests of the statistics do. After an intended change:

    python -m tests.unit.recorded.test_recorded_results       record the results again, if the version was raised
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from math import isclose
from pathlib import Path
from typing import Any

import pytest

from daf.config.recipes import STAGE_VERSIONS
from tests.unit.recorded.cases import COMPARISONS, TOURNAMENTS

FOLDER = Path(__file__).parent / "results"
DIGITS = 9  # recorded
ACCURACY = 1e-6  # of processors' and libraries' arithmetic
LEFT_OUT = ("provenance", "episodes")
LONG_TABLE = 100  # of whose rows, which are points of profiles, one in ten is recorded
CASES: Mapping[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    **{name: ("compare", make) for name, make in COMPARISONS.items()},
    **{name: ("rate", make) for name, make in TOURNAMENTS.items()},
}
"""The stage of each case, and what computes it."""


def path_of(name: str) -> Path:
    return FOLDER / f"{name}.json"


def versions(stage: str) -> dict[str, int]:
    """Of all stages on which the results of a stage depend: tournaments are analyzed by comparisons."""
    return {name: STAGE_VERSIONS[name] for name in dict.fromkeys((stage, "compare"))}


def compact(value: Any) -> Any:
    """Plain data with rounded numbers; a table by columns, which is one value where all rows are alike."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, list | tuple):
        if len(value) > 1 and all(isinstance(row, dict) and row.keys() == value[0].keys() for row in value):
            rows = value[:: 10 if len(value) > LONG_TABLE else 1]
            columns = {name: [compact(row[name]) for row in rows] for name in value[0]}
            alike = {name: all(item == found[0] for item in found) for name, found in columns.items()}
            return {"rows": len(value)} | {name: found[0] if alike[name] else found for name, found in columns.items()}
        return [compact(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): compact(item) for key, item in value.items() if key not in LEFT_OUT}
    return value


def changes(recorded: Any, found: Any, where: str = "") -> Iterator[str]:
    """Where two results differ by more than arithmetic does."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        for key in dict.fromkeys((*recorded, *found)):
            yield from changes(recorded.get(key), found.get(key), f"{where}.{key}".lstrip("."))
    elif isinstance(recorded, list) and isinstance(found, list) and len(recorded) == len(found):
        for number, (one, other) in enumerate(zip(recorded, found, strict=True)):
            yield from changes(one, other, f"{where}[{number}]")
    elif isinstance(recorded, float) and isinstance(found, int | float):
        if not isclose(recorded, found, rel_tol=ACCURACY, abs_tol=1e-9):
            yield f"{where}: {recorded} -> {found}"
    elif recorded != found:
        yield f"{where}: {recorded!r} -> {found!r}"


@pytest.mark.parametrize("name", CASES)
def test_results_change_with_the_version_of_their_stage_only(name: str) -> None:
    stage, make = CASES[name]
    recorded = json.loads(path_of(name).read_text())
    assert recorded["stage_versions"] == versions(stage), "record the results of the new version: see this file's top"
    different = [*changes(recorded["results"], json.loads(json.dumps(compact(make()))))]
    assert not different, f"if this is intended, raise STAGE_VERSIONS['{stage}']:\n" + "\n".join(different[:20])


def test_every_recorded_result_has_its_case() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(CASES)


def record() -> None:
    """Record the results of every case that is new, or whose stage has another version than the recorded ones."""
    for name, (stage, make) in CASES.items():
        recorded = json.loads(path_of(name).read_text()) if path_of(name).exists() else {}
        if recorded.get("stage_versions") != versions(stage):
            content = {"stage_versions": versions(stage), "results": compact(make())}
            path_of(name).write_text(
                json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace(',"', ',\n"') + "\n"
            )
            sys.stdout.write(f"recorded {name}\n")


if __name__ == "__main__":
    record()
