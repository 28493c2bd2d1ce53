"""Reading parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from daf.system.readers import FROM_A_RUN, reading, require_file

if TYPE_CHECKING:
    import pyarrow as pa


def read_parquet(
    path: str | Path, columns: Sequence[str] | None = None, what: str = "a parquet file", hint: str = FROM_A_RUN
) -> pa.Table:
    """The table in a file; every value was checked to be one of its column's type.

    Args:
        columns: read only these.

    Raises:
        BadInputError: there is no such file, or it is damaged.
    """
    import pyarrow.parquet as pq

    path = require_file(path, what)
    with reading(what, path, hint):
        chosen = None if columns is None else list(columns)
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read(columns=chosen)
        table.validate(full=True)
        return table


def read_parquet_schema(path: str | Path, what: str = "a parquet file", hint: str = FROM_A_RUN) -> pa.Schema:
    """The columns and metadata of a file; raises as `read_parquet`."""
    import pyarrow.parquet as pq

    path = require_file(path, what)
    with reading(what, path, hint):
        return pq.read_schema(path)
