"""Whole pipelines from Python: they run the Snakefile, the only scheduler.

    from daf.orchestrators import run_experiment
    run_experiment("config/config.yaml", cores=4)

pipelines  one function per pipeline
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
