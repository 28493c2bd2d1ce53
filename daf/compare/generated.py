"""Comparisons of experiments that are made in memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from daf.config import ExperimentConfig
from daf.orchestrators.pipelines import run_comparison_pipeline

if TYPE_CHECKING:
    from daf.statistics.results import ComparisonResults


def run_generated_comparison(experiment: ExperimentConfig, folder: str | Path, *, cores: int = 1) -> ComparisonResults:
    """Run an experiment of one comparison that was made in memory; its file is kept as `<folder>/experiment.yaml`."""
    path = Path(folder) / "experiment.yaml"
    experiment.to_yaml(path)
    (results,) = run_comparison_pipeline(path, cores=cores).values()
    return results
