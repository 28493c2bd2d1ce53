"""The page of a comparison: one HTML file without network access, and its figures as files.

The first screen gives the answer: a sentence and one chart, from one policy's point of view (`viewpoint`). The template
is `templates/comparison.html.j2`; the workflow calls `render_report` with a folder that `ComparisonResults.write` made.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any, NotRequired, TypedDict
from urllib.parse import quote

from pydantic import ConfigDict

from daf.charts import interactive, static
from daf.charts.model import Chart
from daf.reporting import comparison_tables as tables
from daf.reporting import learning_tables
from daf.reporting.comparison_charts import Charts
from daf.reporting.facts import Fact, facts, settings
from daf.reporting.learning_curves import TrainedRun, charts_of_runs, read_metrics, read_runs
from daf.reporting.notes import grouped, without_failures
from daf.reporting.page import slug, template
from daf.reporting.page_heads import INDEX
from daf.reporting.templating import with_script_hashes
from daf.reporting.viewpoint import Viewpoint
from daf.statistics import calibration, pair_files, sentences
from daf.statistics.progress import Progress
from daf.statistics.records import PRIMARY_NAMES, Estimand
from daf.statistics.results import FILES, HEADINGS, ComparisonResults
from daf.system.files import write_bytes, write_text
from daf.system.nouns import number_of
from daf.system.process_state import few_searches
from daf.system.shares import Advance, in_shares

FEW_FIGURES = 16  # up to which copies of the process cost more time than they save
FEW_MISSIONS = 3  # with more, the page links to their histograms
MOST_PICTURES = 60  # policies; with more, charts below the first have no picture for readers without scripts


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
    metadata: NotRequired[dict[str, Any]]
    analyses: NotRequired[list[AnalysisSummary]]


@dataclass(frozen=True, kw_only=True)
class PageOptions:
    """What a page links to, and whose colours it shares.

    Attributes:
        missions: addresses of mission pages, by mission.
        sweeps: addresses of sweep pages, by sweep.
        files: data files in the folder of the page.
        series: all policies of the experiment, which have the same colours on all of its pages; empty: those compared.
        index: address of the experiment's page; empty: none.
    """

    missions: Mapping[str, str] = field(default_factory=dict)
    sweeps: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[str] = ()
    series: Sequence[str] = ()
    index: str = ""


def render_report(
    comparison_folder: str | Path,
    output_html: str | Path,
    figures_dir: str | Path | None = None,
    *,
    mission_reports: Sequence[Mapping[str, Any]] | None = None,
    training_runs: Mapping[str, Sequence[str | Path]] | None = None,
    training_metrics: Mapping[str, str | Path] | None = None,
    title: str = "Policy comparison",
    options: PageOptions | None = None,
) -> Path:
    """Write the report of a comparison folder; see `render_results`.

    Raises:
        BadInputError: the folder holds no comparison, or a file of a training run is missing or damaged.
    """
    return render_results(
        ComparisonResults.read(comparison_folder),
        output_html,
        figures_dir,
        mission_reports=mission_reports,
        training_runs=training_runs,
        training_metrics=training_metrics,
        title=title,
        options=options or PageOptions(files=FILES),
    )


@few_searches()
def render_results(
    results: ComparisonResults,
    output_html: str | Path,
    figures_dir: str | Path | None = None,
    *,
    mission_reports: Sequence[Mapping[str, Any]] | None = None,
    training_runs: Mapping[str, Sequence[str | Path]] | None = None,
    training_metrics: Mapping[str, str | Path] | None = None,
    title: str = "Policy comparison",
    options: PageOptions | None = None,
) -> Path:
    """Render results in memory.

    Args:
        figures_dir: folder that also receives the figures as SVG files; None: no files.
        mission_reports: mission analyses, each with at least "mission".
        training_runs: by policy, the run.json of each of its training runs, with metrics.jsonl next to it.
        training_metrics: other metrics.jsonl by label.
        options: what the page links to.
    """
    options = options or PageOptions()
    runs = read_runs(training_runs or {})
    runs += [
        TrainedRun(series=label, name=label, lines=read_metrics(path))
        for label, path in (training_metrics or {}).items()
    ]
    view = Viewpoint(results)
    series = tuple(dict.fromkeys([*options.series, *results.policies]))
    charts = Charts(view, series)
    curves: list[Chart] = [*charts_of_runs(runs, tuple(dict.fromkeys([*series, *(run.series for run in runs)])))]
    page = _context(view, charts, curves) | {
        "title": title,
        "options": replace(options, files=learning_tables.with_files(options.files, results)),
        "mission_reports": [_mission_items(report, _names(results)) for report in mission_reports or []],
        "scored_missions": [name for name in results.missions if charts.has_missions and charts.has_scores(name)],
        "figures": _write_figures([*charts.files(), *curves], figures_dir, Path(output_html)),
    }
    write_text(output_html, with_script_hashes(template("comparison.html.j2").render(page)))
    return Path(output_html)


def _write_figures(charts: Sequence[Chart], folder: str | Path | None, page: Path) -> dict[str, str]:
    """Write every chart; returns addresses by name."""
    if folder is None:
        return {}

    with (
        Progress(len(charts), "figures", verb="drew", stride=1) as progress,
        closing(in_shares(_svg_file, charts, advance=progress.advance, small=len(charts) < FEW_FIGURES)) as contents,
    ):
        for chart, content in zip(charts, contents, strict=True):
            write_bytes(Path(folder) / f"{chart.name}.svg", content)
    near = Path(folder).parent == page.parent
    return {chart.name: f"{Path(folder).name}/{chart.name}.svg" for chart in charts} if near else {}


def _svg_file(chart: Chart, advance: Advance) -> bytes:
    content = static.content(chart, "svg")
    advance(1)
    return content


def _context(view: Viewpoint, charts: Charts, curves: Sequence[Chart]) -> dict[str, Any]:
    """Everything the template shows."""
    results, several = view.results, len(view.results.missions) > 1
    failures = tables.failure_lines(results)
    notes = without_failures(results.notes, [(line.policy, mission) for line, lost in failures for mission in lost])
    numbers = tables.numbers(view)
    return {
        "results": results,
        "view": view,
        "failures": [line for line, _ in failures],
        "level": f"{100 * results.config.confidence_level:.4g} %",
        "headings": HEADINGS,
        "several": several,
        "missions": results.missions,
        "scores": tables.scores_by_mission(view),
        "questions": _questions(view),
        "cautions": tables.cautions(view),
        "undecided": tables.undecided(view),
        "in_words": tables.pair_sentences(view),
        "pairs": tables.pair_rows(view),
        "num_tests": tables.count_of_tests(results),
        "pairs_file": pair_files.NAME if len(results.pairs) > pair_files.INLINE else "pairwise.csv",
        "has_missions": charts.has_missions,
        "matrix": tables.matrix(view),
        **numbers,
        "curves": learning_tables.tables(results),
        "notes": grouped(notes),
        "within": sentences.within(sentences.words_of(results.config, len(results.missions), results.unit)),
        "primary": PRIMARY_NAMES[results.config.primary],
        "provenance": facts(results.provenance),
        "settings": settings(results.config),
        "has_seeds": any(record.n_train_seeds > 1 for record in results.summary),
        "has_success": any(isfinite(record.success_rate) for record in results.summary),
        "separate_runs": results.config.trainings == "per_mission",
        "slug": slug,
        **_drawn(view, charts, curves),
    }


def _drawn(view: Viewpoint, charts: Charts, curves: Sequence[Chart]) -> dict[str, Any]:
    """The charts of the page as HTML, and what they need once."""
    results = view.results
    several = len(results.missions) > 1
    against = charts.against()
    lead: Chart | None = against or (charts.on_missions() if several else charts.means())
    if against is None and len(results.policies) > 1:
        lead = charts.means()
    main = [chart for chart in curves if chart.name in ("training-held_out", "training-episode_reward")]
    beside = [charts.means() if lead is None or lead.name != charts.means().name else None, charts.improvement()]
    few = len(results.missions) <= FEW_MISSIONS
    distributions = [charts.distribution(mission) for mission in results.missions] if few else []
    pictures = len(results.policies) <= MOST_PICTURES
    first, *others = sorted(HEADINGS, key=lambda estimand: estimand != view.estimand)
    return {
        "lead_chart": _html(lead),
        "learning": [_html(chart) for chart in main],
        "other_metrics": [_html(chart) for chart in curves if chart not in main],
        "beside": [_html(chart, picture=pictures) for chart in beside if chart is not None],
        "over_missions": [
            {"estimand": estimand, "charts": [_html(chart, picture=pictures) for chart in drawn]}
            for estimand in (first, *others)
            if several and (drawn := charts.over_missions(estimand))
        ],
        "distributions": [_html(chart, picture=pictures) for chart in distributions if chart is not None],
        "pictures": pictures,
        "scripts": interactive.scripts(),
        "security": interactive.CONTENT_SECURITY_POLICY,
        "style": interactive.STYLE,
        "light": "",
        "dark": "",
    }


def _html(chart: Chart | None, *, picture: bool = True) -> str:
    return "" if chart is None else interactive.figure_html(chart, picture=picture)


# ---- questions and missions ----------------------------------------------------------------------------------


def _questions(view: Viewpoint) -> list[dict[str, Any]]:
    """Both questions, the answered one first, each with what calibration found for data like its own."""
    results, found = view.results, _calibration(view.results)
    words = sentences.words_of(results.config, len(results.missions), results.unit)
    questions = []
    for estimand in sorted(HEADINGS, key=lambda estimand: not results.estimand[estimand]["answered"]):
        answer = results.estimand[estimand]
        shown = [view.seen(record) for record in results.headline_records(estimand, policy=view.policy)]
        other = answer["answered"] and not any(record.estimand == estimand for record in view.against().values())
        questions.append(
            {
                "estimand": estimand,
                "name": HEADINGS[estimand],
                "answered": answer["answered"],
                "why": answer["why"],
                "calibration": found.get(estimand, ""),
                # sentences that the page does not say elsewhere
                "sentences": [
                    {"sentence": sentences.verdict_sentence(record, words), "verdict": record.verdict}
                    for record in shown
                ] if other else [],
            }
        )  # fmt: skip
    return questions


def _calibration(results: ComparisonResults) -> dict[Estimand, str]:
    """For each answered question, what calibration found for data like those of its first pair."""
    lines: dict[Estimand, str] = {}
    for estimand in HEADINGS:
        record = next((one for one in results.headline_records(estimand) if one.tested), None)
        if record is not None:
            episodes = int(results.episodes.groupby("mission")["env_seed"].nunique().max())
            row = calibration.resembling(
                record, episodes, looks=bool(results.sequential) and estimand == "checkpoints",
                separate=results.config.trainings == "per_mission",
            )  # fmt: skip
            lines[estimand] = calibration.sentence(row)
    return lines


def _names(results: ComparisonResults) -> dict[str, str]:
    """What the page calls a checkpoint: its policy, with its own name too if the policy has several."""
    pairs = results.episodes[["policy", "checkpoint"]].drop_duplicates()
    several = pairs["policy"].duplicated(keep=False)
    return {
        str(checkpoint): f"{policy} ({checkpoint})" if many and checkpoint != policy else str(policy)
        for policy, checkpoint, many in zip(pairs["policy"], pairs["checkpoint"], several, strict=True)
    }


def _mission_items(report: Mapping[str, Any], names: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A mission report in readable form: facts about the mission, and a line per analysed policy.

    Args:
        names: of checkpoints, as the page has them.
    """
    analyses: Sequence[Mapping[str, Any]] = report.get("analyses") or []
    told: Mapping[str, Any] = report.get("metadata") or {}
    chosen = ("num_agents", "max_steps", "success", "success_reason")
    items: list[Fact] = facts({key: told[key] for key in chosen if told.get(key) not in (None, "")})
    names = names or {}
    items += [(names.get(str(one["policy"]), str(one["policy"])), _analysis_line(one)) for one in analyses]
    return {"mission": str(report["mission"]), "description": str(told.get("description") or ""), "items": items}


def _analysis_line(analysis: Mapping[str, Any]) -> str:
    modes = [f"{mode['name']} ({sentences.percent(mode['share'])})" for mode in analysis["failure_modes"]]
    success = "" if analysis["success_rate"] is None else f", success {sentences.percent(analysis['success_rate'])}"
    went_wrong = f"; {', '.join(modes)}" if modes else ""
    reward = sentences.number(analysis["mean_reward"])
    return f"{number_of(analysis['num_episodes'], 'episode')}, mean reward {reward}{success}{went_wrong}"


# ---- in the workflow ------------------------------------------------------------------------------------------


def render_workflow_report(
    comparison_folder: str | Path,
    output_html: str | Path,
    figures_dir: str | Path,
    *,
    missions: Mapping[str, Mapping[str, Any]],
    training: Mapping[str, Mapping[str, Any]],
    run_files: Sequence[str | Path],
    title: str,
    series: Sequence[str] = (),
) -> Path:
    """Write the report of a comparison from the workflow's files, with links to the pages of missions and sweeps.

    Args:
        missions: reports of missions by file; their pages lie next to them.
        training: by policy, its `runs` (run/seed-1) and the `sweep` of its hyperparameters, as
            `Plan.training_of_comparison` returns them.
        run_files: the run.json of all runs.
        series: all policies of the experiment.
    """
    near = Path(output_html).parent
    by_run = {"/".join(Path(path).parts[-3:-1]): path for path in run_files}
    sweeps = dict.fromkeys(source["sweep"] for source in training.values() if source["sweep"])
    out = near.parents[1]  # <out>/comparisons/<comparison>
    options = PageOptions(
        missions={
            report["mission"]: _address(Path(path).with_suffix(".html"), near) for path, report in missions.items()
        },
        sweeps={sweep: _address(out / "sweeps" / sweep / "report.html", near) for sweep in sweeps},
        files=(*FILES, "checklist.md"),
        series=series,
        index=_address(out / INDEX, near),
    )
    return render_report(
        comparison_folder,
        output_html,
        figures_dir,
        mission_reports=list(missions.values()),
        training_runs={policy: [by_run[run] for run in source["runs"]] for policy, source in training.items()},
        title=title,
        options=options,
    )


def _address(path: Path, folder: Path) -> str:
    """A path relative to the folder of the page, as an address."""
    return quote(os.path.relpath(path, folder))
