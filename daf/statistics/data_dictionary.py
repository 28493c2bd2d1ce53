"""What every column of a comparison's tables means."""

from __future__ import annotations

from daf.statistics.learning_records import TABLES
from daf.statistics.records import AggregateRecord, PairRecord, ProfileRecord, RankRecord, ScoreRecord, SummaryRecord
from daf.system.columns import columns_of


def data_dictionary() -> dict[str, dict[str, tuple[str, str]]]:
    """Every table of a comparison: table → column → (type, meaning).

    All but `profiles` and `episodes` are files of these names; these two are in
    comparison.json, `episodes` with the columns of `daf.episodes.table` that a comparison needs.
    """
    from daf.episodes.table import EPISODE_COLUMNS
    from daf.statistics.checked_episodes import SLIM_COLUMNS

    records = {
        "summary": SummaryRecord,
        "pairwise": PairRecord,
        "aggregates": AggregateRecord,
        "ranks": RankRecord,
        "scores": ScoreRecord,
        "profiles": ProfileRecord,
    } | {file.removesuffix(".csv"): record for file, record in TABLES.values()}
    tables = {table: columns_of(record) for table, record in records.items()}
    tables["episodes"] = {name: EPISODE_COLUMNS[name] for name in SLIM_COLUMNS}
    return {
        table: {name: (column.kind, column.meaning) for name, column in columns.items()}
        for table, columns in tables.items()
    }
