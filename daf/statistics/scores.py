"""Tables of scores that users bring: read, checked, and brought into the form of an episodes table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from daf.errors import BadInputError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

NEEDED = ("policy", "mission", "score")
OPTIONAL = ("seed", "episode")


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
    readers = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
    if path.suffix not in readers:
        raise BadInputError("a .csv or .parquet file", f"'{path.suffix}'", str(path))
    try:
        return readers[path.suffix](path)
    except (ValueError, OSError) as error:  # pandas and pyarrow raise their own kinds of ValueError
        raise BadInputError(f"a {path.suffix} file", str(error), str(path)) from error


def to_episodes(scores: pd.DataFrame, where: str = "table of scores") -> tuple[pd.DataFrame, list[str]]:
    """An episodes table from columns policy, mission, score and, if known, seed (of the training) and episode.

    A missing score is an episode without result. Without a column `episode`, the rows of a policy, mission and seed are
    numbered as they stand. Rows of the same mission and episode number are pairs; numbers that mean nothing in common
    make random pairs, which costs power and nothing else.

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
    frame = scores[[name for name in (*NEEDED, *OPTIONAL) if name in scores.columns]].reset_index(drop=True)
    notes: list[str] = []
    for name in ("policy", "mission"):
        if frame[name].isna().any():
            raise BadInputError(f"a {name} in every row", f"none in row {frame[name].isna().idxmax()}", where)
        frame[name] = frame[name].astype(str)
    frame["score"] = _numbers(frame["score"], "score", where)
    frame["seed"] = _whole(frame["seed"], "seed", where) if "seed" in frame else pd.Series(pd.NA, frame.index, "Int64")
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

    numbers = pd.to_numeric(values, errors="coerce").astype("float64")
    wrong = numbers.isna() & values.notna()
    if wrong.any():
        row = wrong.idxmax()
        raise BadInputError("numbers", f"'{values[row]}' in row {row}", f"{where}: {name}")
    return numbers


def _whole(values: pd.Series[float], name: str, where: str) -> pd.Series[int]:
    numbers = _numbers(values, name, where)
    wrong = numbers.notna() & (numbers != numbers.round())
    if wrong.any():
        row = wrong.idxmax()
        raise BadInputError("whole numbers", f"'{values[row]}' in row {row}", f"{where}: {name}")
    return numbers.astype("Int64")
