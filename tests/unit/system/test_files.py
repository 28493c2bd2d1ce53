"""Files appear whole or not at all, and digests depend on content alone."""

import hashlib
import json
from pathlib import Path

import pytest

from daf.errors import BadInputError
from daf.system import files, json_files


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    files.write_text(path, "old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        files.write_with(path, fail)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


def test_writing_creates_the_folder_and_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "data.bin"
    files.write_bytes(path, b"1")
    files.write_bytes(path, b"2")
    assert path.read_bytes() == b"2"
    assert files.file_sha256(path) == hashlib.sha256(b"2").hexdigest()


def test_the_temporary_file_keeps_the_suffix(tmp_path: Path) -> None:
    """numpy and pandas choose the format, or add a suffix, by the name they are given."""
    with files.atomic_path(tmp_path / "table.parquet") as temporary:
        assert temporary.suffix == ".parquet"
        assert temporary.parent == tmp_path
        temporary.write_bytes(b"")


def test_digests_ignore_the_order_of_keys_but_not_values() -> None:
    assert files.digest({"a": 1, "b": [1, 2]}) == files.digest({"b": [1, 2], "a": 1})
    assert files.digest({"a": 1}) != files.digest({"a": 2})
    assert files.digest([1, 2]) != files.digest([2, 1])
    assert files.digest({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_has_no_nan(tmp_path: Path, number: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(tmp_path / "x.json", {"a": number})
    assert not list(tmp_path.iterdir())


def test_json_round_trip_and_errors(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    files.write_json(path, {"b": 1, "a": [None, "ä"]})
    assert json_files.read_json(path) == {"a": [None, "ä"], "b": 1}
    assert list(json.loads(path.read_text())) == ["a", "b", "content_sha256"]
    path.write_text('{"a": 1,\n oops}')
    with pytest.raises(BadInputError, match="line 2"):
        json_files.read_json(path)
    with pytest.raises(BadInputError, match="no such file"):
        json_files.read_json(tmp_path / "missing.json")
