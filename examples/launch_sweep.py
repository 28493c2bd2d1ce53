"""Run a sweep that trains, through the workflow: finished trials stay, and a second call adds what is missing."""

from daf import sweeps
from daf.config import DAFSweepConfig

if __name__ == "__main__":
    config = DAFSweepConfig.from_yaml("sweep.yaml")
    results = sweeps.daf_launch_sweep(config, cores=2)
    best = sweeps.daf_sweep_best_config(results)
    learning_rate = best.hyperparameters["learning_rate"]
    print(f"Best learning rate: {learning_rate:.2e}, {config.objective_metric} {best.objective:.3f}")
    print(f"Seconds in all: {sweeps.daf_sweep_analysis(results).cost['seconds_total']:.0f}")
