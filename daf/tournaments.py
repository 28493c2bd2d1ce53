"""Tournaments: what policies are worth in mixed teams, how sure that is, and who plays well with whom.

`daf_run_tournament` plays matches in this process; `daf_analyze_league` computes the same from matches that were played
elsewhere. Both return `TournamentResults`, which print and draw. In the workflow, tournaments are declared under
`tournaments`; `daf_read_tournament` reads what it wrote. For policies that play alone, see `daf.comparison`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from daf.compare import tournaments
from daf.compare.play import PlaySettings, Policies
from daf.config import DAFTournamentConfig, MissionConfig
from daf.errors import BadInputError, did_you_mean
from daf.statistics.records import OVERALL
from daf.system.arguments import checked_arguments
from daf.system.user_paths import user_path
from daf.tournament.files import FILES, read_tournament
from daf.tournament.results import TournamentResults

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from daf.charts.model import Chart

__all__ = [
    "TournamentResults",
    "daf_analyze_league",
    "daf_cross_play",
    "daf_export_tournament_html",
    "daf_plot_tournament",
    "daf_read_tournament",
    "daf_run_tournament",
    "daf_value_over_replacement",
]

DEFAULT_PAGE = Path("daf_output") / "visualizations" / "tournament.html"
PathLike = str | Path
TournamentChart = Literal["answer", "values", "cross_play", "seats", "contributions", "ranks"]


@checked_arguments
def daf_run_tournament(
    candidates: Policies,
    missions: Sequence[str | MissionConfig],
    pool: Policies = (),
    *,
    config: DAFTournamentConfig | None = None,
    output_dir: PathLike | None = None,
    workers: int = 1,
    device: str = "cpu",
    max_action_time_ms: int = PlaySettings.max_action_time_ms,
    verbose: bool = True,
    **settings: Any,
) -> TournamentResults:
    """Play a tournament of mixed teams and value every candidate in it.

    With a pool, candidates play 0 to all seats of a team and the pool the others, as in `cogames pickup`; without one,
    every pair of candidates shares teams. `format` chooses something else.

    Args:
        candidates: policies to value, as in `daf.comparison.daf_compare_policies`; a dictionary names them.
        missions: mission names, files or MissionConfigs.
        pool: policies that play the other seats; teams of them alone are what candidates have to beat.
        config: all other settings; candidates, missions and pool of the call replace its own.
        output_dir: folder for the tables (`daf.tournament.files.FILES`) and report.html; None: write nothing.
        workers: number of processes that play; results do not depend on it.
        device: for networks: auto, cpu, or cuda, also with a number.
        max_action_time_ms: wall-clock limit per action.
        verbose: print the results.
        settings: keys of `DAFTournamentConfig`, e.g. `format="pairing"`, `episodes="auto"` or `splits=["2-2"]`.

    Raises:
        BadInputError: an unknown mission, policy or keyword, or settings out of range; nothing has been played.
        UnfitEnvironmentError: the device is not there.
    """
    tournaments.check_settings(daf_run_tournament, settings, ("candidates", "missions", "pool"))
    from daf.engine.evaluation import require_at_least

    require_at_least("daf_run_tournament", workers=(workers, 1), max_action_time_ms=(max_action_time_ms, 1))
    field = tournaments.resolve_field(candidates, pool, missions)
    base = {"format": "pickup" if field.pool else "pairing"} if config is None else config.to_dict()
    names = {
        "candidates": [player.label for player in field.candidates],
        "pool": [player.label for player in field.pool],
        "missions": [mission.name for mission in field.missions],
    }
    full = DAFTournamentConfig.from_labels({**base, **settings, **names}, source="daf_run_tournament")
    how = PlaySettings(workers=workers, device=device, max_action_time_ms=max_action_time_ms)
    results, scores = tournaments.play_tournament(field, full, how)
    return tournaments.deliver(results, scores, output_dir, verbose=verbose)


@checked_arguments
def daf_analyze_league(
    matches: pd.DataFrame | str | Path | Iterable[Any],
    *,
    config: DAFTournamentConfig | None = None,
    output_dir: PathLike | None = None,
    verbose: bool = False,
    **settings: Any,
) -> TournamentResults:
    """Value the policies of matches that were played elsewhere, such as in a league.

    Args:
        matches: a .csv, .tsv, .json, .jsonl or .parquet file, a DataFrame, or rows as dictionaries, with columns match,
            policy, seats and score and, if known, mission, map, train_seed and pool (docs/tournaments.md).
        config: all other settings; candidates, pool, missions and episodes are those of the table.
        output_dir, verbose: as in `daf_run_tournament`. The tables and the page lack what depends on seats.
        settings: keys of `DAFTournamentConfig`, e.g. `weights="uniform"` or `equivalence_margin=0.5`.

    Raises:
        BadInputError: an unknown keyword, a missing or wrong column or value, or a policy twice in a match.
    """
    fixed = ("candidates", "missions", "pool", "format", "splits", "episodes")
    tournaments.check_settings(daf_analyze_league, settings, fixed)
    where = str(matches) if isinstance(matches, str | Path) else "match table"
    results, scores = tournaments.analyze_league(matches, where, config, settings)
    return tournaments.deliver(results, scores, output_dir, verbose=verbose)


@checked_arguments
def daf_read_tournament(path: PathLike) -> TournamentResults:
    """Read the results of a tournament from its folder, or from its results.json.

    Raises:
        BadInputError: it is missing, damaged, or of another version of DAF.
    """
    return read_tournament(user_path(path, "path"))


@checked_arguments
def daf_value_over_replacement(
    results: TournamentResults, *, mission: str | None = None, by_seats: bool = False
) -> pd.DataFrame:
    """The candidates' values with intervals, the highest first; over teams from the pool alone, if there are any.

    Args:
        mission: one of the tournament's; default: all together ("overall"), or the only one.
        by_seats: one row for each number of seats, on a single mission, instead of one over all numbers.

    Returns:
        The columns of values.csv.
    """
    place = _place(results, mission)
    table = results.values_table
    chosen = table[(table["mission"] == place) & (table["seats"].notna() == by_seats)]
    if chosen.empty and by_seats:
        raise BadInputError("a single mission", "all together", "mission", "values by seats are on single missions")
    order = ["over_replacement", "mean"] if chosen["over_replacement"].notna().any() else ["mean"]
    return chosen.sort_values(order, ascending=False, kind="stable").reset_index(drop=True)


@checked_arguments
def daf_cross_play(results: TournamentResults, *, mission: str | None = None) -> pd.DataFrame:
    """The cross-play matrix: the mean of the row's agents beside the column's policy, on the diagonal in all seats.

    `results.cross_play_table` also has intervals, splits and recipes.

    Args:
        mission: one of the tournament's; default: all together ("overall"), or the only one.

    Raises:
        BadInputError: an unknown mission, or no candidate shared a team with a single other policy.
    """
    place = _place(results, mission)
    table = results.cross_play_table
    chosen = table[(table["mission"] == place) & (table["estimand"] == "checkpoints") & table["seats"].isna()]
    if chosen.empty:
        hint = "teams of more than two policies have no cells: see `results.line_ups_table`"
        raise BadInputError("teams of two policies", "none", "cross-play", hint)
    matrix = chosen.pivot_table(index="policy", columns="partner", values="mean", sort=False)
    order = [name for name in results.policies if name in matrix.index]
    others = [name for name in matrix.columns if name not in order]
    return matrix.reindex(index=order, columns=[*(name for name in order if name in matrix.columns), *others])


@checked_arguments
def daf_plot_tournament(
    results: TournamentResults,
    output_path: PathLike | None = None,
    *,
    chart: TournamentChart = "answer",
    mission: str | None = None,
) -> Figure:
    """Draw a chart of a tournament.

    A notebook shows the figure; `figure.axes[0]` can be changed, and `figure.savefig` writes it.

    Args:
        output_path: where to write the figure as well: .svg, .pdf or .png. The same data give the same bytes.
        chart: answer (values over replacement or, without a pool, differences from the first), values (means),
            cross_play (the matrix), seats (by number of seats), contributions, or ranks (rank sets).
        mission: one of the tournament's; default: all together ("overall"), or the only one.

    Raises:
        BadInputError: an unknown mission, or nothing to draw.
    """
    from daf.charts import static
    from daf.reporting.tournament_charts import TournamentCharts

    path = None if output_path is None else static.figure_path(user_path(output_path, "output_path"), "output_path")
    place, charts = _place(results, mission), TournamentCharts(results)
    draw: Mapping[str, Callable[[str], Chart | None]] = {
        "answer": charts.lead,
        "values": charts.means,
        "cross_play": charts.cross_play,
        "seats": charts.by_seats,
        "contributions": charts.contributions,
        "ranks": lambda _: charts.rank_sets(),
    }
    drawn = draw[chart](place)
    if drawn is None:
        elsewhere = [name for name in results.missions if name != place and draw[chart](name) is not None]
        hint = f"name a mission that has them: {', '.join(elsewhere[:3])}" if elsewhere else "choose another chart"
        raise BadInputError(f"results for the chart '{chart}'", f"none on {place}", "chart", hint)
    figure = static.figure(drawn)
    if path is not None:
        static.write(figure, path)
    return figure


@checked_arguments
def daf_export_tournament_html(
    results: TournamentResults, output_path: PathLike | None = None, *, title: str = "Tournament"
) -> Path:
    """Write a tournament as one self-contained HTML page, with its figures under figures/ next to it.

    Args:
        output_path: the page; default daf_output/visualizations/tournament.html.

    Returns:
        The path of the page.
    """
    from daf.reporting.tournament_page import TournamentPageOptions, render_tournament

    path = DEFAULT_PAGE if output_path is None else user_path(output_path, "output_path")
    if path.suffix.lower() not in (".html", ".htm"):
        raise BadInputError("a path that ends in .html", path.name, "output_path")
    near = [name for name in FILES if (path.parent / name).is_file()]
    options = TournamentPageOptions(files=near)
    return render_tournament(results, path, path.parent / "figures", title=title, options=options)


def _place(results: TournamentResults, mission: str | None) -> str:
    """The mission that was asked for.

    Raises:
        BadInputError: it is not one of the tournament's.
    """
    if mission is None:
        return results.place
    known = [OVERALL, *results.missions] if len(results.missions) > 1 else results.missions
    if mission not in known:
        raise BadInputError("a mission of this tournament", f"'{mission}'", "mission", did_you_mean(mission, known))
    return mission
