"""Comparisons of experiments that are built in memory."""

from __future__ import annotations

from pathlib import Path

from daf.config import ExperimentConfig
from daf.statistics.results import ComparisonResults
from daf.workflow.runner import run_workflow


def run_generated_comparison(experiment: ExperimentConfig, folder: str | Path, *, cores: int = 1) -> ComparisonResults:
    """Run an experiment with a single comparison through the workflow, as `<folder>/experiment.yaml`."""
    path = Path(folder) / "experiment.yaml"
    experiment.to_yaml(path)
    (name,) = experiment.comparisons
    results = experiment.daf.output_dir / "comparisons" / name
    # Not the target `compare`: it fails if too many episodes of a policy failed, which the results say, too.
    run_workflow(config_path=path, targets=[str(results / "report.html")], cores=cores)
    return ComparisonResults.read(results)
