"""Match tables in the layout of leagues, as CSV or JSON: what DAF reads from elsewhere, and exports.

One row per match and policy. `match`, `policy`, `seats` and `score` are needed:

    match,policy,seats,score
    1,alice,3,2.68
    1,bob,1,2.68

`score` is the mean total reward of the agents in the policy's seats. Optional columns: `mission` (default: one
mission), `map` (matches with the same number played the same map and are paired; default: each match has its own),
`train_seed`, and `pool` (whether the policy was a substitute from the pool). JSON is a list of such rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

from daf.errors import BadInputError, did_you_mean
from daf.statistics.records import OVERALL
from daf.statistics.score_files import PLACED, Layout, place_of, read_scores
from daf.statistics.scores import LARGEST_INTEGER
from daf.system.columns import to_rows
from daf.system.csv_files import csv_of_rows
from daf.system.files import write_json, write_text
from daf.system.validated import validated
from daf.tournament.scores import MatchScore, MatchScores

HINT = "the layout of match tables is described in docs/tournaments.md"
DEFAULT_MISSION = "league"
LARGEST_SCORE = 1e150  # the square of a larger one is infinite
LIKENESS = 0.7  # of a misspelt column, such as is_pool; env_seed is not train_seed


@dataclass(frozen=True, kw_only=True)
class LeagueRow:
    """One policy in one match."""

    match: Annotated[str, "name of the match: one game"]
    policy: Annotated[str, "name of the policy"]
    seats: Annotated[int, "number of its seats"]
    score: Annotated[float, "mean total reward of the agents in its seats"]
    mission: Annotated[str, "name of the mission"] = DEFAULT_MISSION
    map: Annotated[int | None, "number of the map: matches with the same number are paired"] = None
    train_seed: Annotated[int | None, "training seed, if the policy has one"] = None
    pool: Annotated[bool, "whether the policy was a substitute from the pool"] = False


NEEDED = ("match", "policy", "seats", "score")
COLUMNS = tuple(field.name for field in fields(LeagueRow))
_NAMES = ("match", "policy", "mission")
MATCH_TABLE = Layout(
    what="a match table",
    names=_NAMES,
    needed=NEEDED,
    known=COLUMNS,
    rows="a row for each match and policy",
    cells="match, policy, seats and score",
    form="a DataFrame, a file, or rows as dictionaries with match, policy, seats and score",
    example="{'match': '1', 'policy': 'a', 'seats': 2, 'score': 1.0}",
)


def read_league(source: Any, where: str | None = None) -> MatchScores:
    """Scores from a match table: a file (.csv, .tsv, .json, .jsonl, .parquet), a DataFrame, or rows as dictionaries.

    Raises:
        BadInputError: the file is unreadable, a column is missing, or a value is not of its column's type.
        ConfigError: several such values.
    """
    where = where or (str(source) if isinstance(source, str | Path) else "match table")
    frame = read_scores(source, MATCH_TABLE)
    if not frame.attrs.get(PLACED):
        frame = frame.reset_index(drop=True)
    frame = frame.rename(columns={name: str(name).strip().lower() for name in frame.columns})
    _check_columns(list(frame.columns), where)
    frame = frame[[name for name in COLUMNS if name in frame.columns]]
    rows = [{name: _value(name, cell) for name, cell in row.items()} for row in frame.to_dict("records")]
    places = [place_of(frame, label) for label in frame.index]
    without_defaults = {
        place: {name: cell for name, cell in row.items() if cell is not None}
        for place, row in zip(places, rows, strict=True)
    }
    return _scores(list(validated(dict[str, LeagueRow], without_defaults, where, HINT).values()), where)


def _check_columns(names: Sequence[str], where: str) -> None:
    """Refuse a column that is missing, repeated or misspelt; others are ignored."""
    for name in NEEDED:
        if name not in names:
            raise BadInputError(f"a column '{name}'", "none", where, did_you_mean(name, names) or HINT)
    for name in COLUMNS:
        if names.count(name) > 1:
            raise BadInputError("each column once", f"'{name}' {names.count(name)} times", where, "rename one of them")
    absent = [name for name in COLUMNS if name not in names]
    for name in names:
        if name not in COLUMNS and (near := get_close_matches(name, absent, n=1, cutoff=LIKENESS)):
            hint = f"did you mean '{near[0]}'? Otherwise give the column a name that is less like it"
            raise BadInputError(f"columns such as {', '.join(COLUMNS)}", f"'{name}'", where, hint)


def _value(name: str, cell: Any) -> Any:
    """A cell as Python data; None: empty."""
    import pandas as pd

    if cell is None or cell is pd.NA or cell != cell:
        return None
    cell = cell.item() if hasattr(cell, "item") else cell
    if isinstance(cell, float) and name != "score" and cell.is_integer():
        cell = int(cell)  # pandas reads a column of integers with gaps as floats
    return (str(cell) or None) if name in _NAMES else cell


def _scores(rows: list[LeagueRow], where: str) -> MatchScores:
    if not rows:
        raise BadInputError("matches", "no rows", where, HINT)
    games: dict[tuple[str, str], dict[tuple[str, int | None, bool], LeagueRow]] = {}
    for row in rows:
        _check_row(row, where)
        game = games.setdefault((row.mission, row.match), {})
        key = (row.policy, row.train_seed, row.pool)
        if key in game:
            raise BadInputError("one row per policy and match", f"{row.policy} twice in match {row.match}", where, HINT)
        if game and next(iter(game.values())).map != row.map:
            raise BadInputError("one map per match", f"several in match {row.match}", where, HINT)
        game[key] = row
    return MatchScores(tuple(_match_scores(games)))


def _check_row(row: LeagueRow, where: str) -> None:
    """Refuse numbers that mean nothing, or that the analysis cannot hold."""
    who = f"of {row.policy} in match {row.match}"
    if row.mission == OVERALL:
        hint = "the tables use this name for all missions together"
        raise BadInputError("another name of a mission", f"'{OVERALL}' in match {row.match}", f"{where}: mission", hint)
    if row.seats < 1:
        raise BadInputError("1 or more seats", f"{row.seats} {who}", where, HINT)
    if not isfinite(row.score):
        raise BadInputError("a finite score", f"{row.score} {who}", where, HINT)
    if abs(row.score) > LARGEST_SCORE:
        hint = "are the scores in another unit, or is one of them a sign of failure? Leave failed matches out"
        raise BadInputError(f"a score of at most {LARGEST_SCORE:g} in size", f"{row.score} {who}", where, hint)
    if row.map is not None and not 0 <= row.map <= LARGEST_INTEGER:
        hint = "number the maps from 0, or leave the cell empty: then the match has a separate one"
        expected = "a map of 0 or more" if row.map < 0 else f"a map of at most {LARGEST_INTEGER}"
        raise BadInputError(expected, f"{row.map} in match {row.match}", where, hint)
    if row.train_seed is not None and not -LARGEST_INTEGER <= row.train_seed <= LARGEST_INTEGER:
        hint = "number the training runs of each policy, for instance from 1"
        raise BadInputError(
            f"a train_seed of at most {LARGEST_INTEGER} in size", f"{row.train_seed} {who}", where, hint
        )


def _match_scores(games: Mapping[tuple[str, str], Mapping[Any, LeagueRow]]) -> list[MatchScore]:
    maps: dict[str, set[int]] = {}
    for (mission, _), game in games.items():
        maps.setdefault(mission, set()).update(row.map for row in game.values() if row.map is not None)
    episodes = {
        mission: {number: place for place, number in enumerate(sorted(known))} for mission, known in maps.items()
    }
    scores, unpaired = [], 0
    for (mission, match), game in games.items():
        number = next(iter(game.values())).map
        if number is None:
            number, episode = -1 - unpaired, len(episodes[mission]) + unpaired
            unpaired += 1
        else:
            episode = episodes[mission][number]
        num_seats = sum(row.seats for row in game.values())
        team_score = sum(row.score * row.seats for row in game.values()) / num_seats
        scores += [
            MatchScore(
                mission=mission, match=match, episode=episode, env_seed=number, policy=row.policy,
                train_seed=row.train_seed, in_pool=row.pool, seats=row.seats, num_seats=num_seats, score=row.score,
                team_score=team_score,
            )
            for row in game.values()
        ]  # fmt: skip
    return scores


def league_rows(scores: MatchScores) -> list[LeagueRow]:
    """Scores in the layout of leagues: every episode is a match."""
    return [
        LeagueRow(
            match=f"{row.match}:{row.episode}", policy=row.policy, seats=row.seats, score=row.score,
            mission=row.mission, map=row.env_seed if row.env_seed >= 0 else None, train_seed=row.train_seed,
            pool=row.in_pool,
        )
        for row in scores.rows
    ]  # fmt: skip


def write_league(path: str | Path, scores: MatchScores) -> None:
    """Export scores as .csv or .json.

    Raises:
        BadInputError: another suffix.
    """
    rows, suffix = to_rows(league_rows(scores)), Path(path).suffix
    if suffix == ".json":
        write_json(path, rows)
    elif suffix == ".csv":
        write_text(path, csv_of_rows([{k: "" if v is None else v for k, v in row.items()} for row in rows], COLUMNS))
    else:
        raise BadInputError("a file of kind .csv or .json", f"'{suffix}'", str(path))
