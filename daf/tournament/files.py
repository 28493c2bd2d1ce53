"""The files of a tournament: results.json with everything, tables as CSV, and league.csv for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from daf.config import DAFTournamentConfig
from daf.errors import BadInputError
from daf.statistics.comparison_file import text_of
from daf.statistics.pair_table import PairTable
from daf.statistics.results import ComparisonResults
from daf.system.columns import columns_of, from_rows, make_frame
from daf.system.csv_files import csv_of_frame
from daf.system.files import write_text
from daf.system.json_files import read_own_json
from daf.system.readers import FROM_A_RUN
from daf.system.validated import validated
from daf.tournament.comparisons import InterimAnalysis
from daf.tournament.contributions import ContributionRecord
from daf.tournament.cross_play import CrossPlayRecord
from daf.tournament.estimates import SeatValueRecord, ValueRecord
from daf.tournament.league import LeagueRow, write_league
from daf.tournament.line_ups import FailedPolicy, FailureRecord, LineUpRecord
from daf.tournament.rankings import RankingRecord
from daf.tournament.results import FORMAT, TournamentResults
from daf.tournament.scores import MatchScores

RESULTS = "results.json"
LEAGUE = "league.csv"
TABLES: dict[str, type] = {
    "values": ValueRecord,
    "seat_values": SeatValueRecord,
    "contributions": ContributionRecord,
    "cross_play": CrossPlayRecord,
    "rankings": RankingRecord,
    "line_ups": LineUpRecord,
    "failures": FailureRecord,
}
"""The tables, which are CSV files of these names and attributes of the results."""
PAIRS = "pairs"  # a table too: the records of both comparisons
FILES = (RESULTS, *(f"{name}.csv" for name in TABLES), f"{PAIRS}.csv", LEAGUE)


class ResultsFile(TypedDict):
    """results.json, its tables as rows that `from_rows` checks."""

    format: str
    answer: NotRequired[str]  # not in files of earlier versions
    config: dict[str, Any]
    values: list[dict[str, Any]]
    seat_values: list[dict[str, Any]]
    contributions: list[dict[str, Any]]
    cross_play: list[dict[str, Any]]
    rankings: list[dict[str, Any]]
    analyses: list[dict[str, Any]]
    line_ups: list[dict[str, Any]]
    failures: list[dict[str, Any]]
    failed_policies: list[dict[str, Any]]
    over_replacement: dict[str, Any] | None
    candidates: dict[str, Any] | None
    notes: list[str]
    provenance: dict[str, Any]


def write_tournament(results: TournamentResults, folder: str | Path, scores: MatchScores | None = None) -> Path:
    """Write the files of `FILES`; returns the folder.

    Args:
        scores: of single episodes, for league.csv, which is not written without them.
    """
    folder = Path(folder)
    for name, record in TABLES.items():
        write_text(folder / f"{name}.csv", csv_of_frame(make_frame(record, getattr(results, name))))
    write_text(folder / f"{PAIRS}.csv", csv_of_frame(PairTable.of(results.verdicts).to_frame()))
    if scores is not None:
        write_league(folder / LEAGUE, scores)
    write_text(folder / RESULTS, text_of(results.to_dict()))
    return folder


def read_tournament(path: str | Path) -> TournamentResults:
    """Read what `write_tournament` wrote.

    Args:
        path: the folder, or its results.json.

    Raises:
        BadInputError: it is missing, damaged, or of another version of DAF.
    """
    file = Path(path) / RESULTS if Path(path).is_dir() else Path(path)
    source = str(file)
    if file.suffix != ".json" and file.is_file():
        hint = f"name its folder{f': {file.parent}' if (file.parent / RESULTS).is_file() else ''}"
        raise BadInputError(f"a tournament's folder, or its {RESULTS}", f"another file, {file.name}", source, hint)
    data = validated(dict[str, Any], read_own_json(file, "results of a tournament", FROM_A_RUN), source, FROM_A_RUN)
    if data.get("format") != FORMAT:
        hint = "another version of DAF wrote it, or it is another file: analyze the tournament again"
        raise BadInputError(f"format '{FORMAT}'", repr(data.get("format")), source, hint)
    content = validated(ResultsFile, data, source, FROM_A_RUN)

    def rows[Record](name: str, record: type[Record]) -> tuple[Record, ...]:
        found: Sequence[dict[str, Any]] = content[name]  # type: ignore[literal-required]
        return from_rows(record, found, f"{source}: {name}")

    return TournamentResults(
        config=DAFTournamentConfig.from_labels(content["config"], source=f"{source}: config"),
        values=rows("values", ValueRecord),
        seat_values=rows("seat_values", SeatValueRecord),
        contributions=rows("contributions", ContributionRecord),
        cross_play=rows("cross_play", CrossPlayRecord),
        rankings=rows("rankings", RankingRecord),
        over_replacement=_comparison(content["over_replacement"], f"{source}: over_replacement"),
        candidates=_comparison(content["candidates"], f"{source}: candidates"),
        analyses=tuple(validated(list[InterimAnalysis], content["analyses"], f"{source}: analyses", FROM_A_RUN)),
        line_ups=rows("line_ups", LineUpRecord),
        failures=rows("failures", FailureRecord),
        failed_policies=rows("failed_policies", FailedPolicy),
        notes=tuple(content["notes"]),
        provenance=content["provenance"],
    )


def _comparison(data: dict[str, Any] | None, source: str) -> ComparisonResults | None:
    return None if data is None else ComparisonResults.from_dict(data, source=source)


def data_dictionary() -> dict[str, dict[str, tuple[str, str]]]:
    """Every table of a tournament: table → column → (type, meaning); pairs.csv is as pairwise.csv of comparisons."""
    return {
        name: {column: (found.kind, found.meaning) for column, found in columns_of(record).items()}
        for name, record in {**TABLES, "league": LeagueRow}.items()
    }
