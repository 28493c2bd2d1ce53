"""Tables of scores that users bring: read, checked, and brought into the form of an episodes table."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.errors import BadInputError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

NAMES = ("policy", "mission")
NEEDED = (*NAMES, "score")
OPTIONAL = ("seed", "episode")
LARGEST = 2**63 - 1  # of the integers that a table holds
LARGEST_FLOAT = 2**53  # beyond it, floats skip whole numbers


def read_scores(source: pd.DataFrame | str | Path) -> pd.DataFrame:
    """A table of scores from a DataFrame, a .csv or a .parquet file.

    Raises:
        BadInputError: no such file, another kind of file, or one that cannot be read.
    """
    import pandas as pd

    if isinstance(source, pd.DataFrame):
        return source
    path = Path(source)
    if not path.is_file():
        raise BadInputError("a table of scores", "no such file", str(path))
    readers = {".csv": _read_csv, ".parquet": pd.read_parquet}
    if path.suffix not in readers:
        raise BadInputError("a .csv or .parquet file", f"'{path.suffix}'", str(path))
    try:
        return readers[path.suffix](path)
    except (ValueError, OSError) as error:  # pandas and pyarrow raise their own kinds of ValueError
        raise BadInputError(f"a {path.suffix} file", str(error), str(path)) from error


def _read_csv(path: Path) -> pd.DataFrame:
    """A .csv in which "None" or "NA" is a missing number, but a name like any other where names stand."""
    import pandas as pd

    names = pd.read_csv(path, usecols=lambda name: name in NAMES, dtype=str, keep_default_na=False)
    return pd.read_csv(path).assign(**{name: names[name] for name in names.columns})


def to_episodes(scores: pd.DataFrame, where: str = "table of scores") -> tuple[pd.DataFrame, list[str]]:
    """An episodes table from columns policy, mission, score and, if known, seed (of the training) and episode.

    A missing score is an episode without result. Without a column `episode`, the rows of a policy, mission and seed are
    numbered as they stand. Rows of the same mission and episode number are pairs; numbers that mean nothing in common
    make random pairs, which costs power and nothing else. Training seeds that are names are numbered in the order of
    their first appearance.

    Returns:
        The episodes table, and what has to be said about it.

    Raises:
        BadInputError: a column is missing or holds something else, a row occurs twice, or training seeds are known for
            some rows of a policy only.
    """
    import pandas as pd

    for name in NEEDED:
        if name not in scores.columns:
            raise BadInputError(f"a column '{name}'", _listed(scores), where, did_you_mean(name, list(scores.columns)))
    if scores.empty:
        raise BadInputError("scores", "no rows", where)
    for name in (*NEEDED, *OPTIONAL):
        if (count := list(scores.columns).count(name)) > 1:
            raise BadInputError(f"one column '{name}'", f"{count} of that name", where)
    frame = scores[[name for name in (*NEEDED, *OPTIONAL) if name in scores.columns]].reset_index(drop=True)
    notes: list[str] = []
    for name in NAMES:
        nameless = frame[name].isna() | (frame[name].astype(str).str.strip() == "")
        if nameless.any():
            raise BadInputError(f"a {name} in every row", f"none in row {nameless.idxmax()}", where)
        frame[name] = frame[name].astype(str)
    frame["score"] = _numbers(frame["score"], "score", where).astype("float64")
    if "seed" in frame:
        frame["seed"], said = _training_seeds(frame["seed"], where)
        notes += said
    else:
        frame["seed"] = pd.Series(pd.NA, frame.index, "Int64")
    known = frame.groupby("policy", sort=False)["seed"].agg(lambda seeds: seeds.notna().mean())
    partly = known[(known > 0) & (known < 1)]
    if not partly.empty:
        found = f"some rows of {partly.index[0]} have none"
        raise BadInputError("a training seed in every row of a policy, or in none", found, f"{where}: seed")
    key = ["policy", "mission", "seed"]
    if "episode" in frame:
        frame["episode"] = _whole(frame["episode"], "episode", where)
        if frame["episode"].isna().any():
            raise BadInputError("an episode number in every row", "none in some", f"{where}: episode")
        if (negative := frame["episode"] < 0).any():
            row = negative.idxmax()
            found = f"{frame['episode'][row]} in row {row}"
            raise BadInputError("episode numbers from 0 on", found, f"{where}: episode")
    else:
        frame["episode"] = frame.groupby(key, sort=False, dropna=False).cumcount()
        if frame["episode"].max() > 0:
            notes.append(
                "The table has no column 'episode': rows were numbered in their order; the same number makes a pair."
            )
    twice = frame[frame.duplicated([*key, "episode"])]
    if not twice.empty:
        row = twice.iloc[0]
        what = f"{row['policy']} on {row['mission']}, seed {row['seed']}, episode {row['episode']} twice"
        raise BadInputError("one row per policy, mission, seed and episode", what, where)
    label = frame["policy"].where(frame["seed"].isna(), frame["policy"] + "-seed-" + frame["seed"].astype(str))
    missing = frame["score"].isna()
    table = pd.DataFrame(
        {
            "policy": frame["policy"],
            "checkpoint": label.astype(object),
            "training_seed": frame["seed"],
            "mission": frame["mission"],
            "episode": frame["episode"].astype("Int64"),
            "seed": frame["episode"].astype("Int64"),
            "mean_reward": frame["score"],
            "failure": pd.Series(None, frame.index, object).mask(missing, "the score is missing"),
        }
    )
    return table, notes


def _listed(frame: pd.DataFrame) -> str:
    return "columns " + ", ".join(map(str, frame.columns)) if len(frame.columns) else "no columns"


def _numbers(values: pd.Series[float], name: str, where: str) -> pd.Series[float]:
    import pandas as pd

    numbers = pd.to_numeric(values, errors="coerce")
    wrong = numbers.isna() & values.notna()
    if wrong.any():
        row = wrong.idxmax()
        raise BadInputError("numbers", f"'{values[row]}' in row {row}", f"{where}: {name}")
    return numbers


def _whole(values: pd.Series[float], name: str, where: str) -> pd.Series[int]:
    import pandas as pd

    numbers = _numbers(values, name, where)
    exact = pd.api.types.is_integer_dtype(numbers)  # then they never become floats
    limit = LARGEST if exact else LARGEST_FLOAT
    numbers = numbers if exact else numbers.astype("float64")
    wrong = numbers.notna() & ~((numbers == numbers.round()) & (numbers.abs() <= limit))
    if wrong.any():
        row = wrong.idxmax()
        large = limit < abs(numbers[row]) < inf
        raise BadInputError(
            f"whole numbers up to {limit}" if large else "whole numbers",
            f"'{values[row]}' in row {row}",
            f"{where}: {name}",
            "floats cannot tell larger ones apart; integers without gaps can" if large and not exact else "",
        )
    return numbers.astype("Int64")


def _training_seeds(values: pd.Series[Any], where: str) -> tuple[pd.Series[int], list[str]]:
    """Training seeds as numbers, and what has to be said: names are numbered as they first appear."""
    import pandas as pd

    if not (values.notna() & pd.to_numeric(values, errors="coerce").isna()).any():
        return _whole(values, "seed", where), []
    text = values.astype("string").str.strip()
    text = text.mask(text == "")
    codes, names = pd.factorize(text)
    numbers = pd.Series(codes, values.index, "Int64").mask(text.isna())
    shown = ", ".join(f"{number} is {name}" for number, name in enumerate(names[:10]))
    rest = f", … ({len(names)} in all)" if len(names) > 10 else ""
    return numbers, [f"Training seeds are names in the table and were numbered as they first appear: {shown}{rest}."]
