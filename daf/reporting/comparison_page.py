"""The comparison report: one HTML file that needs no network and no JavaScript, and the same figures as SVG files.

`render_report` is what the workflow's rule calls; it reads a folder that `ComparisonResults.write` made. The page is
`templates/comparison.html.j2`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from daf.comparison import ComparisonResults
from daf.reporting import figures, overall_figures
from daf.reporting.learning_curves import read_metrics, training_figures
from daf.reporting.page import _records, slug, template
from daf.statistics import sentences
from daf.system.files import write_text


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
        figures_dir: where the figures also go as SVG files; None: nowhere.
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
    """The same from results in memory; `files` beside the report get links."""
    curves = {label: read_metrics(path) for label, path in (training_metrics or {}).items()}
    page = _context(results, mission_reports or [], curves) | {"title": title, "files": files}
    if figures_dir is not None:
        for name, svg in page["svgs"].items():
            write_text(Path(figures_dir) / f"{name}.svg", figures.standalone(svg))
    write_text(output_html, template("comparison.html.j2").render(page))
    return Path(output_html)


def _context(
    results: ComparisonResults, mission_reports: Sequence[Mapping[str, Any]], curves: Mapping[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    summary, pairs, ranks = (_records(f) for f in (results.summary_statistics, results.pairwise, results.ranks))
    missions = results.missions
    several = len(missions) > 1
    policies = list(dict.fromkeys(row["policy"] for row in summary))
    colours = {policy: index for index, policy in enumerate(policies)}
    level = results.config.confidence_level
    places = ["overall", *missions] if several else missions
    if not several:  # one mission: its rows say it all
        summary, pairs, ranks = ([r for r in rows if r["mission"] != "overall"] for rows in (summary, pairs, ranks))
    for row in pairs:
        row["winner_first"] = "better" if row["verdict"] == "worse" else row["verdict"]  # as the sentence has it
        row["sentence"] = sentences.verdict_sentence(row, level=level, missions=len(missions), unit=results.unit)
    head = "overall" if several else (missions[0] if missions else "")
    trained = {row["policy"] for row in summary if row["trained"]}
    verdicts = {key: [r for r in pairs if r["estimand"] == key and r["mission"] == head] for key in "AB"}
    first = [r for r in verdicts["A"] if {r["policy_a"], r["policy_b"]} & trained] or verdicts["A"]
    first = first[:6]
    rewards = results.episode_scores()
    blocks = [_place(results, place, summary, pairs, rewards, colours, len(missions)) for place in places]
    curve_list = training_figures(curves)
    kinds = ("intervals", "differences", "distributions")
    svgs = {f"{kind}-{slug(block['mission'])}": block[kind] for block in blocks for kind in kinds if block[kind]}
    svgs |= {f"training-{item['key']}": item["svg"] for item in curve_list}
    overall = _overall(results, colours) if several else []
    svgs |= {f"{figure['key']}-{part['estimand']}": figure["svg"] for part in overall for figure in part["figures"]}
    return {
        "results": results,
        "level": f"{100 * level:.4g} %",
        "policies": policies,
        "missions": missions,
        "several": several,
        "summary": summary,
        "pairs": pairs,
        "ranks": ranks,
        "headline": first,
        "lead": first[0]["sentence"]
        if first
        else sentences.policy_sentence(summary[0], level=level, missions=len(missions), unit=results.unit),
        "more_verdicts": [r for r in verdicts["A"] if r not in first],
        "recipe_verdicts": verdicts["B"],
        "matrix": {(r["policy_a"], r["policy_b"]): r for r in verdicts["A"]} | _mirrored(verdicts["A"]),
        "blocks": blocks,
        "overall": overall,
        "curves": curve_list,
        "mission_reports": [_flat(report) for report in mission_reports],
        "provenance": _flat_items(results.provenance),
        "settings": _flat_items(results.config.to_dict()),
        "svgs": svgs,
        "style": figures.STYLE,
        "light": figures.palette_css(figures.LIGHT),
        "dark": figures.palette_css(figures.DARK),
        "has_success": any(row["success_rate"] is not None for row in summary),
        "episodes_total": len(results.episodes),
    }


def _overall(results: ComparisonResults, colours: Mapping[str, int]) -> list[dict[str, Any]]:
    """The figures over all missions, for each question that has them."""
    aggregates, profiles, ranks = (_records(f) for f in (results.aggregates, results.profiles, results.ranks))
    parts = []
    for estimand in dict.fromkeys(row["estimand"] for row in aggregates):
        rows = [row for row in aggregates if row["estimand"] == estimand]
        found = []
        for name in overall_figures.STATISTICS:
            own = [row for row in rows if row["statistic"] == name]
            own.sort(key=lambda row: row["value"], reverse=name != "optimality_gap")  # the best first
            if own:
                title = overall_figures.STATISTICS[name]
                found.append((name, title, overall_figures.aggregate_figure(own, colours, title)))
        own = [row for row in profiles if row["estimand"] == estimand]
        found.append(("profile", "Performance profile", overall_figures.profile_figure(own, colours, "Profiles")))
        if estimand == "A" and results.friedman:
            over_missions = [row for row in ranks if (row["estimand"], row["mission"]) == ("A", "overall")]
            mean_ranks = {row["policy"]: row["mean_rank"] for row in over_missions}
            svg = overall_figures.critical_difference_figure(
                mean_ranks, results.friedman["critical_difference"], "Mean ranks with critical difference"
            )
            found.append(("critical-difference", "Mean ranks over missions", svg))
        kept = ("key", "title", "svg")
        parts.append({"estimand": estimand, "figures": [dict(zip(kept, figure, strict=True)) for figure in found]})
    return parts


def _place(
    results: ComparisonResults,
    place: str,
    summary: list[dict[str, Any]],
    pairs: list[dict[str, Any]],
    rewards: dict[str, dict[str, list[float]]],
    colours: dict[str, int],
    missions: int,
) -> dict[str, Any]:
    """Everything the page shows of one mission, or of all together."""
    title = figures.mission_title(place, missions)
    dots = rewards.get(place, {})
    rows = [row for row in summary if row["mission"] == place]
    own = [row for row in pairs if row["mission"] == place and row["estimand"] == "A"]
    ordered = {policy: dots[policy] for policy in colours if policy in dots}
    margin = results.config.equivalence_margin
    return {
        "mission": place,
        "title": title,
        "intervals": figures.interval_figure(rows, ordered, colours, f"Mean of each policy, {title}"),
        "differences": figures.difference_figure(own, f"Differences between policies, {title}", margin) if own else "",
        "distributions": figures.distribution_figure(ordered, colours, f"Scores, {title}") if ordered else "",
        "pairs": own,
    }


def _mirrored(pairs: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """The same pairs seen from the other policy."""
    flipped = {"better": "worse", "worse": "better"}
    mirrored = {}
    for row in pairs:
        difference = None if row["difference"] is None else -row["difference"]
        seen = {**row, "difference": difference, "verdict": flipped.get(row["verdict"], row["verdict"])}
        mirrored[row["policy_b"], row["policy_a"]] = seen
    return mirrored


def _flat(report: Mapping[str, Any]) -> dict[str, Any]:
    """A mission report for a person: its plain values, and a line for every policy that was analysed."""
    analyses: Sequence[Mapping[str, Any]] = report.get("analyses") or []
    plain = {key: value for key, value in report.items() if key not in ("mission", "analyses", "drawn", "provenance")}
    items = _flat_items(plain) + [(str(one["policy"]), _analysis_line(one)) for one in analyses]
    return {"mission": report.get("mission") or report.get("mission_name") or "mission", "items": items}


def _analysis_line(analysis: Mapping[str, Any]) -> str:
    modes = [f"{mode['name']} ({mode['share']:.0%})" for mode in analysis["failure_modes"]]
    success = "" if analysis["success_rate"] is None else f", success {analysis['success_rate']:.0%}"
    went_wrong = f"; {', '.join(modes)}" if modes else ""
    reward = sentences.number(analysis["mean_reward"])
    return f"{analysis['num_episodes']} episodes, mean reward {reward}{success}{went_wrong}"


def _flat_items(data: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested plain data as (dotted key, text), for tables that a person reads; long lists are cut."""
    items: list[tuple[str, str]] = []
    for key, value in data.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            items += _flat_items(value, f"{name}.")
        elif isinstance(value, list | tuple):
            shown = ", ".join(_text(item) for item in value[:20])
            items.append((name, shown + (f", … ({len(value)} in all)" if len(value) > 20 else "")))
        else:
            items.append((name, _text(value)))
    return items


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return sentences.UNKNOWN
    return f"{value:.6g}" if isinstance(value, float) else str(value)
