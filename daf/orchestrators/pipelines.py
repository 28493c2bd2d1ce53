"""One function per pipeline: run part of an experiment through the workflow, then hand back its results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from daf.config import DAFSweepConfig, ExperimentConfig
from daf.system.shown import ResultList, ResultsByName
from daf.workflow.runner import run_workflow

if TYPE_CHECKING:
    from daf.distributed_training import TrainingResults
    from daf.statistics.results import ComparisonResults
    from daf.sweeps import SweepResults


def run_experiment(config_path: str | Path, *, cores: int = 4, **options: Any) -> ExperimentConfig:
    """Run everything in an experiment file. Options are those of `run_workflow`."""
    run_workflow(config_path=config_path, cores=cores, **options)
    return ExperimentConfig.from_yaml(config_path)


def run_training_pipeline(config_path: str | Path, *, cores: int = 4) -> dict[str, list[TrainingResults]]:
    """Train all runs of an experiment; return results by run, one per seed."""
    from daf.distributed_training import daf_collect_training_results

    run_workflow(config_path=config_path, targets=["train"], cores=cores)
    experiment = ExperimentConfig.from_yaml(config_path)
    base = experiment.daf.output_dir / "training"
    return ResultsByName(
        (name, ResultList(daf_collect_training_results(base / name / f"seed-{seed}") for seed in run.seeds))
        for name, run in experiment.training.items()
    )


def run_sweep_pipeline(config: str | Path | DAFSweepConfig, *, cores: int = 4) -> dict[str, SweepResults]:
    """Run the sweeps of an experiment file, or one sweep; return results by name."""
    from daf.sweeps import daf_launch_sweep, read_sweep

    if isinstance(config, DAFSweepConfig):
        return ResultsByName({config.name: daf_launch_sweep(config, cores=cores)})
    run_workflow(config_path=config, targets=["sweep"], cores=cores)
    experiment = ExperimentConfig.from_yaml(config)
    base = experiment.daf.output_dir / "sweeps"
    return ResultsByName((name, read_sweep(base / name, sweep)) for name, sweep in experiment.sweeps.items())


def run_comparison_pipeline(config_path: str | Path, *, cores: int = 4) -> dict[str, ComparisonResults]:
    """Make all comparisons of an experiment; return results by name."""
    from daf.statistics.results import ComparisonResults

    run_workflow(config_path=config_path, targets=["compare"], cores=cores)
    experiment = ExperimentConfig.from_yaml(config_path)
    base = experiment.daf.output_dir / "comparisons"
    return ResultsByName((name, ComparisonResults.read(base / name)) for name in experiment.comparisons)


def run_benchmark_pipeline(
    policies: Sequence[Any],
    suite: str = "quick",
    episodes_per_mission: int | Literal["auto"] | None = None,
    **options: Any,
) -> ComparisonResults:
    """Run policies on a named suite and update its leaderboard; see `daf.comparison.daf_benchmark_suite`."""
    from daf.compare.suites import daf_benchmark_suite

    return daf_benchmark_suite(policies, suite, episodes_per_mission, **options)
