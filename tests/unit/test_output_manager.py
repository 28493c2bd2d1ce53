"""Results land in the specification's folders, whole, whatever kind of object they are."""

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from daf.config import DAFConfig
from daf.errors import BadInputError
from daf.output_manager import OutputDirectories, get_output_manager
from daf.system.plain import to_plain

SPECIFIED = (
    "sweeps", "comparisons", "training", "deployment", "evaluations", "visualizations", "logs", "reports", "artifacts",
)  # fmt: skip


def test_the_example_of_the_specification(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manager = get_output_manager(base_dir=str(tmp_path / "daf_output"))
    manager.print_output_info()
    shown = capsys.readouterr().out
    for folder in SPECIFIED:
        assert f"{folder}/" in shown
    assert not (tmp_path / "daf_output").exists()  # asking creates nothing
    path = manager.save_json_results({"best": 1.5}, operation="sweep", filename="results")
    assert path == tmp_path / "daf_output" / "sweeps" / "results.json"
    assert json.loads(path.read_text()) == {"best": 1.5}
    assert [entry.name for entry in (tmp_path / "daf_output").iterdir()] == ["sweeps"]
    assert "1 file, 0.0 MB" in manager.output_info()


def test_managers_are_not_shared(tmp_path: Path) -> None:
    assert get_output_manager(tmp_path / "a").base_dir != get_output_manager(tmp_path / "b").base_dir


@dataclasses.dataclass
class Point:
    x: float
    where: Path


class WithToDict:
    def to_dict(self) -> dict[str, Any]:
        return {"kind": "own"}


def test_all_kinds_of_results() -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    plain = to_plain(
        {
            "model": DAFConfig(seed=7),
            "point": Point(1.0, Path("a/b")),
            "own": WithToDict(),
            "array": np.array([[1, 2], [3, 4]]),
            "scalar": np.float32(0.5),
            "nan": float("nan"),
            "table": pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
            "set": {3, 1},
            "time": now,
            1: (True, None),
        }
    )
    assert plain["model"]["seed"] == 7
    assert plain["point"] == {"x": 1.0, "where": "a/b"}
    assert plain["own"] == {"kind": "own"}
    assert plain["array"] == [[1, 2], [3, 4]]
    assert plain["scalar"] == 0.5
    assert plain["nan"] is None
    assert plain["table"] == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    assert (plain["set"], plain["time"], plain["1"]) == ([1, 3], "2026-01-02T00:00:00+00:00", [True, None])
    json.dumps(plain, allow_nan=False)


def test_what_json_cannot_hold_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"results\.a\[1\]\.b\n.*\n.*a object"):
        to_plain({"a": [1, {"b": object()}]})
    with pytest.raises(BadInputError, match="a mapping or a list"):
        get_output_manager(tmp_path).save_json_results(3)
    assert not list(tmp_path.iterdir())


def test_unknown_operations_and_paths_outside(tmp_path: Path) -> None:
    manager = get_output_manager(tmp_path)
    with pytest.raises(BadInputError, match=r"did you mean .*'sweep'"):
        manager.save_json_results({}, operation="sweeep")
    with pytest.raises(BadInputError, match="inside the folder"):
        manager.save_json_results({}, operation="sweep", filename="../../escaped")


def test_saved_results_are_read_back_and_folders_can_be_made(tmp_path: Path) -> None:
    manager = get_output_manager(tmp_path)
    manager.save_json_results([1, 2], "comparisons", "main/summary.json")
    assert manager.load_json_results("comparison", "main/summary") == [1, 2]
    OutputDirectories(tmp_path / "new").create()
    assert {entry.name for entry in (tmp_path / "new").iterdir()} == set(OutputDirectories(tmp_path).all())
