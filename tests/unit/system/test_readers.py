"""Reading: whatever is wrong with a file is an error in four parts that names it."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daf.errors import BadInputError, ConfigError
from daf.system.archives import Archive
from daf.system.json_files import read_json, read_json_lines
from daf.system.readers import read_bytes, read_text
from daf.system.tables import read_parquet
from daf.system.validated import read_record, validated
from daf.system.yaml_files import plain_value, read_yaml, repeated_keys


def refused(read: Any, path: Path, content: bytes | None = None) -> BadInputError:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInputError) as caught:
        read(path)
    error = caught.value
    assert error.expected
    assert error.hint
    assert str(path) in error.where
    assert len(error.found) <= 200
    return error


# ---- files ------------------------------------------------------------------------------------------------------


def test_what_is_no_readable_file(tmp_path: Path) -> None:
    assert refused(read_bytes, tmp_path).found == "a folder"
    (tmp_path / "room.yaml").write_text("")
    assert refused(read_bytes, tmp_path / "rom.yaml").hint == "did you mean 'room.yaml'?"
    assert "no folder" in refused(read_bytes, tmp_path / "none" / "x").hint
    assert "too long" in refused(read_bytes, tmp_path / ("x" * 300)).found


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "x").write_text("")
    monkeypatch.setattr(Path, "read_bytes", deny)
    error = refused(read_bytes, tmp_path / "x")
    assert (error.found, error.hint) == ("Permission denied", "change its permissions, or copy it")


def test_text_of_other_encodings(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes("\ufeffä\r\nb".encode())
    assert read_text(path) == "ä\nb"
    assert refused(read_text, path, b"a\nb\xe4\n").found == "byte 0xe4 in line 2, which is not UTF-8"
    assert refused(read_text, path, "a".encode("utf-16")).found == "UTF-16"


# ---- JSON -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b'{"a": 1,\n oops}', "line 2"),
        (b"[" * 5000, "nested more than 100 deep"),
        (b"[" * 101 + b"]" * 101, "nested more than 100 deep"),
        (b"[" + b"9" * 5000 + b"]", "an integer of 5000 digits"),
        (b"[18446744073709551617]", "an integer of 20 digits"),
        (b"[1e999]", "beyond the range of floats"),
        (b"[NaN]", "NaN"),
        (b'["\\ud800"]', "a lone surrogate"),
    ],
)
def test_what_is_no_json(content: bytes, found: str, tmp_path: Path) -> None:
    assert found in refused(read_json, tmp_path / "x.json", content).found


def test_keys_written_twice_in_json_are_all_named_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"a": 1,\n\t"b": {"c": 1, "c": 2},\n"a": 2}')
    with pytest.raises(ConfigError) as caught:
        read_json(path)
    assert [problem.found for problem in caught.value.problems] == [
        "'a' in line 1 and again in line 3",
        "'c' twice in line 2",
    ]


def test_lines_of_json(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1}\n\n{"a": 2}\n{"a"')
    assert read_json_lines(path) == [{"a": 1}, {"a": 2}]
    error = refused(read_json_lines, path, b'{"a": 1}\n[]\n{"a": 2}\n')
    assert error.where == f"{path}: line 2"


# ---- YAML -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e4", 1e4), ("1e-3", 1e-3), ("1_000", 1000), ("0x1f", 31), ("-5", -5), (".5", 0.5), ("on", True), ("~", None),
        ("007", "007"), ("12:30", "12:30"), ("2024-01-01", "2024-01-01"), ("1e", "1e"), ("=", "="),
    ],
)  # fmt: skip
def test_values_mean_what_they_look_like(text: str, value: Any) -> None:
    assert plain_value(text) == value
    assert type(plain_value(text)) is type(value)


def test_keys_are_text_as_written(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("on: 1\n007: 2\n12:30: 3\nnull: 4\nbase: &base {a: 1, b: 1}\nmore: {<<: *base, a: 2}\n")
    assert read_yaml(path) == {
        "on": 1, "007": 2, "12:30": 3, "null": 4, "base": {"a": 1, "b": 1}, "more": {"a": 2, "b": 1},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"a: [1", "line 1"),
        (b"a:\n\t- 1", "line 2"),
        (b"a: &x [*x]", "an alias inside"),
        (b"? [1]\n: 2", "a list or mapping as a key"),
        (b"a: !!python/object:os.system x", "the tag"),
        (b"a: !!int x", "does not fit its tag"),
        (b"a: " + b"9" * 5000, "an integer of 5000 digits"),
        (b"a: 0x" + b"f" * 40, "more than 64 bits"),
        (b"[" * 5000, "nested more than 100 deep"),
        (b'a: "\\ud800"', "a lone surrogate"),
        (b'a: "\\U00110000"', "an invalid escape"),
        (b"a: \x07", "the character '\\x07'"),
    ],
)
def test_what_is_no_plain_yaml(content: bytes, found: str, tmp_path: Path) -> None:
    assert found in refused(read_yaml, tmp_path / "x.yaml", content).found


def test_aliases_cannot_fill_the_memory(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    assert "too much data" in refused(read_yaml, tmp_path / "x.yaml", "\n".join(lines).encode()).found


def test_keys_written_twice_in_yaml_are_all_named_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a: 1\nb:\n  c: 1\n  'c': 2\na: 2\na: 3\n")
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    assert [problem.found for problem in caught.value.problems] == [
        "'a' in line 1 and again in line 5",
        "'a' in line 1 and again in line 6",
        "'c' in line 3 and again in line 4",
    ]
    assert all(problem.where == str(path) for problem in caught.value.problems)


def test_statements_of_a_profile_may_repeat() -> None:
    text = "?if a:\n  x: 1\n?if a:\n  y: 1\nz: 1\nz: 2\n"
    (problem,) = repeated_keys(text, "p.yaml", ignored_prefix="?")
    assert problem.found == "'z' in line 5 and again in line 6"


# ---- archives and tables ----------------------------------------------------------------------------------------


def archive_of(members: dict[str, bytes]) -> bytes:
    with zipfile.ZipFile(stream := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def test_damaged_archives(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    whole = archive_of({"a": b"12345" * 100, "b": b""})
    path.write_bytes(whole)
    assert Archive(path).read("a") == b"12345" * 100
    assert refused(Archive, path, b"PK nothing").expected == "a zip archive"
    damaged = whole.replace(whole[40:45], b"\x00\xff\x00\xff\x00", 1)
    assert "damaged" in refused(lambda path: Archive(path).digests(), path, damaged).found
    assert "../a" in refused(Archive, path, archive_of({"../a": b""})).found
    assert "150,000,001 bytes" in refused(Archive, path, archive_of({"a": bytes(150_000_000), "b": b"1"})).found
    assert refused(lambda path: Archive(path).read("c"), path, whole).found == "no such member"


def test_damaged_pages_of_a_table_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    options: dict[str, Any] = {"compression": "none", "use_dictionary": False, "write_page_checksum": True}
    pq.write_table(pa.table({"a": [1.25, 2.5], "b": ["cde", "fgh"]}), path, **options)
    assert read_parquet(path, ["b"]).to_pydict() == {"b": ["cde", "fgh"]}
    whole = path.read_bytes()
    assert "damaged" in refused(read_parquet, path, whole.replace(b"fgh", b"fgi")).found
    assert "damaged" in refused(read_parquet, path, whole[:-20]).found


# ---- types ------------------------------------------------------------------------------------------------------


def test_records_are_checked_key_by_key(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps([{"a": 1}, {"a": "x"}, [], {"a": True}]))
    with pytest.raises(ConfigError) as caught:
        read_record(path, list[dict[str, int]])
    assert [problem.where for problem in caught.value.problems] == [f"{path}: 1.a", f"{path}: 2"]
    assert all("delete it" in problem.hint or problem.hint for problem in caught.value.problems)


def test_a_thousand_problems_are_not_all_printed() -> None:
    with pytest.raises(ConfigError) as caught:
        validated(list[int], ["x"] * 1000, "list")
    assert len(caught.value.problems) == 51
    assert caught.value.problems[-1].found == "950 more"


def test_text_with_braces_in_an_error_of_a_validator() -> None:
    from daf.config import ExperimentConfig

    data = {"comparisons": {"c": {"policies": ["a"], "missions": ["m"], "reference": "{b}"}}}
    with pytest.raises(ConfigError, match=r"found: +'\{b\}'"):
        ExperimentConfig.from_dict(data)
