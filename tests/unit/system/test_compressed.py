"""Compressed content is bounded before it is unpacked: a small file cannot fill the memory."""

from __future__ import annotations

import gzip
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daf.engine.episode import unpack_actions
from daf.errors import BadInputError
from daf.statistics.score_files import read_scores
from daf.system.archives import Archive
from daf.system.compressed import unpack
from daf.system.tables import read_parquet

BOMB_BYTES = 150_000_000


@pytest.fixture(scope="module")
def bomb() -> bytes:
    return gzip.compress(bytes(BOMB_BYTES), 1)


def test_what_is_plausible_is_unpacked() -> None:
    text = b"policy,score\n" * 100
    assert unpack(zlib.compress(text), "x") == text
    assert unpack(gzip.compress(text) + gzip.compress(b"a,1\n"), "x") == text + b"a,1\n"
    assert unpack(zlib.compress(b""), "x") == b""
    assert unpack(zlib.compress(text), "x", size=len(text)) == text


def test_a_bomb_is_refused_at_the_limit(bomb: bytes, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv.gz"
    path.write_bytes(bomb)
    with pytest.raises(BadInputError, match=r"more than .* bytes"):
        read_scores(path)
    tracemalloc.start()
    with pytest.raises(BadInputError, match="more than 24 bytes"):
        unpack(bomb, "x", size=24)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("steps", [2, 4])
def test_actions_have_the_length_of_their_episode(steps: int) -> None:
    with pytest.raises(BadInputError, match=f"content of {2 * steps * 2} bytes"):
        unpack_actions(zlib.compress(bytes(2 * 3 * 2)), 2, steps)


def test_content_that_ends_early_or_is_damaged_is_refused() -> None:
    packed = zlib.compress(bytes(range(256)) * 9)
    with pytest.raises(BadInputError, match="ends early"):
        unpack(packed[:-3], "x")
    with pytest.raises(BadInputError, match="a damaged one"):
        unpack(packed[:-1] + b"\xff", "x")


def test_an_archive_and_a_table_that_would_fill_the_memory_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(BOMB_BYTES))
    with pytest.raises(BadInputError, match="150,000,000 bytes in a file of"):
        Archive(path)
    table = pa.table({"score": pa.repeat(pa.scalar(0.5), 20_000_000)})
    pq.write_table(table, tmp_path / "bomb.parquet")
    with pytest.raises(BadInputError, match="160,000,000 bytes in a file of"):
        read_parquet(tmp_path / "bomb.parquet")
