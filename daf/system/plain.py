"""Any value as JSON-ready data."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from daf.errors import BadInputError


def to_plain(value: Any, where: str = "results") -> Any:
    """Convert a value to JSON-ready data, including models, dataclasses, paths, times, numpy and pandas values.

    NaN and infinity, which JSON lacks, become null.

    Raises:
        BadInputError: a value of another kind; the error's `where` includes its key.
    """
    if value is None or isinstance(value, str | bool):
        return value.value if isinstance(value, enum.Enum) else value
    if isinstance(value, enum.Enum):
        return to_plain(value.value, where)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_key(key, where): to_plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, set | frozenset):
        return sorted((to_plain(item, where) for item in value), key=repr)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    return _object_to_plain(value, where)


def _object_to_plain(value: Any, where: str) -> Any:
    if isinstance(value, type):
        raise BadInputError("data", f"the class {value.__name__}", where)
    if type(value).__name__ in ("NAType", "NaTType"):  # what pandas writes for a missing value
        return None
    if type(value).__module__.partition(".")[0] == "pandas" and hasattr(value, "to_dict"):
        # A table is a list of rows; to_dict's default would be a mapping of columns to mappings.
        return to_plain(value.to_dict(orient="records") if hasattr(value, "columns") else value.to_dict(), where)
    for method in ("to_dict", "model_dump"):
        if callable(getattr(value, method, None)):
            return to_plain(getattr(value, method)(), where)
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return {field.name: to_plain(getattr(value, field.name), f"{where}.{field.name}") for field in fields}
    if callable(getattr(value, "tolist", None)):  # numpy arrays and scalars, torch tensors
        return to_plain(value.tolist(), where)
    hint = "give the class a to_dict() method, or convert the value first"
    raise BadInputError("data that JSON can hold", f"a {type(value).__name__}", where, hint)


def flatten(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of nested mappings by dotted key."""
    flat: dict[str, Any] = {}
    for key, value in data.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _key(key: Any, where: str) -> str:
    if isinstance(key, str | int | float | bool) or key is None:
        return str(key)
    raise BadInputError("text as key", f"{key!r} ({type(key).__name__})", where, "turn the keys into text first")
