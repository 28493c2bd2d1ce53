"""Sweep over a Python function, with a built-in strategy and with your own."""

import random

from daf import sweeps
from daf.config import DAFSweepConfig


class BestNeighbour:
    """Suggests a value near the best one so far."""

    adaptive = True

    def suggest(self, request):
        rng = random.Random(request.seed)
        completed = [trial for trial in request.results if trial.objective is not None]
        if not completed:
            return {"x": rng.uniform(-5, 5)}
        best = max(completed, key=lambda trial: trial.objective)
        return {"x": min(5.0, max(-5.0, best.hyperparameters["x"] + rng.gauss(0, 0.5)))}


def score(trial):
    return -((trial.hyperparameters["x"] - 2) ** 2)


if __name__ == "__main__":
    for strategy in ("bayesian", "search_function.BestNeighbour"):
        config = DAFSweepConfig(
            strategy=strategy, search_space={"x": {"type": "float", "low": -5, "high": 5}}, num_trials=20, lag=1
        )
        results = sweeps.daf_launch_sweep(config, score)
        best = sweeps.daf_sweep_best_config(results)
        print(f"{strategy}: x = {best.hyperparameters['x']:.3f} scores {best.objective:.4f}")
