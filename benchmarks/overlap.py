"""Whether the network and the environments of a training process run at the same time, on a job of eight cores.

    python benchmarks/overlap.py [--quick] [--rounds N] [--json]

A process collects experience with seven environment workers. Its network and its environments are fakes that do nothing
but take time: they sleep, so that eight cores can be simulated on fewer, or compute if this process may use eight, to
which it is then confined. Three cases: the network takes half as long as the environments, as long, and twice as long.
The output is what each took, the wall time of a rollout, and its ratio to the longer of the two, which is 1 if they
overlap completely, and up to 2 if they do not. With --json the last line is a JSON object with `ratio` by case. --quick
takes under 50 seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import Any

import numpy as np
import torch
from measure import median

from daf.config import DAFTrainingConfig
from daf.config.recipes import training_recipe
from daf.distributed.process_group import Group
from daf.engine.networks import PolicyNetwork
from daf.engine.simulation import BufferedSimulation
from daf.system.limits import usable_cpus
from daf.system.worker_processes import shared_zeros
from daf.training.trainer import Trainer

CORES = 8
WORKERS = CORES - 1
NUM_ENVS, BLOCKS = 7 * 8, 7  # with four agents each, blocks of eight environments
HORIZON = 8
STEP_SECONDS = 0.05  # of an environment; long, so that other work on the machine hardly matters
CASES = {"network half as long": 0.5, "as long": 1.0, "network twice as long": 2.0}


def take(seconds: float, computing: bool) -> None:
    if not computing:
        time.sleep(seconds)
        return
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def rollout_seconds(share: float, computing: bool) -> tuple[float, float, float]:
    """Seconds that the network took, that the environments of the slowest worker took, and of the whole rollout."""
    call = share * NUM_ENVS / WORKERS * STEP_SECONDS / BLOCKS
    network, forward, real_step = [0.0], PolicyNetwork.step, BufferedSimulation.step
    by_worker = shared_zeros(2**16, np.float64)  # by the process's number

    def slow_network(self: Any, observations: Any, state: Any) -> Any:
        began = time.perf_counter()
        take(call, computing)
        network[0] += time.perf_counter() - began
        return torch.zeros(len(observations), self._num_actions), torch.zeros(len(observations)), state

    def slow_step(self: Any) -> None:
        began = time.perf_counter()
        take(STEP_SECONDS, computing)
        by_worker[os.getpid() % len(by_worker)] += time.perf_counter() - began

    PolicyNetwork.step = slow_network  # type: ignore[method-assign]
    BufferedSimulation.step = slow_step  # type: ignore[method-assign]
    config = DAFTrainingConfig.from_dict(
        {
            "mission": "training_facility_1",
            "hyperparameters": {"num_envs": NUM_ENVS, "horizon": HORIZON, "minibatch_size": NUM_ENVS * HORIZON},
        }
    )
    trainer = Trainer(training_recipe(config, 1, {}), Group(), torch.device("cpu"), env_workers=WORKERS)
    try:
        began = time.perf_counter()
        trainer.collect()
        return network[0], float(by_worker.max()), time.perf_counter() - began
    finally:
        trainer.close()
        PolicyNetwork.step, BufferedSimulation.step = forward, real_step  # type: ignore[method-assign]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each case")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    torch.set_num_threads(1)
    computing = usable_cpus() >= CORES
    if computing:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    print(f"{WORKERS} workers; fakes {'compute' if computing else 'sleep'}; seconds of a rollout, medians")
    print(f"{'case':24}{'network':>9}{'engine':>9}{'wall':>9}{'ratio':>8}")
    ratios: dict[str, float] = {}
    for case, share in CASES.items():
        found = [rollout_seconds(share, computing) for _ in range(1 if options.quick else options.rounds)]
        network, engine, wall = (median(values) for values in zip(*found, strict=True))
        ratios[case] = round(median(whole / max(parts) for *parts, whole in found), 3)
        print(f"{case:24}{network:9.2f}{engine:9.2f}{wall:9.2f}{ratios[case]:8.2f}", flush=True)
    if options.json:
        print(json.dumps({"ratio": ratios}))


if __name__ == "__main__":
    main()
