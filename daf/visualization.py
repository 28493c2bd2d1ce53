"""Pages and figures from results: the comparison report, training curves, policy means.

`daf.reporting` makes the pages and figures; numbers are computed elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from daf.errors import BadInputError, did_you_mean
from daf.system.arguments import checked_arguments
from daf.system.user_paths import user_path
from daf.training.paths import METRICS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from daf.charts.model import Chart
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
) -> Figure:
    """Draw one metric of training runs over agent-steps.

    A notebook shows the figure; `figure.axes[0]` can be changed, and `figure.savefig` writes it.

    Args:
        metrics: a metrics.jsonl, the folder of a run, several of them, or a mapping from label to file or folder.
            The seeds of a folder (seed-*/metrics.jsonl) become one line, their mean, with a band from the lowest to
            the highest seed.
        output_path: where to write the figure as well: .svg, .pdf or .png. The same data give the same bytes.
        metric: a key of the metrics file.

    Raises:
        BadInputError: a file is missing or damaged, or no line has this metric.
    """
    from daf.reporting import learning_curves

    path = _figure_path(output_path)
    files = {label: _metrics_files(where) for label, where in _labelled(metrics).items()}
    if not files:
        raise BadInputError(f"at least one {METRICS}", "none", "metrics")
    runs = [
        learning_curves.TrainedRun(series=label, name=str(file.parent), lines=learning_curves.read_metrics(file))
        for label, members in files.items()
        for file in members
    ]
    lines = [line for run in runs for line in run.lines if line.get(metric) is not None]
    if lines and not any("agent_steps" in line for line in lines):
        raise BadInputError("lines with 'agent_steps'", "none", _names(files))
    if any(isinstance(line[metric], Mapping) for line in lines):
        raise BadInputError(
            f"one number a line for '{metric}'", "several numbers by name", _names(files), "choose another metric"
        )
    if not lines:
        known = {key for run in runs for line in run.lines for key, value in line.items() if value is not None}
        hint = did_you_mean(metric, known - {"agent_steps"})
        if metric in learning_curves.METRICS:
            hint = "the name is right, but no update has recorded it yet"
        raise BadInputError(f"lines with '{metric}'", "none", _names(files), hint)
    return _drawn(learning_curves.metric_chart(runs, metric, list(files)), path)


@checked_arguments
def daf_plot_policy_comparison(
    results: ComparisonResults, output_path: PathLike | None = None, *, mission: str | None = None
) -> Figure:
    """Draw the mean of each policy with its interval and single episodes or training seeds, on one mission or over all.

    A notebook shows the figure; `figure.axes[0]` can be changed, and `figure.savefig` writes it.

    Args:
        output_path: where to write the figure as well: .svg, .pdf or .png. The same data give the same bytes.
        mission: the mission to draw; default: all missions together ("overall"), or the only one.
    """
    from daf.reporting.comparison_charts import Charts
    from daf.reporting.viewpoint import Viewpoint

    path = _figure_path(output_path)
    missions = results.missions
    chosen = mission or ("overall" if len(missions) > 1 else missions[0])
    if not any(record.mission == chosen for record in results.summary):
        raise BadInputError("a mission of this comparison", f"'{chosen}'", "mission", did_you_mean(chosen, missions))
    return _drawn(Charts(Viewpoint(results)).means(chosen), path)


def _figure_path(output_path: PathLike | None) -> Path | None:
    """The path of a figure, refused before anything is drawn if it has no known suffix."""
    from daf.charts import static

    return None if output_path is None else static.figure_path(user_path(output_path, "output_path"), "output_path")


def _drawn(chart: Chart, path: Path | None) -> Figure:
    from daf.charts import static

    figure = static.figure(chart)
    if path is not None:
        try:
            static.write(figure, path)
        except OSError as error:
            expected = "a path where a file can be written"
            raise BadInputError(expected, error.strerror or type(error).__name__, str(path)) from error
    return figure


def _labelled(metrics: PathLike | Sequence[PathLike] | Mapping[str, PathLike]) -> dict[str, Path]:
    """Files and folders by label: the shortest end of their folders' paths that tells them apart."""
    if isinstance(metrics, Mapping):
        return {label: user_path(path, "metrics") for label, path in metrics.items()}
    paths = [user_path(path, "metrics") for path in ([metrics] if isinstance(metrics, str | Path) else metrics)]
    folders = [(path if path.is_dir() else path.parent).absolute() for path in paths]
    for length in (1, 2):
        labels = ["/".join(folder.parts[-length:]) for folder in folders]
        if len(set(labels)) == len(labels):
            return dict(zip(labels, paths, strict=True))
    return {str(path): path for path in paths}


def _names(files: Mapping[str, Sequence[Path]]) -> str:
    return ", ".join(str(file) for members in files.values() for file in members)


def _metrics_files(path: Path) -> list[Path]:
    """The metrics of each seed of a run's folder; a file is that of one run."""
    if not path.is_dir():
        return [path]
    files = sorted(path.glob(f"seed-*/{METRICS}")) or sorted(path.glob(METRICS))
    if not files:
        hint = "give the folder of a run (training/<run>), or of one of its seeds; has training started?"
        raise BadInputError(f"{METRICS}, or seed-*/{METRICS}", "none", str(path), hint)
    return files
