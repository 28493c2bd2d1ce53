"""The result of a comparison: its tables, its conclusions as sentences, and its files. It computes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from daf.config import DAFComparisonConfig
from daf.errors import BadInputError
from daf.statistics import pair_files
from daf.statistics.comparison_file import FEW_ROWS, FORMAT, ComparisonFile, text_of, write_texts
from daf.statistics.learning_records import LEARNING_FILES, LearningCurves
from daf.statistics.pair_table import PairTable, chosen_records
from daf.statistics.records import (
    OVERALL,
    AggregateRecord,
    Estimand,
    PairRecord,
    ProfileRecord,
    RankRecord,
    ScoreRecord,
    SummaryRecord,
)
from daf.system.columns import columns_of, from_rows, make_frame, to_rows
from daf.system.csv_files import csv_of_frame
from daf.system.json_files import read_own_json
from daf.system.plain import to_plain
from daf.system.readers import FROM_A_RUN
from daf.system.shown import Shown, Table
from daf.system.tables import write_parquet
from daf.system.validated import validated

if TYPE_CHECKING:
    import pandas as pd

    from daf.statistics.learning_records import Curves
    from daf.statistics.sentences import Words

HEADINGS: Mapping[Estimand, str] = {"checkpoints": "These checkpoints", "recipes": "These recipes"}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ComparisonResults(Shown):
    """Everything a comparison found.

    Figures are rewards per agent and episode, or normalized scores if `config.normalization` is set. The tables exist
    as typed records and, under other names, as DataFrames.

    Attributes:
        summary: one record per policy and mission, and one per policy over all its missions ("overall").
        pairs: one record per estimand, pair and mission, and over all missions the pair shares, with the verdict on
            policy_a.
        rank_records: per estimand the mean rank with interval and the probability of being first, per mission and
            overall.
        aggregate_records: per estimand and policy IQM, mean, median (and optimality gap) over all missions.
        profile_records: per estimand and policy the share of scores above each threshold.
        episodes: one row per checkpoint, mission and environment seed: the raw rewards behind all of the above.
        estimand: per estimand its question, whether it is `answered`, `why` not, and in `advice` how many
            more units would say more.
        friedman: Friedman's test over missions, if applicable.
        sequential: with `episodes_per_mission: auto` the interim analyses; else None.
        notes: what a reader needs to know, in plain sentences.
        learning_curves: how policies that DAF trained got there; None: unknown.
        config, provenance: how it was computed, from what.
    """

    summary: tuple[SummaryRecord, ...]
    pairs: Sequence[PairRecord]
    rank_records: tuple[RankRecord, ...]
    aggregate_records: tuple[AggregateRecord, ...]
    profile_records: tuple[ProfileRecord, ...]
    episodes: pd.DataFrame
    estimand: dict[Estimand, dict[str, Any]]
    friedman: dict[str, Any] | None
    notes: tuple[str, ...]
    config: DAFComparisonConfig
    provenance: dict[str, Any]
    sequential: dict[str, Any] | None = None
    learning_curves: LearningCurves | None = None

    # ---- tables -------------------------------------------------------------------------------------------

    @cached_property
    def summary_statistics(self) -> pd.DataFrame:
        """`summary` as a table."""
        return make_frame(SummaryRecord, self.summary)

    @cached_property
    def pairwise(self) -> pd.DataFrame:
        """`pairs` as a table."""
        return PairTable.of(self.pairs).to_frame()

    @cached_property
    def ranks(self) -> pd.DataFrame:
        """`rank_records` as a table."""
        return make_frame(RankRecord, self.rank_records)

    @cached_property
    def aggregates(self) -> pd.DataFrame:
        """`aggregate_records` as a table."""
        return make_frame(AggregateRecord, self.aggregate_records)

    @cached_property
    def profiles(self) -> pd.DataFrame:
        """`profile_records` as a table."""
        return make_frame(ProfileRecord, self.profile_records)

    def scores(self) -> pd.DataFrame:
        """The episodes as `daf_compare_scores` takes them."""
        return self.episodes.rename(columns={"mean_reward": "score"})[list(columns_of(ScoreRecord))]

    # ---- what they mean ------------------------------------------------------------------------------------

    @property
    def missions(self) -> list[str]:
        return [mission for mission in dict.fromkeys(record.mission for record in self.summary) if mission != OVERALL]

    @property
    def policies(self) -> list[str]:
        """In the order of the configuration, including those without a result."""
        return list(dict.fromkeys(record.policy for record in self.summary))

    @property
    def unit(self) -> str:
        """The unit of all figures."""
        if self.config.normalization is not None:
            return "normalized points"
        return "points" if "table" in self.provenance else "reward per agent"

    def scale(self, mission: str) -> tuple[float, float]:
        """The rewards that map to 0 and 1 on a mission."""
        scales = self.provenance["computation"]["normalization"]
        low, high = scales[mission] if isinstance(scales, Mapping) else (0.0, 1.0)
        return low, high

    def episode_scores(self) -> dict[str, dict[str, list[float]]]:
        """Scores of single episodes by mission and policy, normalized if the tables are."""
        frame = self.episodes.dropna(subset=["mean_reward"])
        scores: dict[str, dict[str, list[float]]] = {}
        for (mission, policy), part in frame.groupby(["mission", "policy"], sort=False):
            low, high = self.scale(str(mission))
            normalized = [(float(value) - low) / (high - low) for value in part["mean_reward"]]
            scores.setdefault(str(mission), {})[str(policy)] = normalized
        return scores

    def seed_scores(self) -> dict[str, dict[str, list[float]]]:
        """Mean scores of training seeds by mission (and overall, if they played all of the policy's) and policy.

        They count the environment seeds on which every checkpoint of the policy has a result.
        """
        means = self.seed_means()
        return {place: {name: own.tolist() for name, own in found.items()} for place, found in means.items()}

    def seed_means(self) -> dict[str, dict[str, pd.Series[float]]]:
        """`seed_scores` with the checkpoint of every training seed as the index."""
        cell = ["policy", "mission"]
        frame = self.episodes[self.episodes["train_seed"].notna()]
        known = frame[frame["mean_reward"].notna()]
        checkpoints = frame.groupby(cell, sort=False, observed=True)["checkpoint"].transform("nunique")
        played = known.groupby([*cell, "env_seed"], sort=False, observed=True)["checkpoint"].transform("count")
        complete = known[played == checkpoints.loc[known.index]]
        means = complete.groupby([*cell, "checkpoint"], observed=True)["mean_reward"].mean()
        by_policy: dict[str, dict[str, pd.Series[float]]] = {}
        for (policy, mission), part in means.groupby(level=[0, 1], observed=True):
            low, high = self.scale(str(mission))
            by_policy.setdefault(str(policy), {})[str(mission)] = (part.droplevel([0, 1]) - low) / (high - low)
        scores: dict[str, dict[str, pd.Series[float]]] = {}
        for name, of_missions in by_policy.items():
            for mission, values in of_missions.items():
                scores.setdefault(mission, {})[name] = values
            if len(of_missions) > 1 and self.config.trainings == "across_missions":
                overall = sum(of_missions.values()) / len(of_missions)
                scores.setdefault(OVERALL, {})[name] = overall.dropna()
        return scores

    def headline_records(
        self, estimand: Estimand = "checkpoints", *, overall_only: bool = True, policy: str | None = None
    ) -> list[PairRecord]:
        """Pair records without repetition: with one mission, its records but not those over all missions.

        Args:
            policy: only pairs with it; None: all.
        """
        if len(self.missions) > 1:
            return chosen_records(self.pairs, estimand, mission=OVERALL if overall_only else None, policy=policy)
        records = chosen_records(self.pairs, estimand, policy=policy)
        return [record for record in records if record.mission != OVERALL] or records

    def lead_records(self, mission: str | None = None, *, policy: str | None = None) -> list[PairRecord]:
        """One record per pair: of the question that the data answer; of both, that about these checkpoints.

        Args:
            mission: where; None: over all missions, with one mission on it.
            policy: only pairs with it; None: all.
        """
        missions = self.missions
        place = mission or (OVERALL if len(missions) > 1 else (missions[0] if missions else OVERALL))
        leading: dict[tuple[str, str], PairRecord] = {}
        for record in chosen_records(self.pairs, mission=place, policy=policy):
            pair, known = (record.policy_a, record.policy_b), leading.get((record.policy_a, record.policy_b))
            if known is None or _precedence(record) > _precedence(known):
                leading[pair] = record
        return list(leading.values())

    @property
    def failed(self) -> list[SummaryRecord]:
        """The policies without a result: on all missions, or on single ones."""
        several = len(self.missions) > 1
        everywhere = {
            record.policy for record in self.summary if several and record.failed and record.mission == OVERALL
        }
        return [
            record
            for record in self.summary
            if record.failed and (record.mission == OVERALL) == (record.policy in everywhere)
        ]

    def verdicts(self, estimand: Estimand = "checkpoints", *, overall_only: bool = True) -> list[str]:
        """The verdict sentences of one estimand: overall (with one mission: on it), or for every mission too."""
        from daf.statistics.sentences import verdict_sentence

        records = self.headline_records(estimand, overall_only=overall_only)
        return [verdict_sentence(record, self._words) for record in records]

    @property
    def _words(self) -> Words:
        from daf.statistics.sentences import words_of

        return words_of(self.config, len(self.missions), self.unit)

    def _headline(self) -> str:
        from daf.statistics import outline

        return outline.answer(self.summary, lambda policy: self.lead_records(policy=policy), self._words)

    def _tables(self) -> Iterable[Table]:
        from daf.statistics import outline

        return outline.tables(self.summary, self.lead_records(), self.notes, self._words)

    def __str__(self) -> str:
        from daf.statistics.sentences import failure_sentence, policy_sentence

        missions, words = len(self.missions), self._words
        shown = [record for record in self.summary if missions > 1 or record.mission != OVERALL]
        if missions > 3:  # the table contains all of them
            shown = [record for record in self.summary if record.mission == OVERALL]
        shown = [record for record in shown if not record.failed]
        means = [policy_sentence(record, words) for record in shown]
        lines = ["Failed", *(f"  {failure_sentence(record, missions)}" for record in self.failed), ""]
        lines = lines if self.failed else []
        lines += ["Means", *(f"  {sentence}" for sentence in means)] if means else []
        for estimand in sorted(HEADINGS, key=lambda estimand: not self.estimand[estimand]["answered"]):
            heading, sentences = HEADINGS[estimand], self.verdicts(estimand)
            if not self.estimand[estimand]["answered"] and any(answer["answered"] for answer in self.estimand.values()):
                sentences = []  # the other question leads
            if sentences:
                lines += ["", heading, *(f"  {sentence}" for sentence in sentences)]
            if not self.estimand[estimand]["answered"]:
                lines += ["" if sentences else f"\n{heading}", f"  Not answered: {self.estimand[estimand]['why']}"]
        if self.learning_curves and self.learning_curves.recipes:
            from daf.statistics import learning_sentences

            lines += ["", "Learning curves", *(f"  {line}" for line in learning_sentences.lines(self.learning_curves))]
        if self.notes:
            lines += ["", "Notes", *(f"  {note}" for note in self.notes)]
        return "\n".join(lines)

    # ---- files --------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Plain data without NaN (unknown figures are null); `from_dict` reads it back."""
        return self._content(to_rows(self.pairs))

    def _content(self, pairwise: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "config": self.config.to_dict(),
            "estimand": self.estimand,
            "friedman": self.friedman,
            "sequential": self.sequential,
            "notes": list(self.notes),
            "learning_curves": None if self.learning_curves is None else self.learning_curves.to_dict(),
            "provenance": self.provenance,
            "summary_statistics": to_rows(self.summary),
            "pairwise": pairwise,
            "ranks": to_rows(self.rank_records),
            "aggregates": to_rows(self.aggregate_records),
            "profiles": to_rows(self.profile_records),
            "episodes": to_plain(self.episodes.to_dict("list")),
        }

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any], *, source: str = "comparison", folder: str | Path | None = None
    ) -> Self:
        """The inverse of `to_dict`.

        Args:
            folder: where a comparison of many pairs has its rows about them.

        Raises:
            BadInputError: this is not the data of a comparison of this format.
        """
        from daf.statistics.checked_episodes import checked_columns, slim_frame

        data = validated(dict[str, Any], data, source, FROM_A_RUN)
        if data.get("format") != FORMAT:
            hint = "another version of DAF wrote it: compare again"
            raise BadInputError(f"format '{FORMAT}'", repr(data.get("format")), source, hint)
        content = validated(ComparisonFile, data, source, FROM_A_RUN)
        return cls(
            summary=from_rows(SummaryRecord, content["summary_statistics"], f"{source}: summary_statistics"),
            pairs=_pairs(content, source, folder),
            rank_records=from_rows(RankRecord, content["ranks"], f"{source}: ranks"),
            aggregate_records=from_rows(AggregateRecord, content["aggregates"], f"{source}: aggregates"),
            profile_records=from_rows(ProfileRecord, content["profiles"], f"{source}: profiles"),
            episodes=slim_frame(checked_columns(content["episodes"], f"{source}: episodes")),
            estimand=data["estimand"],
            friedman=content["friedman"],
            sequential=content["sequential"],
            notes=tuple(content["notes"]),
            learning_curves=_learning_curves(content.get("learning_curves"), f"{source}: learning_curves"),
            config=DAFComparisonConfig.from_labels(content["config"], source=f"{source}: config"),
            provenance=data["provenance"],
        )

    def write(self, folder: str | Path, *, curves: Curves | None = None) -> Path:
        """Write the files of `FILES`, and those of learning curves if they are known; returns the folder.

        Rows about many pairs are in pairwise.parquet instead of comparison.json.

        Args:
            curves: held-out evaluations of training runs, for marl_eval.json.
        """
        from daf.statistics.export import marl_eval_layout

        folder, pairs, content = Path(folder), PairTable.of(self.pairs), self.to_dict
        texts: dict[str, Callable[[], str]] = {
            "marl_eval.json": lambda: json.dumps(marl_eval_layout(self.episodes, curves), allow_nan=False) + "\n",
            "summary.csv": lambda: csv_of_frame(self.summary_statistics),
            "aggregates.csv": lambda: csv_of_frame(self.aggregates),
            "ranks.csv": lambda: csv_of_frame(self.ranks),
            "scores.csv": lambda: csv_of_frame(self.scores()),
        }
        for name in LEARNING_FILES:
            (folder / name).unlink(missing_ok=True)
        for name, frame in (self.learning_curves.frames() if self.learning_curves else {}).items():
            texts[name] = partial(csv_of_frame, frame)
        if len(pairs) > pair_files.INLINE:
            known = {"pairwise_file": pair_files.write_pairs(folder, pairs)}
            content = lambda: self._content([]) | known  # noqa: E731
        else:
            (folder / pair_files.NAME).unlink(missing_ok=True)
            texts["pairwise.csv"] = lambda: csv_of_frame(self.pairwise)
        write_parquet(folder / "scores.parquet", self.scores())
        texts["comparison.json"] = lambda: text_of(content())
        write_texts(folder, texts, small=len(pairs) + len(self.episodes) < FEW_ROWS)
        return folder

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Read what `write` wrote. Raises BadInputError if it is missing or invalid."""
        path = Path(folder) / "comparison.json"
        return cls.from_dict(read_own_json(path, "a comparison", FROM_A_RUN), source=str(path), folder=folder)


FILES = (
    "summary.csv", "pairwise.csv", "aggregates.csv", "ranks.csv", "scores.csv", "scores.parquet", "marl_eval.json",
    "comparison.json",
)  # fmt: skip


def _learning_curves(content: Mapping[str, Any] | None, where: str) -> LearningCurves | None:
    return None if content is None else LearningCurves.from_dict(content, where)


def _pairs(content: ComparisonFile, source: str, folder: str | Path | None) -> Sequence[PairRecord]:
    """The rows about pairs, which a comparison of many keeps in another file."""
    if "pairwise_file" not in content:
        return PairTable.of(from_rows(PairRecord, content["pairwise"], f"{source}: pairwise"))
    if folder is None:
        hint = "read it with ComparisonResults.read"
        raise BadInputError("a folder with the rows about pairs", "none", f"{source}: pairwise_file", hint)
    return pair_files.read_pairs(Path(folder), content["pairwise_file"], source)


def _precedence(record: PairRecord) -> tuple[bool, bool]:
    """Which of a pair's records leads: one with a verdict, else one with a test, else the first."""
    return record.verdict != "insufficient data", record.tested
