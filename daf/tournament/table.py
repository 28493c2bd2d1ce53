"""The seats table: one row per episode and seat, and its file.

Every number that a tournament reports is computed from these rows, or from a league's table (`daf.tournament.league`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
WHAT = "a seats table"
Status = Literal["played", "failed"]


@dataclass(frozen=True, kw_only=True)
class SeatRecord:
    """One row: a seat in an episode of a match."""

    mission: Annotated[str, "name of the mission"]
    match: Annotated[str, "name of the match: its policies, and a digest of who sits where"]
    episode: Annotated[int, "number of the episode, counted from 0; the same number is the same seed in all matches"]
    env_seed: Annotated[int, "environment seed"]
    seat: Annotated[int, "index of the agent"]
    policy: Annotated[str, "name of the policy in the configuration"]
    train_seed: Annotated[int | None, "training seed; null if DAF did not train the policy"]
    in_pool: Annotated[bool, "whether the policy plays for the pool, not as a candidate"]
    agent_reward: Annotated[float | None, "total reward of the agent; null if the episode failed"]
    team_reward: Annotated[float | None, "mean of the agents' total rewards; null if the episode failed"]
    length: Annotated[int | None, "steps played"]
    actions: Annotated[str | None, "JSON: how often the agent chose each action"]
    timeouts: Annotated[int | None, "actions of the agent that took longer than allowed"]
    status: Annotated[Status, "`played` or `failed`; a failed episode is failed in all of its seats"]
    failure: Annotated[str | None, "why the episode failed, in the seats of the policies that caused it"]


SEAT_COLUMNS = columns_of(SeatRecord)
_KEY = ["match", "episode", "seat"]
_NEVER_NULL = tuple(
    name for name in SEAT_COLUMNS
    if name not in ("train_seed", "agent_reward", "team_reward", "length", "actions", "timeouts", "failure")
)  # fmt: skip
_CLOSE = 1e-6  # relative: the mean of rewards against the team's, whatever the order and precision of the sum


def seat_schema() -> pa.Schema:
    """The table's columns with the types of the file."""
    import pyarrow as pa

    types = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
    return pa.schema([(name, types[column.kind]) for name, column in SEAT_COLUMNS.items()])


def seats_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a checked DataFrame with the table's columns and nullable types."""
    import pyarrow as pa

    return check_seats(_to_pandas(pa.Table.from_pylist(list(rows), schema=seat_schema())))


def empty_seats() -> pd.DataFrame:
    """The table without rows, for a batch of episodes that is not played."""
    return _to_pandas(seat_schema().empty_table())


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    return table.to_pandas(types_mapper=nullable.get)


def write_seats(path: str | Path, frame: pd.DataFrame, provenance: Mapping[str, Any]) -> None:
    """Write the table with its provenance, atomically."""
    import pyarrow as pa

    table = pa.Table.from_pandas(frame, schema=seat_schema(), preserve_index=False)
    text = json.dumps(dict(provenance), sort_keys=True)
    write_parquet(path, table.replace_schema_metadata({PROVENANCE_KEY: text.encode()}))


def read_seats(paths: str | Path | Iterable[str | Path]) -> pd.DataFrame:
    """Read one or more tables into one.

    Raises:
        BadInputError: a file is missing or does not contain a seats table, or rows contradict each other.
    """
    import pyarrow as pa

    listed = [paths] if isinstance(paths, str | Path) else list(paths)
    tables = [_read(path) for path in listed]
    where = str(listed[0]) if len(listed) == 1 else "seats table"
    return check_seats(_to_pandas(pa.concat_tables(tables)), where)


def read_provenance(path: str | Path) -> dict[str, Any]:
    """The provenance that `write_seats` stored."""
    metadata = read_parquet_schema(path, WHAT, is_own=True).metadata or {}
    if PROVENANCE_KEY not in metadata:
        raise BadInputError("a seats table written by DAF", "no provenance in the file", str(path), FROM_A_RUN)
    where = f"{path}: provenance"
    return validated(dict[str, Any], parse_json(metadata[PROVENANCE_KEY], where), where, FROM_A_RUN)


def _read(path: str | Path) -> pa.Table:
    schema = read_parquet_schema(path, WHAT, is_own=True)
    if missing := [name for name in SEAT_COLUMNS if name not in schema.names]:
        hint = "was it written by an older version of DAF? play the match again"
        raise BadInputError("the columns of a seats table", f"no column '{missing[0]}'", str(path), hint)
    table = read_parquet(path, list(SEAT_COLUMNS), WHAT, is_own=True)
    with reading(WHAT, path, FROM_A_RUN):
        return table.select(list(SEAT_COLUMNS)).cast(seat_schema())


# ---- checks -----------------------------------------------------------------------------------------------


def check_seats(frame: pd.DataFrame, where: str = "seats table") -> pd.DataFrame:
    """The rows sorted by match, episode and seat; every episode complete and free of contradictions.

    Raises:
        BadInputError: a seat is missing or occurs twice, seats of one episode disagree about the episode, a played
            episode lacks a reward, or a failed one has any or lacks a reason.
    """
    if frame.empty:
        raise BadInputError("seats of episodes", "no rows", where)
    for name in _NEVER_NULL:
        if frame[name].isna().any():
            raise BadInputError("a value in every row", "an empty one", f"{where}: {name}", FROM_A_RUN)
    frame = frame.sort_values(_KEY, kind="stable").reset_index(drop=True)
    episodes = frame.groupby(["match", "episode"], sort=False)
    for name in ("mission", "env_seed", "team_reward", "length", "status"):
        _refuse(frame, episodes[name].transform("nunique", dropna=False) > 1, where, "one value of " + name)
    expected = "seats 0, 1, 2, … of every episode, each once"
    _refuse(frame, frame["seat"] != episodes.cumcount(), where, expected, "seat")
    seats = episodes["seat"].transform("size")
    per_mission = seats.groupby(frame["mission"]).transform("first")
    _refuse(frame, seats != per_mission, where, "equal numbers of seats in all episodes of a mission", "seat")
    _check_rewards(frame, where)
    return frame


def _check_rewards(frame: pd.DataFrame, where: str) -> None:
    import numpy as np

    played = frame["status"] == "played"
    _refuse(frame, ~(played | (frame["status"] == "failed")), where, "status `played` or `failed`", "status")
    for name in ("agent_reward", "team_reward"):
        finite = np.isfinite(frame[name].astype(float))
        _refuse(frame, played & ~finite, where, "finite rewards of every episode that was played", name)
        _refuse(frame, ~played & frame[name].notna(), where, "no rewards of a failed episode", name)
    keys = [frame["match"], frame["episode"]]
    named = frame["failure"].notna().groupby(keys, sort=False).transform("any")
    _refuse(frame, ~played & ~named, where, "the reason of every failed episode", "failure")
    _refuse(frame, played & frame["failure"].notna(), where, "no failure of an episode that was played", "failure")
    groups = frame["agent_reward"].groupby(keys, sort=False)
    size = frame["agent_reward"].abs().groupby(keys, sort=False).transform("max")
    gap = (groups.transform("mean") - frame["team_reward"]).abs()
    _refuse(frame, played & (gap > _CLOSE * size), where, "the mean of the agents' rewards", "team_reward")


def _refuse(frame: pd.DataFrame, wrong: pd.Series, where: str, expected: str, column: str = "") -> None:
    """Raise an error that names the first wrong row."""
    wrong = wrong.fillna(True).astype(bool)
    if not wrong.any():
        return
    row = frame[wrong].iloc[0]
    found = f"seat {row['seat']} of episode {row['episode']} of {row['match']}"
    if column:
        found += f": {row[column]}"
    raise BadInputError(expected, found, where if not column else f"{where}: {column}", FROM_A_RUN)
