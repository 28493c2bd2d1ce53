"""Agent-steps per second of DAF's trainer, compared with `cogames train`: same mission, policy and machine,
alternating.

    python benchmarks/training.py [--quick] [--json] [--env-workers N] [--peer processes] [--cases "arena lstm"]

Both train with 64 environments, one epoch per update and minibatches of 4,096; start-up is excluded on both sides: the
clock runs from the end of the first update to the end of the last. DAF uses one process per core (at most two), the
peer its single process with any number of threads. With --env-workers, DAF uses one process and N workers that step its
environments; with --peer processes, that is compared with DAF's own process per core. Output: a table with the median
of the rounds, and the breakdown of DAF's time; with --json the last line is a JSON object with `ratio` by case. --quick
runs one case in under 50 seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

from measure import speed

PEER = """
import sys, time, torch
from pathlib import Path
from cogames import train
from pufferlib.pufferl import PuffeRL
from daf.engine.missions import resolve_mission
from daf.engine.policies import resolve_policy

mission, policy, steps, envs, folder = sys.argv[1:]
marks, learn = [], PuffeRL.train

def timed(self):
    result = learn(self)
    marks.append((time.perf_counter(), self.global_step))
    return result

PuffeRL.train = timed
environment, class_path = resolve_mission(mission).env_config, resolve_policy(policy).class_path
train.train(environment, class_path, torch.device("cpu"), None, int(steps), Path(folder), 1, 4096,
            log_outputs=True, vector_num_envs=int(envs), missions_arg=[mission])
(t0, s0), (t1, s1) = marks[0], marks[-1]
print("\\nSPEED", (s1 - s0) / (t1 - t0))
"""

OURS = """
import json, sys
from pathlib import Path
from daf.config import DAFTrainingConfig
from daf.config.recipes import training_recipe
from daf.training.launch import run_training
from daf.training.options import RunOptions

mission, policy, steps, envs, folder, processes, env_workers = sys.argv[1:]
config = DAFTrainingConfig.from_dict({
    "mission": mission, "policy_class_path": policy, "num_evaluations": 0,
    "num_steps": int(steps), "processes_per_machine": int(processes), "env_workers": int(env_workers),
    "hyperparameters": {"epochs": 1, "minibatch_size": 4096, "num_envs": int(envs)}})
options = RunOptions.of(config, label="benchmark").model_copy(
    update={"checkpoint_interval_steps": 10**9, "trackers": ()})
run_training(training_recipe(config, 1, {}), Path(folder), options)
lines = [json.loads(line) for line in (Path(folder) / "metrics.jsonl").open()]
first, last = lines[0], lines[-1]
shares = [sum(line[f"{what}_share"] for line in lines) / len(lines) for what in ("environment", "forward", "learning")]
print("\\nSPEED", (last["agent_steps"] - first["agent_steps"]) / (last["seconds"] - first["seconds"]), *shares)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one case, under 50 seconds")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--env-workers", type=int, metavar="N", help="one process with N workers for its environments")
    parser.add_argument("--peer", choices=("cogames", "processes"), default="cogames", help="what DAF is compared with")
    parser.add_argument("--cases", nargs="+", metavar="CASE", help="a mission and a policy each; default: all")
    options = parser.parse_args()
    cases = [(mission, policy) for mission in ("tutorial.miner", "arena") for policy in ("lstm", "stateless")]
    if options.cases:
        cases = [(mission, policy) for mission, policy in map(str.split, options.cases)]
    steps, envs, rounds = (60_000, 32, 1) if options.quick else (250_000, 64, 3)
    cores = min(2, os.cpu_count() or 1)
    workers = options.env_workers
    layout = (cores, 0) if workers is None else (1, workers)
    ratios: dict[str, float] = {}
    name = "cogames train" if options.peer == "cogames" else f"{cores} processes"
    print(f"agent-steps per second, {cores} cores, {layout[0]} processes of DAF, {layout[1]} environment workers each")
    print(f"{'case':<28}{name:>16}{'DAF':>10}{'ratio':>8}{'environment':>14}{'forward':>9}{'learning':>10}")
    for mission, policy in cases[:1] if options.quick else cases:
        pairs = []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                case = (mission, policy, steps, envs)
                if options.peer == "cogames":
                    (peer,) = speed(PEER, *case, Path(folder) / "peer")
                else:
                    peer, *_ = speed(OURS, *case, Path(folder) / "peer", cores, 0)
                ours, *shares = speed(OURS, *case, Path(folder) / "daf", *layout)
            pairs.append((ours / peer, peer, ours, shares))
        ratio, peer, ours, (environment, forward, learning) = sorted(pairs)[len(pairs) // 2]
        ratios[f"{mission} {policy}"] = round(ratio, 2)
        figures = f"{peer:>16,.0f}{ours:>10,.0f}{ratio:>8.2f}{environment:>14.0%}{forward:>9.0%}{learning:>10.0%}"
        print(f"{mission + ' ' + policy:<28}{figures}", flush=True)
    if options.json:
        print(json.dumps({"ratio": ratios}))


if __name__ == "__main__":
    main()
