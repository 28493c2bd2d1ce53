"""The result of a comparison: its tables, the sentences they amount to, and the files they are kept in.

Nothing is computed here; `daf.comparison.compare_episodes` makes these objects and re-exports the class.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from daf.config import DAFComparisonConfig
from daf.errors import BadInputError
from daf.system.files import read_json, write_text, write_with
from daf.system.plain import to_plain

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "daf-comparison/2"


@dataclass(frozen=True, kw_only=True, eq=False)
class ComparisonResults:
    """Everything a comparison found. Figures are in reward per agent and episode, or on the scale of `config.anchors`.

    Attributes:
        summary_statistics: one row per policy and mission, and one per policy over all its missions ("overall");
            `n_missions` says how many those are.
        pairwise: one row per question (A, B), pair and mission, and over all missions the pair shares (`n_missions`),
            with the verdict on policy_a.
        ranks: per question mean rank with interval and probability of being first, per mission and overall.
        aggregates: per question and policy IQM, mean, median (and optimality gap) over all missions, with intervals.
        profiles: per question and policy the share of scores above each threshold, with bands.
        episodes: one row per checkpoint, mission and environment seed: what all of the above was computed from, in
            reward per agent even where the figures are on the scale of declared anchors.
        estimand: for "A" and "B": the question, whether it is `answered`, and `why` not.
        sequential: with `episodes_per_mission: auto` the looks that were taken; else None.
        notes: what a reader must know, in plain sentences.
        config, provenance: how it was computed, from what.
    """

    summary_statistics: pd.DataFrame
    pairwise: pd.DataFrame
    ranks: pd.DataFrame
    aggregates: pd.DataFrame
    profiles: pd.DataFrame
    episodes: pd.DataFrame
    estimand: dict[str, dict[str, Any]]
    friedman: dict[str, Any] | None
    notes: tuple[str, ...]
    config: DAFComparisonConfig
    provenance: dict[str, Any]
    sequential: dict[str, Any] | None = None

    @property
    def unit(self) -> str:
        """What figures are counted in."""
        if self.config.anchors is not None:
            return "normalised points"
        return "points" if "table" in self.provenance else "reward per agent"

    def scale(self, mission: str) -> tuple[float, float]:
        """The rewards that count as 0 and 1 on a mission."""
        scales = self.provenance["computation"]["normalisation"]
        zero, one = scales[mission] if isinstance(scales, Mapping) else (0.0, 1.0)
        return zero, one

    def episode_scores(self) -> dict[str, dict[str, list[float]]]:
        """Scores of single episodes by mission and policy, on the scale of the anchors if there are some."""
        frame = self.episodes.dropna(subset=["mean_reward"])
        found: dict[str, dict[str, list[float]]] = {}
        for (mission, policy), part in frame.groupby(["mission", "policy"], sort=False):
            zero, one = self.scale(str(mission))
            scores = [(float(value) - zero) / (one - zero) for value in part["mean_reward"]]
            found.setdefault(str(mission), {})[str(policy)] = scores
        return found

    def verdicts(self, estimand: str = "A", *, overall_only: bool = True) -> list[str]:
        """The verdict sentences of one question: overall (with one mission: on it), or for every mission."""
        from daf.statistics.sentences import verdict_sentence

        return [
            verdict_sentence(record, level=self.config.confidence_level, missions=len(self.missions), unit=self.unit)
            for record in self.headline_records(estimand, overall_only=overall_only)
        ]

    @property
    def missions(self) -> list[str]:
        return [mission for mission in dict.fromkeys(self.summary_statistics["mission"]) if mission != "overall"]

    def headline_records(self, estimand: str = "A", *, overall_only: bool = True) -> list[dict[str, Any]]:
        """Pair records without repetition: with one mission, its rows stand for "overall"."""
        records = [r for r in self.pairwise.to_dict("records") if r["estimand"] == estimand]
        if len(self.missions) > 1:
            return [r for r in records if r["mission"] == "overall"] if overall_only else records
        specific = [r for r in records if r["mission"] != "overall"]
        return specific or records

    def __str__(self) -> str:
        from daf.statistics.sentences import policy_sentence

        summary, level = self.summary_statistics.to_dict("records"), self.config.confidence_level
        several = len(self.missions)
        shown = [r for r in summary if several > 1 or r["mission"] != "overall"]
        if several > 3:  # the table has them all
            shown = [r for r in summary if r["mission"] == "overall"]
        lines = [
            "Means",
            *(f"  {policy_sentence(r, level=level, missions=several, unit=self.unit)}" for r in shown),
        ]
        for key, title in (("A", "These checkpoints"), ("B", "These recipes")):
            sentences = self.verdicts(key)
            if sentences:
                lines += ["", title, *(f"  {sentence}" for sentence in sentences)]
            if not self.estimand[key]["answered"]:
                lines += ["" if sentences else f"\n{title}", f"  Not answered: {self.estimand[key]['why']}"]
        if self.notes:
            lines += ["", "Notes", *(f"  {note}" for note in self.notes)]
        return "\n".join(line for line in lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain data without NaN (unknown figures are null); `from_dict` reads it back."""
        return {
            "format": FORMAT,
            "config": self.config.to_dict(),
            "estimand": self.estimand,
            "friedman": self.friedman,
            "sequential": self.sequential,
            "notes": list(self.notes),
            "provenance": self.provenance,
            **{name: to_plain(getattr(self, name).to_dict("records")) for name in _columns()},
            "episodes": to_plain(self.episodes.to_dict("list")),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, source: str = "comparison") -> Self:
        """Raises BadInputError if this is not the data of a comparison of this format."""
        from daf.statistics.units import SLIM_COLUMNS

        if data.get("format") != FORMAT:
            raise BadInputError(f"format '{FORMAT}'", repr(data.get("format")), source)
        rows = [dict(zip(data["episodes"], row, strict=True)) for row in zip(*data["episodes"].values(), strict=True)]
        return cls(
            **{name: make_table(data[name], columns) for name, columns in _columns().items()},
            episodes=make_table(rows, SLIM_COLUMNS),
            estimand=dict(data["estimand"]),
            friedman=data["friedman"],
            sequential=data["sequential"],
            notes=tuple(data["notes"]),
            config=DAFComparisonConfig.from_dict(data["config"], source=f"{source}: config"),
            provenance=dict(data["provenance"]),
        )

    def scores(self) -> pd.DataFrame:
        """The episodes as `daf_compare_scores` takes them: policy, mission, seed (of the training), episode, score."""
        frame = self.episodes[["policy", "mission", "training_seed", "episode", "mean_reward"]]
        return frame.set_axis(["policy", "mission", "seed", "episode", "score"], axis=1)

    def write(self, folder: str | Path) -> Path:
        """Write the files of `FILES`; returns the folder."""
        from daf.statistics.export import marl_eval_layout

        folder = Path(folder)
        for name, table in (
            ("summary", self.summary_statistics), ("pairwise", self.pairwise), ("aggregates", self.aggregates),
            ("ranks", self.ranks), ("scores", self.scores()),
        ):  # fmt: skip
            write_text(folder / f"{name}.csv", table.to_csv(index=False))
        write_with(folder / "scores.parquet", lambda path: self.scores().to_parquet(path, index=False))
        write_text(folder / "marl_eval.json", json.dumps(marl_eval_layout(self.episodes), allow_nan=False) + "\n")
        # One record per line: readable, and a tenth of the lines of a fully indented file.
        parts = [f"{json.dumps(key)}: {_lines(value)}" for key, value in self.to_dict().items()]
        write_text(folder / "comparison.json", "{\n" + ",\n".join(parts) + "\n}\n")
        return folder

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Read what `write` wrote. Raises BadInputError if it is missing or is something else."""
        path = Path(folder) / "comparison.json"
        return cls.from_dict(read_json(path), source=str(path))


FILES = (
    "summary.csv", "pairwise.csv", "aggregates.csv", "ranks.csv", "scores.csv", "scores.parquet", "marl_eval.json",
    "comparison.json",
)  # fmt: skip


def _columns() -> dict[str, tuple[str, ...]]:
    """Columns of the computed tables, by attribute."""
    from daf.statistics.overall import AGGREGATE_COLUMNS, PROFILE_COLUMNS, RANK_COLUMNS
    from daf.statistics.pairs import PAIR_COLUMNS, SUMMARY_COLUMNS

    return {
        "summary_statistics": SUMMARY_COLUMNS,
        "pairwise": PAIR_COLUMNS,
        "ranks": RANK_COLUMNS,
        "aggregates": AGGREGATE_COLUMNS,
        "profiles": PROFILE_COLUMNS,
    }


_TEXT = {
    "statistic", "policy", "checkpoint", "mission", "failure", "estimand", "policy_a", "policy_b", "interval_method",
    "recipe_method", "effect_name", "test", "verdict", "reason",
}  # fmt: skip
_WHOLE = {
    "training_seed", "episode", "seed", "length", "timeouts", "n_a", "n_b", "n_needed", "more_needed", "n_episodes",
    "n_train_seeds", "failures", "n_missions", "n_units",
}  # fmt: skip
_FLAGS = {"success", "trained", "paired"}


def make_table(records: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """A frame with fixed columns and types, whatever is missing in the records."""
    import pandas as pd

    def kind(name: str) -> str:
        return "object" if name in _TEXT else "Int64" if name in _WHOLE else "boolean" if name in _FLAGS else "float64"

    def cell(value: Any) -> Any:
        return None if value is None or value is pd.NA or (isinstance(value, float) and not isfinite(value)) else value

    return pd.DataFrame(
        {name: pd.Series([cell(record.get(name)) for record in records], dtype=kind(name)) for name in columns}
    )


def _lines(value: Any) -> str:
    def compact(item: Any) -> str:
        return json.dumps(item, sort_keys=True, allow_nan=False, ensure_ascii=False)

    if isinstance(value, list) and value:
        return "[\n  " + ",\n  ".join(map(compact, value)) + "\n]"
    return compact(value)
