"""Pages and figures from results: the comparison report, training curves, policy means.

`daf.reporting` makes the pages and figures; numbers are computed elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from daf.errors import BadInputError, did_you_mean
from daf.system.arguments import checked_arguments
from daf.system.columns import to_rows
from daf.system.files import write_text
from daf.system.user_paths import user_path
from daf.training.paths import METRICS

if TYPE_CHECKING:
    from daf.statistics.results import ComparisonResults

__all__ = ["daf_checklist", "daf_export_comparison_html", "daf_plot_policy_comparison", "daf_plot_training_curves"]

DEFAULT_FOLDER = Path("daf_output") / "visualizations"
PathLike = str | Path


@checked_arguments
def daf_export_comparison_html(
    results: ComparisonResults,
    output_path: PathLike | None = None,
    *,
    training_metrics: Mapping[str, PathLike] | None = None,
    title: str = "Policy comparison",
) -> Path:
    """Write a comparison as one self-contained HTML page, with its figures under figures/ next to it.

    Args:
        output_path: the page; default daf_output/visualizations/comparison_report.html.
        training_metrics: metrics.jsonl by label, for learning curves.

    Returns:
        The path of the page.
    """
    from daf.reporting.comparison_page import render_results

    path = (
        user_path(output_path, "output_path") if output_path is not None else DEFAULT_FOLDER / "comparison_report.html"
    )
    if path.suffix.lower() not in (".html", ".htm"):
        raise BadInputError("a path that ends in .html", path.name, "output_path")
    return render_results(results, path, path.parent / "figures", training_metrics=training_metrics, title=title)


@checked_arguments
def daf_checklist(
    results: ComparisonResults,
    output_path: PathLike | None = None,
    *,
    training_runs: Mapping[str, Sequence[PathLike]] | None = None,
    sweeps: Mapping[str, PathLike] | None = None,
    learning_curves: str = "",
) -> Path:
    """Write the reporting checklist of a comparison as Markdown: what reviewers ask, answered where records know it.

    Args:
        output_path: the file; default daf_output/visualizations/checklist.md.
        training_runs: by policy, the run.json of each of its training seeds.
        sweeps: by policy, the best.json of the sweep that chose its hyperparameters.
        learning_curves: where they are shown.

    Raises:
        BadInputError: an unknown policy, or a missing or damaged file.
    """
    from daf.reporting import checklist

    for where, given in (("training_runs", training_runs or {}), ("sweeps", sweeps or {})):
        for policy in given:
            if policy not in results.policies:
                expected = f"a policy of this comparison ({', '.join(results.policies)})"
                raise BadInputError(expected, f"'{policy}'", where, did_you_mean(policy, results.policies))
    items = checklist.reporting_checklist(
        results, training_runs=training_runs, sweeps=sweeps, learning_curves=learning_curves
    )
    path = user_path(output_path, "output_path") if output_path is not None else DEFAULT_FOLDER / "checklist.md"
    return checklist.write_checklist(path, items)


@checked_arguments
def daf_plot_training_curves(
    metrics: PathLike | Sequence[PathLike] | Mapping[str, PathLike],
    output_path: PathLike | None = None,
    *,
    metric: str = "episode_reward",
) -> Path:
    """Draw one metric of training runs over agent-steps, as SVG.

    Args:
        metrics: a metrics.jsonl, several, a mapping from label to file, or the folder of a run (each
            seed-*/metrics.jsonl below it becomes a curve).
        output_path: the figure; default daf_output/visualizations/training_<metric>.svg.
        metric: a key of the metrics file.

    Raises:
        BadInputError: a file is missing or damaged, or no line has this metric.
    """
    from daf.reporting import figures, learning_curves

    path = _svg_path(output_path, f"training_{metric}.svg")
    runs = {label: learning_curves.read_metrics(file) for label, file in _metrics_files(metrics).items()}
    curves = learning_curves.metric_curves(runs, metric)
    if not any(curves.values()):
        known = {key for lines in runs.values() for line in lines for key, value in line.items() if value is not None}
        where = ", ".join(str(file) for file in _metrics_files(metrics).values())
        hint = did_you_mean(metric, known - {"agent_steps"})
        if metric in learning_curves.METRICS:
            hint = "the name is right, but no update has recorded it yet"
        raise BadInputError(f"lines with '{metric}'", "none", where or "metrics", hint)
    name = learning_curves.METRICS.get(metric, metric)
    write_text(path, figures.standalone(figures.curve_figure(curves, f"{name} over agent-steps")))
    return path


@checked_arguments
def daf_plot_policy_comparison(
    results: ComparisonResults, output_path: PathLike | None = None, *, mission: str | None = None
) -> Path:
    """Draw means, intervals and single episodes of the policies on one mission, as SVG.

    Args:
        output_path: the figure; default daf_output/visualizations/policy_comparison.svg.
        mission: the mission to draw; default: all missions together ("overall"), or the only one.
    """
    from daf.reporting import figures

    path = _svg_path(output_path, "policy_comparison.svg")
    missions = results.missions
    chosen = mission or ("overall" if len(missions) > 1 else missions[0])
    rows = to_rows(record for record in results.summary if record.mission == chosen)
    if not rows:
        raise BadInputError("a mission of this comparison", f"'{chosen}'", "mission", did_you_mean(chosen, missions))
    dots = results.episode_scores().get(chosen, {})
    colours = {policy: index for index, policy in enumerate(results.policies)}
    title = f"Mean of each policy, {figures.mission_title(chosen, len(missions))}"
    write_text(path, figures.standalone(figures.interval_figure(rows, dots, colours, title)))
    return path


def _svg_path(output_path: PathLike | None, default: str) -> Path:
    path = user_path(output_path, "output_path") if output_path is not None else DEFAULT_FOLDER / default
    if path.suffix.lower() != ".svg":
        raise BadInputError("a path that ends in .svg", path.name, "output_path")
    return path


def _metrics_files(metrics: PathLike | Sequence[PathLike] | Mapping[str, PathLike]) -> dict[str, Path]:
    """Files by label; the label is the folder that distinguishes them (seed-1 of training/miner/seed-1)."""
    if isinstance(metrics, Mapping):
        return {label: user_path(file, "metrics") for label, file in metrics.items()}
    if isinstance(metrics, str | Path):
        folder = user_path(metrics, "metrics")
        if not folder.is_dir():
            return {folder.parent.name or folder.stem: folder}
        files = sorted(folder.glob(f"seed-*/{METRICS}")) or sorted(folder.glob(METRICS))
        if not files:
            hint = "give the folder of a run (training/<run>), or of one of its seeds; has training started?"
            raise BadInputError(f"{METRICS}, or seed-*/{METRICS}", "none", str(folder), hint)
        return {file.parent.name: file for file in files}
    files = [user_path(file, "metrics") for file in metrics]
    short = [file.parent.name for file in files]
    labels = short if len(set(short)) == len(short) else ["/".join(file.parent.parts[-2:]) for file in files]
    if len(set(labels)) != len(labels):
        labels = [str(file) for file in files]
    return dict(zip(labels, files, strict=True))
