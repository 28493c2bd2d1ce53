"""Layouts of score tables that need a conversion: recognized, so that an error says which."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from daf.statistics.score_files import ALIAS, KNOWN, NAMES, NEEDED

if TYPE_CHECKING:
    import pandas as pd

MEANINGS = {
    "policy": ("agent", "algorithm", "algo", "method", "model"),
    "mission": ("game", "env", "environment", "task"),
    "seed": ("run", "trial", "training_seed"),
    "score": ("value", "return", "reward", "mean_reward", "episode_return", "mean_episode_return"),
}
"""What published tables call the columns."""
ROW = "write a row for each score, with policy, mission and score"
SINGLE_RUNS = "a mean with its spread is not enough: write the score of every single run, a row for each"
ONE_NUMBER = "write one number, with a decimal point and no other mark; leave the cell empty if there is no result"
SUMMARIES = {"mean", "median", "average", "avg", "iqm", "total", "sum"}
_SPREAD = re.compile(r"(^|[^a-z])(std|sd|stdev|stddev|stderr|sem|se|ci|ci95|var|variance)($|[^a-z])")
_MEAN = re.compile(r"(^|[^a-z])(mean|avg|average|median|iqm)($|[^a-z])")
_NUMBER = re.compile(r"\s*[-+\N{MINUS SIGN}]?\.?\d")
_WITH_SPREAD = re.compile(r"\d\s*(±|\+/-|\+-|\()\s*[\d.]|\d\s*\[")


def how_to_convert(table: pd.DataFrame) -> str:
    """A hint for a table that lacks a needed column."""
    levels = [str(name) for name in table.index.names if name is not None]
    if any(_meaning(name) for name in levels) and table.columns.name is None:
        return f"make columns of the index: table.reset_index(), which adds {' and '.join(map(repr, levels))}"
    columns = list(table.columns)
    meanings = {column: meaning for column in columns if (meaning := _meaning(column))}
    rest = [column for column in columns if column not in meanings]
    has_score = "score" in meanings.values()
    wide = [] if has_score else [column for column in rest if _is_numeric(table[column])]
    spread = any(_SPREAD.search(str(column).lower()) for column in rest)
    mean = any(_MEAN.search(str(column).lower()) for column in columns)
    if (spread and (mean or not has_score)) or any(_have_spread(table[column]) for column in wide):
        return SINGLE_RUNS
    if len(wide) > 1 and meanings:
        missing = next((name for name in NAMES if name not in meanings.values()), ALIAS)
        ids = [column for column in columns if column in meanings]
        return _joined(f"unpivot it: table.melt({ids}, var_name='{missing}', value_name='score')", _renamed(columns))
    if table.columns.name is not None and levels:  # of pandas' pivot
        return "unpivot it: table.melt(ignore_index=False, value_name='score').reset_index()"
    complete = all(name in {**meanings, **_near(columns)}.values() for name in NEEDED)
    return _joined(_renamed(columns), "" if complete else ROW)


def why_no_number(text: Any) -> str:
    """A hint for a cell that cannot be read as a number."""
    cell = str(text).strip()
    if _WITH_SPREAD.search(cell):
        return SINGLE_RUNS
    if cell.endswith("%"):
        return "write scores without a percent sign, all in the same unit"
    return ONE_NUMBER


def _meaning(column: Any) -> str:
    """What a column means, by its own name or by one that published tables use; empty if unknown."""
    plain = str(column).strip().lower()
    if plain in KNOWN:
        return ALIAS if plain == "train_seed" else plain
    return next((name for name, others in MEANINGS.items() if plain in others), "")


def _near(columns: Sequence[Any]) -> dict[Any, str]:
    """By column the needed name that it nearly has, for those that no column has."""
    meant = {_meaning(column) for column in columns}
    others = {str(column).strip().lower(): column for column in columns if not _meaning(column)}
    found = {}
    for name in NEEDED:
        if name not in meant and (near := get_close_matches(name, list(others), n=1)):
            found[others[near[0]]] = name
    return found


def _renamed(columns: Sequence[Any]) -> str:
    """Which columns to rename."""
    plain = {str(column).strip().lower() for column in columns}
    found: dict[str, Any] = {}
    for name, others in MEANINGS.items():
        for other in others:
            known = name in plain or (name == ALIAS and "train_seed" in plain)
            if other in plain and not known:
                found[name] = next(column for column in columns if str(column).strip().lower() == other)
    found |= {name: column for column, name in _near(columns).items()}
    names = ", ".join(f"'{column}' to '{name}'" for name, column in found.items())
    return f"rename {names}" if names else ""


def _is_numeric(values: pd.Series[Any] | pd.DataFrame) -> bool:
    """Whether any cell begins as a number does."""
    return any(_NUMBER.match(str(value)) for value in values.to_numpy().ravel())


def _have_spread(values: pd.Series[Any] | pd.DataFrame) -> bool:
    return any(_WITH_SPREAD.search(str(value)) for value in values.to_numpy().ravel())


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


# ---- names ------------------------------------------------------------------------------------------------


def notes_on_names(table: pd.DataFrame) -> list[str]:
    """Notes on names that hardly differ, and on missions that look like rows of a summary."""
    notes = []
    for column, plural in (("policy", "policies"), ("mission", "missions")):
        alike: dict[str, list[str]] = {}
        for name in dict.fromkeys(table[column]):
            alike.setdefault(re.sub(r"[\s_-]+", "", name).casefold(), []).append(name)
        for names in alike.values():
            if len(names) > 1:
                shown = " and ".join(repr(name) for name in names)
                notes.append(f"{shown} count as different {plural}; if they are the same, write the name in one way.")
    summaries = [name for name in dict.fromkeys(table["mission"]) if name.casefold() in SUMMARIES]
    if summaries and len(set(table["mission"])) > len(summaries):
        shown = " and ".join(repr(name) for name in summaries)
        notes.append(f"{shown} in the column 'mission' counts as a mission; if it sums up the others, leave it out.")
    return notes


def notes_on_copies(table: pd.DataFrame, *, numbered: bool) -> list[str]:
    """A note on rows that repeat another one, fractional score included, where nothing says that they are episodes.

    Args:
        numbered: whether the table numbers its episodes.
    """
    if numbered:
        return []
    fractional = table[table["score"].notna() & (table["score"] % 1 != 0)]
    copies = int(fractional.duplicated(["policy", "mission", "train_seed", "score"]).sum())
    if not copies:
        return []
    if copies == 1:
        return [
            "1 row repeats another one, with the same score, and counts as a further episode; if it is a copy, delete "
            "it."
        ]
    return [
        f"{copies:,} rows repeat others, with the same scores, and count as further episodes; if they are copies, "
        "delete them."
    ]
