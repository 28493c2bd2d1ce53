"""The comparison report: one HTML file without network access or external scripts, and its figures as SVG files.

The workflow calls `render_report` with a folder that `ComparisonResults.write` created. The template is
`templates/comparison.html.j2`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from pydantic import ConfigDict

from daf.config import direction_sign
from daf.reporting import figures, overall_figures
from daf.reporting.figure_notes import figure_notes, note_of
from daf.reporting.learning_curves import read_metrics, training_figures
from daf.reporting.page import slug, template
from daf.statistics import calibration, sentences
from daf.statistics.records import OVERALL, Estimand, PairRecord
from daf.statistics.results import HEADINGS, ComparisonResults
from daf.system.columns import to_rows
from daf.system.files import write_text
from daf.system.plain import flatten

Row = dict[str, Any]
Scores = dict[str, dict[str, list[float]]]  # by mission and policy
MOST_HEADLINES = 6


class _Mode(TypedDict):
    name: str
    share: float


class AnalysisSummary(TypedDict):
    """What the page says about one policy on a mission."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    policy: str
    num_episodes: int
    mean_reward: float | None
    success_rate: float | None
    failure_modes: list[_Mode]


class MissionReport(TypedDict):
    """What the page reads of a mission's analysis; its other plain values are listed."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    mission: str
    analyses: NotRequired[list[AnalysisSummary]]


def render_report(
    comparison_folder: str | Path,
    output_html: str | Path,
    figures_dir: str | Path | None = None,
    *,
    mission_reports: Sequence[Mapping[str, Any]] | None = None,
    training_metrics: Mapping[str, str | Path] | None = None,
    title: str = "Policy comparison",
) -> Path:
    """Write the report of a comparison folder.

    Args:
        figures_dir: folder that also receives the figures as SVG files; None: no files.
        mission_reports: mission analyses, each with at least "mission"; plain values are listed.
        training_metrics: metrics.jsonl by label.

    Raises:
        BadInputError: the folder holds no comparison, or a metrics file is missing or damaged.
    """
    results = ComparisonResults.read(comparison_folder)
    return render_results(
        results,
        output_html,
        figures_dir,
        mission_reports=mission_reports,
        training_metrics=training_metrics,
        title=title,
        files=("summary.csv", "pairwise.csv", "comparison.json"),
    )


def render_results(
    results: ComparisonResults,
    output_html: str | Path,
    figures_dir: str | Path | None = None,
    *,
    mission_reports: Sequence[Mapping[str, Any]] | None = None,
    training_metrics: Mapping[str, str | Path] | None = None,
    title: str = "Policy comparison",
    files: Sequence[str] = (),
) -> Path:
    """Render results in memory; the report links to `files` in its folder."""
    curves = {label: read_metrics(path) for label, path in (training_metrics or {}).items()}
    page = _context(results, mission_reports or [], curves) | {"title": title, "files": files}
    if figures_dir is not None:
        for name, svg in page["svgs"].items():
            write_text(Path(figures_dir) / f"{name}.svg", figures.standalone(svg, note=note_of(name, page["bars"])))
    write_text(output_html, template("comparison.html.j2").render(page))
    return Path(output_html)


def _context(
    results: ComparisonResults, mission_reports: Sequence[Mapping[str, Any]], curves: Mapping[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    """Everything the template shows."""
    missions, level = results.missions, f"{100 * results.config.confidence_level:.4g} %"
    several = len(missions) > 1
    colours = {policy: index for index, policy in enumerate(results.policies)}
    summary, ranks = to_rows(results.summary), to_rows(results.rank_records)
    pairs = [_pair_row(results, record) for record in results.pairs]
    if not several:  # with one mission, its rows suffice
        summary, pairs, ranks = ([r for r in rows if r["mission"] != OVERALL] for rows in (summary, pairs, ranks))
    scores, seeds = results.episode_scores(), results.seed_scores()
    places = [OVERALL, *missions] if several else missions
    blocks = [_block(results, place, summary, (scores, seeds), colours) for place in places]
    overall = _overall(results, colours) if several else []
    curve_figures = training_figures(curves)
    return {
        "results": results,
        "failed": [(record, sentences.failure_words(record, len(missions))) for record in results.failed],
        "level": level,
        "headings": HEADINGS,
        "policies": results.policies,
        "missions": missions,
        "several": several,
        "summary": summary,
        "pairs": pairs,
        "ranks": ranks,
        **_verdicts(results, summary, pairs),
        "calibration": _calibration(results),
        "blocks": blocks,
        "overall": overall,
        "curves": curve_figures,
        "mission_reports": [_report_items(report) for report in mission_reports],
        "provenance": _items(results.provenance),
        "settings": _items(results.config.to_dict()),
        "svgs": _svgs(blocks, curve_figures, overall),
        "style": figures.STYLE,
        "light": figures.palette_css(figures.LIGHT),
        "dark": figures.palette_css(figures.DARK),
        "has_seeds": any(row["n_train_seeds"] > 1 for row in summary),
        "bars": figure_notes(results),
        "separate_runs": results.config.trainings == "per_mission",
        "has_success": any(row["success_rate"] is not None for row in summary),
        "episodes_total": len(results.episodes),
        "episodes_failed": int(results.episodes["mean_reward"].isna().sum()),
    }


def _words(results: ComparisonResults) -> sentences.Words:
    return sentences.words_of(results.config, len(results.missions), results.unit)


def _pair_row(results: ComparisonResults, record: PairRecord) -> Row:
    """A pair as shown in the tables, with its sentence and the verdict that the sentence states."""
    (row,) = to_rows([record])
    sentence = sentences.verdict_sentence(record, _words(results))
    undecided = sentences.why_undecided(record, results.config.confidence_level)
    return row | {
        "sentence": sentence, "winner_first": sentences.winner_first(record).verdict, "undecided": undecided,
    }  # fmt: skip


def _verdicts(results: ComparisonResults, summary: list[Row], pairs: list[Row]) -> dict[str, Any]:
    """The verdicts over all missions (or on the only one), those on trained policies first."""
    missions = results.missions
    head = OVERALL if len(missions) > 1 else (missions[0] if missions else "")
    leading = [_pair_row(results, record) for record in results.lead_records()]
    by_estimand = {
        estimand: [row for row in pairs if row["estimand"] == estimand and row["mission"] == head]
        for estimand in HEADINGS
    }
    trained = {row["policy"] for row in summary if row["trained"]}
    with_results = [row for row in leading if row["n_a"] != 0]
    headline = [row for row in with_results if {row["policy_a"], row["policy_b"]} & trained] or with_results
    headline = headline[:MOST_HEADLINES]
    if headline:
        lead = headline[0]["sentence"]
    else:
        first = next((record for record in results.summary if not record.failed), results.summary[0])
        lead = sentences.policy_sentence(first, _words(results))
    matrix = {}
    for record in results.lead_records():
        for seen in (record, sentences.mirrored(record)):
            (matrix[seen.policy_a, seen.policy_b],) = to_rows([seen])
    return {
        "headline": headline,
        "lead": lead,
        "more_verdicts": [row for row in leading if row not in headline],
        "verdicts_of": by_estimand,
        "questions": sorted(HEADINGS, key=lambda estimand: not results.estimand[estimand]["answered"]),
        "matrix": matrix,
    }


def _calibration(results: ComparisonResults) -> dict[Estimand, str]:
    """For each answered question, what calibration found for data like those of its first pair."""
    lines: dict[Estimand, str] = {}
    for estimand in HEADINGS:
        record = next((one for one in results.headline_records(estimand) if one.tested), None)
        if record is not None:
            episodes = int(results.episodes.groupby("mission")["env_seed"].nunique().max())
            row = calibration.resembling(record, episodes, looks=bool(results.sequential) and estimand == "checkpoints")
            lines[estimand] = calibration.sentence(row)
    return lines


def _svgs(blocks: list[Row], curves: list[dict[str, str]], overall: list[Row]) -> dict[str, str]:
    """All figures by the name of their file."""
    kinds = ("intervals", "differences", "distributions")
    svgs = {f"{kind}-{slug(block['mission'])}": block[kind] for block in blocks for kind in kinds if block[kind]}
    svgs |= {f"training-{curve['key']}": curve["svg"] for curve in curves}
    return svgs | {f"{fig['key']}-{part['estimand']}": fig["svg"] for part in overall for fig in part["figures"]}


def _overall(results: ComparisonResults, colours: Mapping[str, int]) -> list[Row]:
    """The figures over all missions, for each estimand that has them."""
    aggregates, profiles = to_rows(results.aggregate_records), to_rows(results.profile_records)
    parts = []
    for estimand in dict.fromkeys(row["estimand"] for row in aggregates):
        drawn = []
        for statistic, (title, direction) in overall_figures.STATISTICS.items():
            rows = [row for row in aggregates if (row["estimand"], row["statistic"]) == (estimand, statistic)]
            rows = [row for row in rows if row["value"] is not None]
            rows.sort(key=lambda row: row["value"], reverse=direction_sign(direction) > 0)  # best first
            if rows:
                svg = overall_figures.aggregate_figure(rows, colours, title)
                drawn.append({"key": statistic, "title": title, "svg": svg})
        rows = [row for row in profiles if row["estimand"] == estimand]
        svg = overall_figures.profile_figure(rows, colours, "Profiles")
        drawn.append({"key": "profile", "title": "Performance profile", "svg": svg})
        if estimand == "checkpoints" and results.friedman:
            ranks = [r for r in results.rank_records if (r.estimand, r.mission) == (estimand, OVERALL)]
            svg = overall_figures.critical_difference_figure(
                {record.policy: record.mean_rank for record in ranks if math.isfinite(record.mean_rank)},
                results.friedman["critical_difference"],
                "Mean ranks with critical difference",
            )
            drawn.append({"key": "critical-difference", "title": "Mean ranks over missions", "svg": svg})
        parts.append({"estimand": estimand, "figures": drawn})
    return parts


def _block(
    results: ComparisonResults,
    place: str,
    summary: list[Row],
    scores: tuple[Scores, Scores],
    colours: dict[str, int],
) -> Row:
    """The figures of one mission, or of all together.

    Args:
        scores: of single episodes, and of training seeds.
    """
    title = figures.mission_title(place, len(results.missions))
    dots, seeds = (kind.get(place, {}) for kind in scores)
    rows = [row for row in summary if row["mission"] == place]
    own_pairs = [_pair_row(results, record) for record in results.lead_records(place)]
    ordered = {policy: dots[policy] for policy in colours if policy in dots}
    differences = ""
    if own_pairs:
        margin = results.config.equivalence_margin
        differences = figures.difference_figure(own_pairs, f"Differences between policies, {title}", margin)
    return {
        "mission": place,
        "title": title,
        "intervals": figures.interval_figure(rows, ordered, colours, f"Mean of each policy, {title}", seeds),
        "differences": differences,
        "distributions": figures.distribution_figure(ordered, colours, f"Scores, {title}") if ordered else "",
        "pairs": own_pairs,
        "unexplained": [
            (f"{row['policy_a']} \N{MINUS SIGN} {row['policy_b']}", row["undecided"])
            for row in own_pairs
            if row["undecided"]
        ],
    }


# ---- lists of facts ---------------------------------------------------------------------------------------


def _report_items(report: Mapping[str, Any]) -> dict[str, Any]:
    """A mission report in readable form: its plain values, and a line per analysed policy."""
    analyses: Sequence[Mapping[str, Any]] = report.get("analyses") or []
    plain = {key: value for key, value in report.items() if key not in ("mission", "analyses", "drawn", "provenance")}
    items = _items(plain) + [(str(analysis["policy"]), _analysis_line(analysis)) for analysis in analyses]
    return {"mission": report.get("mission") or report.get("mission_name") or "mission", "items": items}


def _analysis_line(analysis: Mapping[str, Any]) -> str:
    modes = [f"{mode['name']} ({mode['share']:.0%})" for mode in analysis["failure_modes"]]
    success = "" if analysis["success_rate"] is None else f", success {analysis['success_rate']:.0%}"
    went_wrong = f"; {', '.join(modes)}" if modes else ""
    reward = sentences.number(analysis["mean_reward"])
    return f"{analysis['num_episodes']} episodes, mean reward {reward}{success}{went_wrong}"


def _items(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Nested plain data as (dotted key, text)."""
    return [(key, _text(value)) for key, value in flatten(data).items()]


def _text(value: Any) -> str:
    """A value as text; long lists are shortened."""
    if isinstance(value, list | tuple):
        shown = ", ".join(_text(item) for item in value[:20])
        return shown + (f", … ({len(value)} in all)" if len(value) > 20 else "")
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return sentences.UNKNOWN
    return f"{value:.6g}" if isinstance(value, float) else str(value)
