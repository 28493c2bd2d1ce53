"""Reading and writing parquet files.

A file that DAF writes holds, in its footer, the sha256 of all its bytes (with zeros in place of that digest): the
checksums of pages do not cover the footer, which names the columns and holds the provenance.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from daf.errors import BadInputError
from daf.system.compressed import require_plausible
from daf.system.files import write_with
from daf.system.json_files import NOTICES
from daf.system.readers import FROM_A_RUN, reading, require_file

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

FILE_DIGEST = "daf.file_sha256"
_ZEROS = "0" * 64
# The key, the type and the length of its value in Thrift's compact protocol, and the value.
_RECORDED = re.compile(re.escape(FILE_DIGEST.encode()) + rb"\x18\x40(.{64})", re.DOTALL)
_TAIL = 8  # bytes after the footer: its length and the name of the format
_VALUE_BYTES = 8  # of a value in memory, at least


def write_parquet(path: str | Path, table: pa.Table | pd.DataFrame) -> None:
    """Write a table, atomically, with checksums of its pages and the digest of the file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = table if isinstance(table, pa.Table) else pa.Table.from_pandas(table, preserve_index=False)

    def write(temporary: Path) -> None:
        with pq.ParquetWriter(temporary, content.schema, write_page_checksum=True) as writer:
            writer.write_table(content)
            writer.add_key_value_metadata({FILE_DIGEST: _ZEROS})
        written = temporary.read_bytes()
        place = [*_RECORDED.finditer(written)][-1]
        digest = hashlib.sha256(written).hexdigest().encode()
        temporary.write_bytes(written[: place.start(1)] + digest + written[place.end(1) :])

    write_with(path, write)


def read_parquet(
    path: str | Path,
    columns: Sequence[str] | None = None,
    what: str = "a parquet file",
    hint: str = FROM_A_RUN,
    *,
    is_own: bool = False,
) -> pa.Table:
    """The table in a file; every value was checked to be one of its column's type.

    Args:
        columns: read only these.
        is_own: whether DAF wrote it, so that it should hold its digest.

    Raises:
        BadInputError: there is no such file, or it is damaged.
    """
    import pyarrow.parquet as pq

    path = _checked(path, what, hint, is_own)
    with reading(what, path, hint):
        chosen = None if columns is None else list(columns)
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            _check_size(file.metadata, path, hint)
            table = file.read(columns=chosen)
        table.validate(full=True)
        return table


def read_parquet_schema(
    path: str | Path, what: str = "a parquet file", hint: str = FROM_A_RUN, *, is_own: bool = False
) -> pa.Schema:
    """The columns and metadata of a file; as `read_parquet`."""
    import pyarrow.parquet as pq

    path = _checked(path, what, hint, is_own)
    with reading(what, path, hint):
        return pq.read_schema(path)


def _checked(path: str | Path, what: str, hint: str, is_own: bool) -> Path:
    """The path of a file whose digest, if it holds one, is that of its bytes."""
    path = require_file(path, what)
    with reading(what, path, hint):
        found = _RECORDED.search(_footer(path))
        if found is None:
            if is_own:
                NOTICES.warning(
                    f"{path} has no {FILE_DIGEST}: an earlier version of DAF wrote it; it is read unchecked"
                )
            return path
        content = path.read_bytes()
        place = [*_RECORDED.finditer(content)][-1]
        zeroed = content[: place.start(1)] + _ZEROS.encode() + content[place.end(1) :]
        if hashlib.sha256(zeroed).hexdigest().encode() != place[1]:
            problem = f"other bytes than its {FILE_DIGEST} says: it is damaged, or was changed"
            raise BadInputError(f"{what} as it was written", problem, str(path), hint)
    return path


def _footer(path: Path) -> bytes:
    """The description at the end of a file; if the length of it is wrong, what the file has."""
    with open(path, "rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - _TAIL))
        length = int.from_bytes(stream.read(4), "little")
        stream.seek(max(0, size - _TAIL - length))
        return stream.read()


def _check_size(metadata: pq.FileMetaData, path: Path, hint: str) -> None:
    """Raise unless the table that a file describes is of a plausible size: equal values take no space in a file."""
    packed = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    values = metadata.num_rows * metadata.num_columns * _VALUE_BYTES
    require_plausible(max(packed, values), path.stat().st_size, str(path), hint)
