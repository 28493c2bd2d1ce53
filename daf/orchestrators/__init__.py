"""Whole pipelines from Python. They drive the Snakefile; there is no second scheduler.

from daf.orchestrators import run_experiment
run_experiment("config/config.yaml", cores=4)
"""

from daf.orchestrators.pipelines import (
    run_benchmark_pipeline,
    run_comparison_pipeline,
    run_experiment,
    run_sweep_pipeline,
    run_training_pipeline,
)
from daf.workflow.runner import run_workflow

__all__ = [
    "run_benchmark_pipeline",
    "run_comparison_pipeline",
    "run_experiment",
    "run_sweep_pipeline",
    "run_training_pipeline",
    "run_workflow",
]
