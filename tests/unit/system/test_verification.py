"""An output folder is checked in one pass: what is damaged, missing, outdated, or too old to be checked."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from daf.errors import DafError
from daf.output_manager import daf_verify_outputs
from daf.system.files import with_digest, write_json, write_text
from daf.system.job_records import JobRecord, digests_of


def record(out: Path, rule: str, inputs: list[str], outputs: list[str]) -> None:
    paths = {"inputs": inputs, "outputs": outputs}
    digests = {side: digests_of([out / name for name in names], out) for side, names in paths.items()}
    JobRecord(rule=rule, **digests).write(out / "logs" / f"{rule}.files.json")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Two jobs: a result, then a table and a page of it."""
    out = tmp_path / "out"
    write_json(out / "result.json", {"objective": 0.075})
    record(out, "run_trial", [], ["result.json"])
    write_text(out / "best.csv", "objective\n0.075\n")
    write_text(out / "page.html", "<p>0.075</p>")
    record(out, "select_best", ["result.json"], ["best.csv", "page.html"])
    return out


def problems(out: Path) -> list[str]:
    return [str(problem) for problem in daf_verify_outputs(out).problems]


def test_an_intact_folder(out: Path) -> None:
    report = daf_verify_outputs(out)
    report.require_intact()
    assert (report.num_files, report.unchecked) == (5, ())


def test_a_damaged_missing_and_outdated_file_are_named_with_what_to_do(out: Path) -> None:
    (out / "page.html").unlink()
    write_text(out / "best.csv", "objective\n9.075\n")
    assert problems(out) == [
        "best.csv: damaged: other bytes than select_best wrote; "
        f"delete it and run snakemake --force {out / 'best.csv'}",
        f"page.html: missing: select_best made it; run snakemake --force {out / 'page.html'}",
    ]
    with pytest.raises(DafError, match="2 of 4 files damaged, missing or outdated") as caught:
        daf_verify_outputs(out).require_intact()
    assert caught.value.exit_code == 1


def test_a_flipped_digit_is_refused_by_the_digest_of_the_file_itself(out: Path) -> None:
    path = out / "result.json"
    path.write_text(path.read_text().replace("0.075", "9.075"))
    assert problems(out) == [
        "result.json: damaged: expected the content that was written, found other content than its content_sha256 "
        "says: it is damaged, or was edited; delete it and run the same command again"
    ]


def test_a_result_that_was_forged_with_its_digest_is_found_through_the_records(out: Path) -> None:
    write_json(out / "result.json", {"objective": 9.01})
    assert [text.partition(";")[0] for text in problems(out)] == [
        "result.json: damaged: other bytes than run_trial wrote"
    ]
    record(out, "run_trial", [], ["result.json"])  # even if that job's record was forged, too
    assert [text.partition(";")[0] for text in problems(out)] == [
        "best.csv: outdated: select_best made it from another result.json",
        "page.html: outdated: select_best made it from another result.json",
    ]


def test_files_of_an_earlier_version_are_read_and_counted(out: Path) -> None:
    write_text(out / "old.json", json.dumps({"objective": 1}))
    report = daf_verify_outputs(out)
    assert report.is_intact
    assert report.unchecked == ("old.json",)
    assert "1 file without a digest was only read, such as old.json" in str(report)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("curve.jsonl", json.dumps(with_digest({"update": 1})).replace("1", "2", 1).encode()),
        ("table.parquet", b"PAR1PAR1"),
        ("bundle.zip", b"PK"),
        ("best.json.z", b"x\x9c\x00"),
        ("state/checkpoint-00000001-0123456789abcdef.pt", b"tensors"),
    ],
)
def test_every_format_is_read(out: Path, name: str, content: bytes) -> None:
    path = out / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    assert [text.partition(":")[0] for text in problems(out)] == [name]


def test_weights_are_compared_with_their_description(out: Path) -> None:
    (out / "model.safetensors").write_bytes(b"weights")
    write_json(out / "model.json", {"weights_sha256": "0" * 64})
    assert [text.partition(";")[0] for text in problems(out)] == [
        "model.safetensors: damaged: expected the weights that model.json describes, found others"
    ]


def test_a_folder_that_was_moved_is_intact(out: Path, tmp_path: Path) -> None:
    os.rename(out, tmp_path / "elsewhere")
    assert daf_verify_outputs(tmp_path / "elsewhere").is_intact
