"""The episodes table: one row per checkpoint, mission and environment seed, and its file.

Every number that DAF reports about a policy is computed from these rows. They are stored in parquet files together with
their provenance, so that anyone can compute further numbers from them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NotRequired, TypedDict

from pydantic import ConfigDict

from daf.errors import BadInputError
from daf.system.columns import columns_of
from daf.system.json_files import parse_json
from daf.system.readers import FROM_A_RUN, reading
from daf.system.tables import read_parquet, read_parquet_schema, write_parquet
from daf.system.validated import validated

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

PROVENANCE_KEY = b"daf.provenance"


@dataclass(frozen=True, kw_only=True)
class EpisodeRecord:
    """One row: an episode of one checkpoint on one mission."""

    policy: Annotated[str, "name of the policy in the configuration"]
    checkpoint: Annotated[str, "the policy, or <policy>-seed-<training seed> if DAF trained it"]
    train_seed: Annotated[int | None, "training seed; null if DAF did not train the policy"]
    mission: Annotated[str, "name of the mission"]
    episode: Annotated[int, "number of the episode, counted from 0"]
    env_seed: Annotated[int, "environment seed; the same for every policy"]
    mean_reward: Annotated[float | None, "mean over agents of the episode's total reward; null if the episode failed"]
    agent_rewards: Annotated[list[float] | None, "total reward of every agent"]
    agent_policies: Annotated[list[str] | None, "team member that played each agent; null for a single policy"]
    objective: Annotated[float | None, "objective metric of the evaluation; null if the episode failed or has none"]
    success: Annotated[bool | None, "whether the mission's success expression held; null if it declares none"]
    length: Annotated[int | None, "steps played"]
    timeouts: Annotated[int | None, "actions that took longer than allowed, over all agents"]
    agent_timeouts: Annotated[list[int] | None, "the same for every agent"]
    failure: Annotated[str | None, "why the episode has no result; null if it has one"]
    action_counts: Annotated[str | None, "JSON: how often each action was chosen, over all agents"]
    game_stats: Annotated[str | None, "JSON: the engine's statistics of the game"]
    agent_stats: Annotated[str | None, "JSON: the engine's statistics of every agent"]
    actions: Annotated[bytes | None, "compressed actions, which replay the episode (`daf.evaluation.replays`)"]


EPISODE_COLUMNS = columns_of(EpisodeRecord)


def episode_schema() -> pa.Schema:
    """The table's columns with the types of the file."""
    import pyarrow as pa

    types = {
        "text": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "boolean": pa.bool_(),
        "bytes": pa.binary(),
        "list of integers": pa.list_(pa.int64()),
        "list of numbers": pa.list_(pa.float64()),
        "list of texts": pa.list_(pa.string()),
    }
    return pa.schema([(name, types[column.kind]) for name, column in EPISODE_COLUMNS.items()])


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

    table = pa.Table.from_pandas(frame, schema=episode_schema(), preserve_index=False)
    table = table.replace_schema_metadata({PROVENANCE_KEY: json.dumps(provenance, sort_keys=True).encode()})
    write_parquet(path, table)


def read_episodes(paths: str | Path | Iterable[str | Path], columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read one or more tables into one.

    Args:
        columns: read only these; the statistics and actions of many episodes need a lot of memory.

    Raises:
        BadInputError: a file is missing or holds no episodes table.
    """
    import pyarrow as pa

    return _to_pandas(pa.concat_tables([_read(path, columns) for path in _listed(paths)]))


def read_provenance(path: str | Path) -> dict[str, Any]:
    """The provenance that `write_episodes` stored."""
    metadata = _schema(path).metadata or {}
    if PROVENANCE_KEY not in metadata:
        hint = "a table that another program wrote is read by daf_compare_scores"
        raise BadInputError("an episodes table written by DAF", "no provenance in the file", str(path), hint)
    where = f"{path}: provenance"
    return validated(dict[str, Any], parse_json(metadata[PROVENANCE_KEY], where), where, FROM_A_RUN)


class ShardRecord(TypedDict):
    """What the provenance of one shard says; other keys are kept.

    Attributes:
        note: what a reader of the results needs to know about the policy; empty: nothing.
        recipe_digest: digest of what determines the episodes.
        mission: the mission's `name` and `success` expression.
    """

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    note: str | None
    recipe_digest: str
    mission: NotRequired[dict[str, Any]]


def read_shard_records(path: str | Path) -> list[ShardRecord]:
    """The provenance of every shard in a merged table."""
    return validated(list[ShardRecord], read_provenance(path).get("shards"), f"{path}: provenance", FROM_A_RUN)


def _listed(paths: str | Path | Iterable[str | Path]) -> list[str | Path]:
    return [paths] if isinstance(paths, str | Path) else list(paths)


def _read(path: str | Path, columns: Sequence[str] | None) -> pa.Table:
    import pyarrow as pa

    _schema(path)
    names = list(EPISODE_COLUMNS if columns is None else columns)
    table = read_parquet(path, names, "an episodes table", is_own=True)
    with reading("the columns of an episodes table", path, FROM_A_RUN):
        return table.select(names).cast(pa.schema([episode_schema().field(name) for name in names]))


def _schema(path: str | Path) -> pa.Schema:
    """The columns and metadata of an episodes table.

    Raises:
        BadInputError: the file is missing or holds something else.
    """
    schema = read_parquet_schema(path, "an episodes table", is_own=True)
    missing = [name for name in EPISODE_COLUMNS if name not in schema.names]
    if missing:
        hint = "was it written by an older version of DAF? evaluate again"
        raise BadInputError("the columns of an episodes table", f"no column '{missing[0]}'", str(path), hint)
    return schema
