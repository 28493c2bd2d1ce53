"""The files of tournaments."""

from __future__ import annotations

from daf.tournament.files import data_dictionary
from daf.tournament.table import SEAT_COLUMNS
from docs.generator.meanings import Field
from docs.generator.output_types import File, Keys, columns, listed

FOLDER = "tournaments/{tournament}"
SEATS = Keys([Field(name, column.kind, column.meaning) for name, column in SEAT_COLUMNS.items()], noun="Column")


def _table(name: str) -> Keys:
    return Keys([Field(column, *found) for column, found in data_dictionary()[name].items()], noun="Column")


def _file(name: str, purpose: str) -> File:
    return File(f"{FOLDER}/{name}.csv", "analyze_tournament", purpose, (_table(name),))


TOURNAMENTS = [
    File(
        "tournaments/check.json",
        "check_tournaments",
        "The failed episodes of every policy on every mission of the tournaments, as in evaluations/check.json: those "
        "that it made fail. Missing, and the exit code of the run is 1, if more failed than "
        "`evaluation.max_failed_share`.",
        (
            Keys(
                listed("""
                max_failed_share | number | the declared tolerance
                evaluations | list of mappings | one per checkpoint and mission, as in evaluations/check.json
                """)
            ),
        ),
    ),
    File(
        f"{FOLDER}/seats.parquet",
        "merge_seats",
        "One row per episode and seat: all that DAF reports about a tournament is computed from these. The same "
        "episodes make the same bytes.",
        (
            SEATS,
            Keys(
                listed("""
                batches | list of mappings | of every batch: `recipe_digest`, `seeds`, and why it was `skipped`
                missions | mapping | mission → its `name` and `success` expression
                notes | list of texts | what a reader must know about the policies
                policies | mapping | everyone who played → class, arguments, content of the weights
                versions | list of mappings | versions of what played, as in [Provenance](#provenance)
                """),
                "The file's metadata (`daf.tournament.table.read_provenance`)",
            ),
        ),
    ),
    File(
        f"{FOLDER}/matches/{{match}}/batch-{{batch}}.parquet",
        "play_match",
        "The same for a batch of episodes of one match, with its [provenance](#provenance); without rows if it was not "
        "needed.",
    ),
    File(
        f"{FOLDER}/interim-{{n}}.json",
        "analyze_interim_seats",
        "With `episodes: auto`: whether more episodes are needed.",
        (
            Keys(
                listed("""
                done | boolean | whether no further episodes are needed
                interim_analyses | list of mappings | the analyses so far, see below
                """)
            ),
            Keys(
                listed("""
                episodes | integer | episodes per match
                confidence_level | number | confidence level of this analysis
                unsettled | list of texts | pairs that more episodes may still decide
                """),
                "Each entry of `interim_analyses`",
            ),
        ),
    ),
    _file("values", "Every candidate by mission and number of seats, and overall: mean and value over replacement."),
    _file("seat_values", "Every candidate by seat and role."),
    _file("contributions", "What every candidate adds to its team in a seat."),
    _file("cross_play", "Every candidate with every partner."),
    _file("rankings", "Every candidate in every ranking, with the ranks that the data do not exclude."),
    _file("line_ups", "Every composition of a team, and how it did."),
    _file("failures", "Episodes that failed, with the policies that caused it."),
    File(
        f"{FOLDER}/pairs.csv",
        "analyze_tournament",
        "The verdicts: every candidate against the pool, and every pair of candidates.",
        (columns("pairwise"),),
    ),
    File(
        f"{FOLDER}/league.csv",
        "analyze_tournament",
        "The matches in the layout of leagues, see [tournaments](tournaments.md).",
        (_table("league"),),
    ),
    File(
        f"{FOLDER}/results.json",
        "analyze_tournament",
        "All of the tournament. `daf.tournament.files.read_tournament` reads it.",
        (
            Keys(
                listed("""
                format | text | name and version of the format
                answer | text | who is better than the pool, or else first, and how sure that is
                config | mapping | the tournament's configuration, with the names that tables contain
                values | list of mappings | the rows of values.csv; as are seat_values, contributions, cross_play, \
rankings, line_ups and failures of their files
                failed_policies | list of mappings | failed episodes of every policy, and their causes
                analyses | list of mappings | the interim analyses, or the only one
                over_replacement | mapping or null | the comparison with the pool, laid out as comparison.json
                candidates | mapping or null | the comparison of the candidates, laid out as comparison.json
                notes | list of texts | what a reader must know
                provenance | mapping | see [Provenance](#provenance)
                """)
            ),
        ),
    ),
    File(f"{FOLDER}/report.html", "render_tournament", "The tournament as a page that needs no other file."),
    File(f"{FOLDER}/figures/{{figure}}.svg", "render_tournament", "The figures of the page."),
]
