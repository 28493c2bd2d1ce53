"""An episodes table from anywhere, checked: what every step of the statistics relies on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from daf.episodes.table import EPISODE_COLUMNS
from daf.errors import BadInputError, did_you_mean
from daf.statistics.records import OVERALL
from daf.system.columns import DTYPES
from daf.system.readers import FROM_A_RUN
from daf.system.validated import validated

if TYPE_CHECKING:
    import pandas as pd

NEEDED_COLUMNS = ("policy", "mission", "env_seed", "mean_reward")
RENAMED_COLUMNS = {"seed": "env_seed", "training_seed": "train_seed"}  # earlier names
SLIM_COLUMNS = (
    "policy", "checkpoint", "train_seed", "mission", "episode", "env_seed",
    "mean_reward", "success", "length", "timeouts", "failure",
)  # fmt: skip


def check_episodes(episodes: pd.DataFrame, policies: list[str], missions: list[str]) -> pd.DataFrame:
    """A sorted copy of an episodes table with only the needed columns and the configured policies and missions.

    Raises:
        BadInputError: a needed column is missing, a row occurs twice, a reward is infinite, or nothing is left.
    """
    import pandas as pd

    for old, new in RENAMED_COLUMNS.items():
        if old in episodes.columns and new not in episodes.columns:
            raise BadInputError(f"a column '{new}'", f"'{old}'", "episodes table", f"`{old}` is now called `{new}`")
    for column in NEEDED_COLUMNS:
        if column not in episodes.columns:
            hint = did_you_mean(column, list(episodes.columns))
            raise BadInputError(f"a column '{column}'", "none", "episodes table", hint)
    frame = episodes.copy(deep=False)
    defaults = {"checkpoint": frame["policy"], "train_seed": None, "episode": frame["env_seed"], "success": None,
                "length": None, "timeouts": 0, "failure": None}  # fmt: skip
    for column, value in defaults.items():
        if column not in frame.columns:
            frame[column] = value
    chosen = frame["policy"].isin(policies) & frame["mission"].isin(missions)
    frame = frame.loc[chosen, list(SLIM_COLUMNS)].reset_index(drop=True)
    if frame.empty:
        others = ", ".join(sorted(set(map(str, episodes["policy"])))) or "no rows"
        raise BadInputError(f"episodes of {', '.join(policies)}", f"episodes of {others}", "episodes table")
    frame = slim_frame({name: frame[name] for name in SLIM_COLUMNS})
    if (frame["mission"] == OVERALL).any():
        hint = "this name is reserved for results over all missions"
        raise BadInputError("another name of a mission", f"'{OVERALL}'", "episodes table: mission", hint)
    if np.isinf(frame["mean_reward"]).any():
        raise BadInputError("finite rewards", "an infinite one", "episodes table: mean_reward")
    key = ["policy", "checkpoint", "mission", "env_seed"]
    twice = frame[frame.duplicated(key)]
    if not twice.empty:
        row = twice.iloc[0]
        raise BadInputError(
            "one row per checkpoint, mission and environment seed",
            f"{row['checkpoint']} on {row['mission']} with seed {row['env_seed']} twice",
            "episodes table",
            "was a shard read twice?",
        )
    trained = frame.loc[frame["train_seed"].notna(), ["policy", "checkpoint", "train_seed"]].drop_duplicates()
    clash = trained[trained.duplicated(["policy", "train_seed"])]
    if not clash.empty:
        row = clash.iloc[0]
        raise BadInputError(
            "one checkpoint per policy and training seed",
            f"several of {row['policy']} with training seed {row['train_seed']}",
            "episodes table: checkpoint",
            "give other checkpoints of the same training run another policy name",
        )
    for column, order in (("policy", policies), ("mission", missions)):
        frame[column] = pd.Categorical(frame[column], categories=order, ordered=True)
    frame = frame.sort_values(key, kind="stable").reset_index(drop=True)
    return frame.astype({"policy": object, "mission": object})


_CELLS: Mapping[str, Any] = {
    "text": list[str | None],
    "integer": list[Annotated[int, Field(ge=-(2**63), lt=2**63)] | None],
    "number": list[float | None],
    "boolean": list[bool | None],
}


def checked_columns(columns: Mapping[str, list[Any]], where: str) -> dict[str, list[Any]]:
    """The columns of `SLIM_COLUMNS` that a file holds, for `slim_frame`.

    Raises:
        ConfigError: a column is missing, shorter than the others, or holds a value of another type.
    """
    kinds = {name: EPISODE_COLUMNS[name].kind for name in SLIM_COLUMNS}
    cells = {
        name: validated(_CELLS[kind], columns.get(name), f"{where}.{name}", FROM_A_RUN) for name, kind in kinds.items()
    }
    if len(lengths := {len(values) for values in cells.values()}) > 1:
        raise BadInputError("columns of the same length", f"lengths {sorted(lengths)}", where, FROM_A_RUN)
    return cells


def slim_frame(columns: Mapping[str, Any]) -> pd.DataFrame:
    """The columns of `SLIM_COLUMNS` with the types of the episodes table; missing texts are None."""
    import pandas as pd

    frame = pd.DataFrame(
        {
            name: pd.Series(columns[name], dtype=DTYPES.get(EPISODE_COLUMNS[name].kind, "object"))
            for name in SLIM_COLUMNS
        }
    )
    frame["failure"] = frame["failure"].where(frame["failure"].notna(), None)
    return frame
