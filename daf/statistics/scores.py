"""External tables of scores: validated, and converted into an episodes table."""

from __future__ import annotations

from collections.abc import Collection
from math import inf
from typing import TYPE_CHECKING, Any

from daf.errors import BadInputError
from daf.statistics.marl_eval_files import NOTES
from daf.statistics.other_layouts import how_to_convert, notes_on_copies, notes_on_names, why_no_number
from daf.statistics.score_files import ALIAS, KNOWN, MISSING_SCORE, NAMES, NEEDED, OPTIONAL, PLACED, place_of

if TYPE_CHECKING:
    import pandas as pd

RUN = ["policy", "mission", "train_seed"]
LARGEST_INTEGER = 2**63 - 1  # of the integers in a table
MINUS = "\N{MINUS SIGN}"  # of tables that were copied from a page
LARGEST_FLOAT = 2**53  # beyond it, floats skip whole numbers
LARGEST_SCORE = 1e305  # sums of larger ones may be infinite


def to_episodes(scores: pd.DataFrame, where: str = "table of scores") -> tuple[pd.DataFrame, list[str]]:
    """An episodes table from columns policy, mission, score and, if known, train_seed (or seed) and episode.

    A missing score is an episode without a result. Without a column `episode`, the rows of each policy, mission and
    training seed are numbered in their order. Rows with the same mission and episode number are paired; if the numbers
    have no common meaning, pairs are random, which only costs power. Training seeds that are names are numbered in the
    order of their first appearance.

    Returns:
        The episodes table, and notes on how it was read.

    Raises:
        BadInputError: a column is missing or has invalid values, a row occurs twice, or training seeds are known for
            only some rows of a policy.
    """
    import pandas as pd

    frame = _known_columns(scores, where)
    for name in NAMES:
        nameless = frame[name].isna() | (frame[name].astype(str).str.strip() == "")
        if nameless.any():
            hint = f"name the {name} there, or delete the row"
            raise BadInputError(f"a {name} in every row", f"none in {place_of(frame, nameless.idxmax())}", where, hint)
        frame[name] = frame[name].astype(str).str.strip()
    frame["score"] = _finite(_numbers(frame["score"], "score", where).astype("float64"), where)
    frame["train_seed"], seed_notes = _train_seeds(frame, ALIAS if ALIAS in scores.columns else "train_seed", where)
    frame["episode"], episode_notes = _episode_numbers(frame, where)
    repeated = frame[frame.duplicated([*RUN, "episode"])]
    if not repeated.empty:
        row = repeated.iloc[0]
        seed = "" if pd.isna(row["train_seed"]) else f", seed {row['train_seed']}"
        what = f"{row['policy']} on {row['mission']}{seed}, episode {row['episode']} twice"
        what = f"{what}, again in {place_of(frame, repeated.index[0])}"
        hint = "delete the repeated row, or number episodes and training seeds apart"
        raise BadInputError("one row per policy, mission, training seed and episode", what, where, hint)
    seeds = frame["train_seed"]
    label = frame["policy"].where(seeds.isna(), frame["policy"] + "-seed-" + seeds.astype(str))
    missing = frame["score"].isna()
    table = pd.DataFrame(
        {
            "policy": frame["policy"],
            "checkpoint": label.astype(object),
            "train_seed": seeds,
            "mission": frame["mission"],
            "episode": frame["episode"].astype("Int64"),
            "env_seed": frame["episode"].astype("Int64"),
            "mean_reward": frame["score"],
            "failure": pd.Series(None, frame.index, object).mask(missing, MISSING_SCORE),
        }
    )
    notes = [*scores.attrs.get(NOTES, ()), *_unused(scores), *notes_on_names(frame), *seed_notes, *episode_notes]
    notes += notes_on_copies(frame, numbered="episode" in scores.columns)
    return table.reset_index(drop=True), notes


def _known_columns(scores: pd.DataFrame, where: str) -> pd.DataFrame:
    """The relevant columns, with `seed` renamed to `train_seed`."""
    columns = list(scores.columns)
    for name in NEEDED:
        if name not in columns:
            raise BadInputError(f"a column '{name}'", _listed(scores), where, how_to_convert(scores))
    if scores.empty:
        raise BadInputError("scores", "no rows", where, "write a row for each score")
    for name in (*NEEDED, *OPTIONAL, ALIAS):
        if (count := columns.count(name)) > 1:
            raise BadInputError(f"one column '{name}'", f"{count} of that name", where)
    if "train_seed" in columns and ALIAS in columns:
        hint = "both name the training seed: leave one of them out"
        raise BadInputError(f"a column 'train_seed' or '{ALIAS}'", "both", where, hint)
    frame = scores.rename(columns={ALIAS: "train_seed"})
    frame = frame[[name for name in (*NEEDED, *OPTIONAL) if name in frame.columns]]
    if not scores.attrs.get(PLACED):
        frame = frame.reset_index(drop=True)
    for name, column in frame.items():
        if column.dtype == object:
            frame[name] = values = column.map(_scalar)
            single = values.map(lambda value: not isinstance(value, Collection) or isinstance(value, str | bytes))
            if not single.all():
                row = single.idxmin()
                found, hint = f"{values[row]!r} in {place_of(frame, row)}", "write one row for each of them"
                raise BadInputError("one value per row", found, f"{where}: {name}", hint)
    return frame


def _scalar(value: Any) -> Any:
    """An array or tensor without a dimension as a number."""
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


def _train_seeds(frame: pd.DataFrame, column: str, where: str) -> tuple[pd.Series[int], list[str]]:
    """Training seeds as numbers, missing where there are none, and notes on how they were read.

    Args:
        column: the user's name of the column.
    """
    import pandas as pd

    if "train_seed" not in frame:
        return pd.Series(pd.NA, frame.index, "Int64"), []
    seeds, notes = _numbered_seeds(frame["train_seed"], column, where)
    known = seeds.notna().groupby(frame["policy"], sort=False).mean()
    partly = known[(known > 0) & (known < 1)]
    if not partly.empty:
        policy = partly.index[0]
        empty = place_of(frame, (seeds.isna() & (frame["policy"] == policy)).idxmax())
        problem = f"{policy} has some, but none in {empty}"
        expected, hint = (
            "a training seed in every row of a policy, or in none",
            "fill the empty cells, or empty all of them",
        )
        raise BadInputError(expected, problem, f"{where}: {column}", hint)
    return seeds, notes


def _episode_numbers(frame: pd.DataFrame, where: str) -> tuple[pd.Series[int], list[str]]:
    """The episode numbers of the table, else the rows of each policy, mission and training seed numbered."""
    if "episode" not in frame:
        numbers = frame.groupby(RUN, sort=False, dropna=False).cumcount()
        note = (
            "The table has no column 'episode': the rows of each run were numbered in order and count as its episodes; "
            "equal numbers make a pair. If they are points of a learning curve, keep those of one step."
        )
        return numbers, [note] if numbers.max() > 0 else []
    episodes = _whole(frame["episode"], "episode", where)
    if episodes.isna().any():
        hint = "fill the empty cells, or leave the column out: rows are then numbered"
        found = f"none in {place_of(frame, episodes.isna().idxmax())}"
        raise BadInputError("an episode number in every row", found, f"{where}: episode", hint)
    if (negative := episodes < 0).any():
        row = negative.idxmax()
        found = f"{episodes[row]} in {place_of(frame, row)}"
        raise BadInputError("episode numbers of at least 0", found, f"{where}: episode")
    return episodes, []


def _unused(frame: pd.DataFrame) -> list[str]:
    """A note on columns without a meaning."""
    unused = [f"'{column}'" for column in frame.columns if column not in KNOWN]
    if not unused:
        return []
    more = f" and {len(unused) - 10} more" if len(unused) > 10 else ""
    return [f"Columns of the table that are not used: {', '.join(unused[:10])}{more}."]


def _listed(frame: pd.DataFrame) -> str:
    return "columns " + ", ".join(map(str, frame.columns)) if len(frame.columns) else "no columns"


def _numbers(values: pd.Series[float], name: str, where: str) -> pd.Series[float]:
    import pandas as pd

    if values.dtype == object or values.dtype == "string":
        values = values.map(lambda value: value.replace(MINUS, "-") if isinstance(value, str) else value)
    numbers = pd.to_numeric(values, errors="coerce")
    wrong = numbers.isna() & values.notna()
    types = pd.api.types
    others = (types.is_complex_dtype, types.is_datetime64_any_dtype, types.is_timedelta64_dtype)
    if any(is_other(column) for is_other in others for column in (values, numbers)):
        wrong = values.notna()
    if wrong.any():
        row = wrong.idxmax()
        found = f"'{values[row]}' in {place_of(values, row)}"
        raise BadInputError("numbers", found, f"{where}: {name}", why_no_number(values[row]))
    return numbers


def _finite(scores: pd.Series[float], where: str) -> pd.Series[float]:
    wrong = scores.abs() > LARGEST_SCORE
    if wrong.any():
        row = wrong.idxmax()
        expected, hint = f"scores of at most {LARGEST_SCORE:g} in size", "are they in another unit?"
        if abs(scores[row]) == inf:
            expected, hint = "finite scores", "leave the cell empty if there is no result"
        raise BadInputError(expected, f"{scores[row]:g} in {place_of(scores, row)}", f"{where}: score", hint)
    return scores


def _whole(values: pd.Series[float], name: str, where: str) -> pd.Series[int]:
    import pandas as pd

    numbers = _numbers(values, name, where)
    exact = pd.api.types.is_integer_dtype(numbers)  # then they never become floats
    limit = LARGEST_INTEGER if exact else LARGEST_FLOAT
    numbers = numbers if exact else numbers.astype("float64")
    wrong = numbers.notna() & ~((numbers == numbers.round()) & (numbers.abs() <= limit))
    if wrong.any():
        row = wrong.idxmax()
        large = limit < abs(numbers[row]) < inf
        hint = "write whole numbers: 1, 2, 3, …"
        if large:
            hint = (
                "number from 0" if exact else "floats cannot represent larger ones exactly; use integers without gaps"
            )
        raise BadInputError(
            f"whole numbers up to {limit}" if large else "whole numbers",
            f"'{values[row]}' in {place_of(values, row)}",
            f"{where}: {name}",
            hint,
        )
    return numbers.astype("Int64")


def _numbered_seeds(values: pd.Series[Any], column: str, where: str) -> tuple[pd.Series[int], list[str]]:
    """Training seeds as numbers; names are numbered in the order of their first appearance, which a note says."""
    import pandas as pd

    if not (values.notna() & pd.to_numeric(values, errors="coerce").isna()).any():
        return _whole(values, column, where), []
    text = values.astype("string").str.strip()
    text = text.mask(text == "")
    codes, names = pd.factorize(text)
    numbers = pd.Series(codes, values.index, "Int64").mask(text.isna())
    shown = ", ".join(f"{number} is {name}" for number, name in enumerate(names[:10]))
    rest = f", … ({len(names)} in all)" if len(names) > 10 else ""
    return numbers, [f"Training seeds are names in the table and were numbered as they first appear: {shown}{rest}."]
