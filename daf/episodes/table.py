"""The episodes table: one row per (checkpoint, mission, episode seed), and its file.

Every number that DAF reports about a policy is computed from these rows. They are kept in parquet files that carry
their provenance, so that anyone can compute other numbers from them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.errors import BadInputError
from daf.system.files import write_with

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

PROVENANCE_KEY = b"daf.system.provenance"

EPISODE_COLUMNS: dict[str, str] = {
    "policy": "name in the configuration",
    "checkpoint": "the policy, or <policy>-seed-<training seed> for one that DAF trained",
    "training_seed": "training seed; null if DAF did not train it",
    "mission": "mission name",
    "episode": "number of the episode, from 0",
    "seed": "environment seed; the same for every policy",
    "mean_reward": "mean over agents of the episode's total reward; null if the episode failed",
    "agent_rewards": "total reward of every agent",
    "agent_policies": "which member of a team played every agent; null if the policy plays alone",
    "objective": "the objective metric of the evaluation; null if the episode failed or has none",
    "success": "whether the mission's success expression held; null if it declares none",
    "length": "steps played",
    "timeouts": "actions that took longer than allowed, over all agents",
    "failure": "why the episode has no result; null if it has one",
    "action_counts": "JSON: how often each action was chosen, over all agents",
    "game_stats": "JSON: the engine's statistics of the game",
    "agent_stats": "JSON: the engine's statistics of every agent",
    "actions": "compressed actions, from which the episode can be played again (`daf.evaluation.replays`)",
}


def episode_schema() -> pa.Schema:
    import pyarrow as pa

    types = {
        "training_seed": pa.int64(),
        "episode": pa.int64(),
        "seed": pa.int64(),
        "mean_reward": pa.float64(),
        "objective": pa.float64(),
        "agent_rewards": pa.list_(pa.float64()),
        "agent_policies": pa.list_(pa.string()),
        "actions": pa.binary(),
        "success": pa.bool_(),
        "length": pa.int64(),
        "timeouts": pa.int64(),
    }
    return pa.schema([(name, types.get(name, pa.string())) for name in EPISODE_COLUMNS])


def episodes_frame(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a DataFrame with the table's columns and nullable types."""
    import pyarrow as pa

    return _to_pandas(pa.Table.from_pylist(list(rows), schema=episode_schema()))


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    return table.to_pandas(types_mapper=nullable.get)


def write_episodes(path: str | Path, frame: pd.DataFrame, provenance: dict[str, Any]) -> None:
    """Write the table with its provenance, atomically."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, schema=episode_schema(), preserve_index=False)
    table = table.replace_schema_metadata({PROVENANCE_KEY: json.dumps(provenance, sort_keys=True).encode()})
    write_with(path, lambda temporary: pq.write_table(table, temporary))


def read_episodes(paths: str | Path | Iterable[str | Path], columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read one table or several into one.

    Args:
        columns: only these; statistics and actions of many episodes need much memory.

    Raises:
        BadInputError: a file is missing or holds no episodes table.
    """
    import pyarrow as pa

    return _to_pandas(pa.concat_tables([_read(Path(path), columns) for path in _listed(paths)]))


def read_provenance(path: str | Path) -> dict[str, Any]:
    """The provenance that `write_episodes` stored."""
    metadata = _schema(Path(path)).metadata or {}
    if PROVENANCE_KEY not in metadata:
        raise BadInputError("an episodes table written by DAF", "no provenance in the file", str(path))
    provenance: dict[str, Any] = json.loads(metadata[PROVENANCE_KEY])
    return provenance


def _listed(paths: str | Path | Iterable[str | Path]) -> list[str | Path]:
    return [paths] if isinstance(paths, str | Path) else list(paths)


def _read(path: Path, columns: Sequence[str] | None) -> pa.Table:
    import pyarrow.parquet as pq

    _schema(path)
    return pq.read_table(path, columns=None if columns is None else list(columns))


def _schema(path: Path) -> pa.Schema:
    """The columns and metadata of a file that was found to be an episodes table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise BadInputError("an episodes table", "no such file", str(path))
    try:
        schema = pq.read_schema(path)
    except pa.ArrowInvalid as error:
        raise BadInputError("a parquet file", str(error), str(path)) from error
    missing = [name for name in EPISODE_COLUMNS if name not in schema.names]
    if missing:
        hint = "was it written by an older version of DAF? evaluate again"
        raise BadInputError("the columns of an episodes table", f"no column '{missing[0]}'", str(path), hint)
    return schema
