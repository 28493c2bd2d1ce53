"""The page of a tournament: one HTML file without network access, and its figures as files.

The first screen gives the answer: who is better than the pool, or who is first, and how sure that is. The template is
`templates/tournament.html.j2`. The same page shows a league's table, without what needs to know seats.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any
from urllib.parse import quote

from daf.charts import interactive, static
from daf.charts.model import Chart
from daf.reporting import tournament_tables as tables
from daf.reporting.facts import facts, settings
from daf.reporting.page import template
from daf.reporting.page_heads import INDEX
from daf.reporting.templating import with_script_hashes
from daf.reporting.tournament_charts import TournamentCharts
from daf.statistics.results import HEADINGS
from daf.system.files import write_text
from daf.system.nouns import number_of
from daf.tournament.answers import (
    Answer,
    against_pool,
    answer,
    in_order,
    mean_value,
    missions_of,
    open_pairs,
    value_of,
    value_over_pool,
)
from daf.tournament.files import FILES, read_tournament
from daf.tournament.results import TournamentResults

FEW_MISSIONS = 4  # with more, single missions are folded away
MOST_OPEN = 5  # open questions that are not folded away
FORMATS: Mapping[str, str] = {
    "pickup": "pick-up teams", "pairing": "pairs that share teams", "freeplay": "pairs that share teams",
    "teams": "a different candidate in every seat", "round_robin": "round robin of pairs",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TournamentPageOptions:
    """What a page links to, and whose colours it shares.

    Attributes:
        files: data files in the folder of the page.
        series: all policies of the experiment, which have the same colours on all of its pages.
        index: address of the experiment's page; empty: none.
    """

    files: Sequence[str] = ()
    series: Sequence[str] = ()
    index: str = ""


def render_tournament(
    results: TournamentResults,
    output_html: str | Path,
    figures_dir: str | Path | None = None,
    *,
    title: str = "Tournament",
    options: TournamentPageOptions | None = None,
) -> Path:
    """Write the page.

    Args:
        figures_dir: folder that also receives the figures as SVG files; None: no files.
    """
    options = options or TournamentPageOptions()
    charts = TournamentCharts(results, options.series)
    page = _context(results, charts, answer(results)) | {
        "title": title,
        "options": options,
        "figures": _write_figures(list(charts.files()), figures_dir, Path(output_html)),
        "scripts": interactive.scripts(),
        "security": interactive.CONTENT_SECURITY_POLICY,
        "style": interactive.STYLE,
        "light": "",
        "dark": "",
    }
    write_text(output_html, with_script_hashes(template("tournament.html.j2").render(page)))
    return Path(output_html)


def render_workflow_tournament(
    results_file: str | Path,
    output_html: str | Path,
    figures_dir: str | Path,
    *,
    title: str,
    series: Sequence[str] = (),
) -> Path:
    """Write the page from the workflow's results.json, with a link to the page of the experiment.

    Args:
        title: name of the experiment, to which the tournament's is added.
    """
    near = Path(output_html).parent
    title = near.name if near.name == title else f"{title}: {near.name}"
    index = quote(os.path.relpath(near.parents[1] / INDEX, near))  # <out>/tournaments/<tournament>
    options = TournamentPageOptions(files=FILES, series=series, index=index)
    return render_tournament(read_tournament(results_file), output_html, figures_dir, title=title, options=options)


def _write_figures(charts: Sequence[Chart], folder: str | Path | None, page: Path) -> str:
    """Write every chart; returns the address of the folder, if it lies next to the page."""
    if folder is None:
        return ""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for chart in charts:
        static.write(chart, Path(folder) / f"{chart.name}.svg")
    return quote(Path(folder).name) if Path(folder).parent == page.parent else ""


# ---- what the template shows ------------------------------------------------------------------------------


def _context(results: TournamentResults, charts: TournamentCharts, found: Answer) -> dict[str, Any]:
    failed_line_ups, line_ups = tables.line_ups(results)
    values, pairs = tables.values(results), tables.pairs(results)
    pool = results.config.pool
    return {
        "results": results,
        "answer": found,
        "failures": tables.failure_lines(results),
        "level": f"{100 * results.config.confidence_level:.4g} %",
        "sub": _sub(results),
        "pool": pool,
        "missions": results.missions,
        "several": len(results.missions) > 1,
        "questions": _questions(results),
        "open": [pair.sentence for pair in open_pairs(results)],
        "most_open": MOST_OPEN,
        "rankings": tables.rankings(results),
        "partners": tables.partners(results, results.place),
        "failed_line_ups": failed_line_ups,
        "line_ups": line_ups[: tables.MOST_ROWS],
        "num_line_ups": len(line_ups),
        "values": values[: tables.MOST_ROWS],
        "num_values": len(values),
        "has_pool": any(isfinite(record.over_replacement) for record in results.values),
        "has_recipes": any(record.estimand == "recipes" for record in results.values),
        "pairs": pairs[: tables.MOST_ROWS],
        "num_pairs": len(pairs),
        "contribution_rows": _contributions(results),
        "notes": results.notes,
        "provenance": facts(dict(results.provenance)),
        "settings": settings(results.config),
        "analyses": results.analyses,
        **_places(results, charts),
    }


def _sub(results: TournamentResults) -> str:
    """What was played, in a line."""
    candidates, pool = len(results.policies), len(results.config.pool)
    who = f"{candidates} candidate{'' if candidates == 1 else 's'}"
    who += f" and a pool of {pool}" if pool else ""
    missions, matches = len(results.missions), sum(record.n_matches for record in results.line_ups)
    where = number_of(missions, "mission")
    episodes = sum(record.n_episodes + record.n_failed for record in results.line_ups)
    maps = max((record.n_maps for record in results.values), default=0)
    each = f"{number_of(maps, 'map')}{' in all' if missions > 1 else ''}"
    how = "matches of a league" if "table" in results.provenance else FORMATS[results.config.format]
    return (
        f"{who} on {where}, {how}: {number_of(matches, 'match')} on {each}, "
        f"{number_of(episodes, 'episode')}, {results.unit}."
    )


def _questions(results: TournamentResults) -> list[dict[str, Any]]:
    """Both questions: about these weights, and about training again."""
    found = results.over_replacement or results.candidates
    if found is None:
        return []
    return [
        {
            "estimand": estimand,
            "name": HEADINGS[estimand],
            **found.estimand[estimand],
            "rows": _recipes(results) if estimand == "recipes" and found.estimand[estimand]["answered"] else [],
        }
        for estimand in HEADINGS
        if estimand in found.estimand
    ]


def _recipes(results: TournamentResults) -> list[dict[str, Any]]:
    """What each recipe is worth, with the verdict if there is a pool."""
    rows, against = [], against_pool(results, "recipes")
    for policy in in_order(results):
        own = value_of(results, policy, estimand="recipes")
        if own is None:
            continue
        record = against.get(policy)
        value = value_over_pool(own) if isfinite(own.over_replacement) else mean_value(own)
        sentence = f"{policy}: {value}, {number_of(own.n_train_seeds, 'training seed')}."
        rows.append({"sentence": sentence, "verdict": record.verdict if record else ""})
    return rows


def _places(results: TournamentResults, charts: TournamentCharts) -> dict[str, Any]:
    """The charts and tables of the page: where the answer holds, and on single missions."""
    singles = [mission for mission in results.missions if mission != results.place]
    lead = charts.lead()
    beside = [chart for chart in (charts.means(), charts.rank_sets()) if chart is not None]
    beside = [chart for chart in beside if lead is None or chart.name != lead.name]
    seats = [chart for mission in results.missions if (chart := charts.by_seats(mission)) is not None]
    tables_by_seat = [
        tables.by_seat(results, mission, roles_only=by_role)
        for mission in results.missions
        for by_role in (True, False)
    ]
    of_missions = [(mission, charts.lead(mission)) for mission in singles]
    on_missions = [{"mission": mission, "chart": _html(chart)} for mission, chart in of_missions if chart is not None]
    matrices = [found for place in missions_of(results) if (found := tables.matrix(results, place)) is not None]
    return {
        "lead_chart": _html(lead),
        "beside": [_html(chart) for chart in beside],
        "on_missions": on_missions,
        "seats": [_html(chart) for chart in seats],
        "by_seat": [found for found in tables_by_seat if found is not None],
        "matrices": matrices,
        "contributions": _html(charts.contributions()),
        "few": len(results.missions) <= FEW_MISSIONS,
    }


def _contributions(results: TournamentResults) -> list[Any]:
    """The contributions by seat."""
    return [record for record in results.contributions if record.estimand == "checkpoints" and record.seat is not None][
        : tables.MOST_ROWS
    ]


def _html(chart: Chart | None) -> str:
    return "" if chart is None else interactive.figure_html(chart)
