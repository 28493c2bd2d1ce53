#!/usr/bin/env python
"""Agent-steps per second of DAF's trainer, compared with `cogames train`: same mission, policy and machine,
alternating.

    python benchmarks/training.py [--quick] [--json] [--device cpu|cuda] [--env-workers N] [--peer processes]
                                  [--cases "arena lstm" …] [--rounds N] [--seconds S] [--out rows.jsonl]

On a CPU, both train with 64 environments, one epoch per update and minibatches of 4,096; DAF uses one process per core
(at most two), the peer its single process with any number of threads. With --env-workers, DAF uses one process and N
workers that step its environments; with --peer processes, that is compared with DAF's own process per core.

On a GPU, the peer keeps its own defaults (256 environments, minibatches of 4,096, a worker process per core). DAF has
256 environments, minibatches of 16,384 and `env_workers: auto`; see --envs, --minibatch and --precision.

Start-up is excluded on both sides: the clock runs from the end of the first update to the end of the last that ended
within --seconds, which include the start-up. The ceiling is the bare engine with random actions, in a process per core.
Every round prints its row when it ends, and appends it to --out, so a run that is cut short keeps what it measured.
With --json the last line is a JSON object with the median `ratio` by case. --quick runs one round of one case in under
50 seconds on a CPU. With the defaults, a GPU's run takes less than 8 minutes.

It needs no installation: on another machine, `PYTHONPATH` with DAF and the engine's packages suffices.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from measure import median, speed_within

PEER = """
import sys, time, torch
from pathlib import Path
from cogames import train
from pufferlib.pufferl import PuffeRL
from daf.engine.missions import resolve_mission
from daf.engine.policies import resolve_policy

mission, policy, steps, envs, folder, device = sys.argv[1:]
marks, learn = [], PuffeRL.train

def timed(self):
    result = learn(self)
    marks.append((time.perf_counter(), self.global_step))
    (t0, s0), (t1, s1) = marks[0], marks[-1]
    if len(marks) > 1:
        print("\\nSPEED", (s1 - s0) / (t1 - t0), flush=True)
    return result

PuffeRL.train = timed
if __name__ == "__main__":
    environment, class_path = resolve_mission(mission).env_config, resolve_policy(policy).class_path
    train.train(environment, class_path, torch.device(device), None, int(steps), Path(folder), 1, 4096,
                log_outputs=True, vector_num_envs=int(envs) or None, missions_arg=[mission])
"""

OURS = """
import json, os, signal, sys

mission, policy, steps, envs, folder, device, processes, env_workers, minibatch, precision, seconds = sys.argv[1:]
from pathlib import Path

def say_how_fast():
    found = sorted(Path(folder).rglob("metrics.jsonl"))  # of a run that goes on, or was interrupted, with its state
    lines = [json.loads(line) for path in found[:1] for line in path.open() if line.endswith("\\n")]
    phases = ("environment", "forward", "learning")
    if len(lines) > 1:
        first, last = lines[0], lines[-1]
        shares = [sum(line[f"{what}_share"] for line in lines) / len(lines) for what in phases]
        speed = (last["agent_steps"] - first["agent_steps"]) / (last["seconds"] - first["seconds"])
        print("\\nSPEED", speed, *shares, flush=True)

def end(*_):
    say_how_fast()  # now: the running update, with which training ends, may take longer than there is time
    os.kill(os.getpid(), signal.SIGTERM)

signal.signal(signal.SIGALRM, end)
signal.setitimer(signal.ITIMER_REAL, float(seconds))

from daf.config import DAFTrainingConfig
from daf.config.recipes import training_recipe
from daf.training.launch import run_training
from daf.training.options import RunOptions

config = DAFTrainingConfig.from_dict({
    "mission": mission, "policy_class_path": policy, "num_evaluations": 0, "num_steps": int(steps),
    "processes_per_machine": int(processes), "precision": precision,
    "env_workers": env_workers if env_workers == "auto" else int(env_workers),
    "hyperparameters": {"epochs": 1, "minibatch_size": int(minibatch), "num_envs": int(envs)}})
options = RunOptions.of(config, label="benchmark", device=device).model_copy(
    update={"checkpoint_interval_steps": 10**9, "trackers": ()})
run_training(training_recipe(config, 1, {}), Path(folder), options)
say_how_fast()
"""

CEILING = """
import multiprocessing, sys, time
import numpy as np
from daf.engine.missions import resolve_mission
from daf.engine.vector import VectorEnvironment

name, processes, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
mission = resolve_mission(name)

def play(number, ready, rates):
    environment = VectorEnvironment(mission, num_envs=2, seed=number)
    buffers, count = environment.buffers, len(environment.factory.interface.action_names)
    actions = np.random.default_rng(number).integers(0, count, (512, environment.num_agents))
    ready.wait()
    steps, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        buffers.actions[:] = actions[steps % 512]
        environment.step()
        steps += 1
    rates.put(steps * environment.num_agents / (time.perf_counter() - began))

context = multiprocessing.get_context("fork")
ready, rates = context.Barrier(processes), context.Queue()
players = [context.Process(target=play, args=(number, ready, rates)) for number in range(processes)]
for player in players:
    player.start()
total = sum(rates.get(timeout=120) for _ in players)
print("\\nSPEED", total)
"""

HEAD = f"{'case':<26}{'round':>6}{'peer':>10}{'DAF':>10}{'ratio':>7}{'ceiling':>10}{'share':>7}"
HEAD += f"{'environment':>13}{'forward':>9}{'learning':>10}"
GRACE_SECONDS = 6  # after its last update, to say what it measured
CEILING_SECONDS = 40  # with its start; with two rounds of two cases on a GPU, less than 8 minutes in all


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How both sides train. `peer_envs` 0: the peer's own default."""

    device: str
    processes: int
    env_workers: str
    envs: int
    peer_envs: int
    minibatch: int
    precision: str
    steps: int
    seconds: float
    cores: int
    peer: str


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that it ends what it has started
    options = arguments()
    setting = setting_of(options)
    if options.cases:
        cases = options.cases
    elif setting.device == "cuda":
        cases = [("tutorial.miner", "lstm"), ("tutorial.miner", "grid")]
    else:
        cases = [(mission, policy) for mission in ("tutorial.miner", "arena") for policy in ("lstm", "stateless")]
    rounds = 1 if options.quick else options.rounds or (2 if setting.device == "cuda" else 3)
    print(f"{card(setting.device)}; {setting.cores} cores; agent-steps per second")
    layout = f"{setting.processes} processes of DAF, {setting.env_workers} environment workers each"
    print(f"{layout}; {setting.envs} environments, minibatches of {setting.minibatch:,}, {setting.precision}")
    print(HEAD, flush=True)
    ceilings: dict[str, float] = {}
    ratios: dict[str, float | None] = {}
    for mission, policy in cases[:1] if options.quick else cases:
        if mission not in ceilings:
            seconds = 2 if options.quick else 5
            (ceilings[mission],) = speed_within(CEILING_SECONDS, CEILING, mission, setting.cores, seconds) or (
                float("nan"),
            )
        rows = []
        for number in range(rounds):
            rows.append(one_round(setting, mission, policy, ceilings[mission]))
            show(f"{number + 1}", rows[-1], options.out)
        middle = {name: median(row[name] for row in rows) for name in rows[0] if name != "case"}
        if rounds > 1:
            show("median", {"case": rows[0]["case"], **middle}, options.out)
        ratios[f"{mission} {policy}"] = known(round(middle["ratio"], 2))
    if options.json:
        print(json.dumps({"ratio": ratios}))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round of one case, under 50 seconds on a CPU")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--env-workers", metavar="N", help="one process with N workers for its environments, or auto")
    parser.add_argument("--peer", choices=("cogames", "processes"), default="cogames", help="what DAF is compared with")
    parser.add_argument("--cases", nargs="+", type=case, metavar="CASE", help="a mission and a policy; default: all")
    parser.add_argument("--rounds", type=int, metavar="N", help="default: 3, on a GPU 2")
    parser.add_argument("--seconds", type=limit, help="limit of each side of a round; default: 600, on a GPU 54")
    parser.add_argument("--envs", type=int, metavar="N", help="environments; default: 64, on a GPU 256")
    parser.add_argument("--minibatch", type=int, metavar="N", help="DAF's; default: 4,096, on a GPU 16,384")
    parser.add_argument("--precision", default="float32", help="DAF's: float32, tf32 or bfloat16")
    parser.add_argument("--out", type=Path, metavar="FILE", help="append each row as a line of JSON")
    return parser.parse_args()


def case(text: str) -> tuple[str, str]:
    mission, _, policy = text.strip().partition(" ")
    if not policy.strip():
        raise argparse.ArgumentTypeError(f"expected a mission and a policy, as 'arena lstm', found '{text}'")
    return mission, policy.strip()


def limit(text: str) -> float:
    seconds = float(text)
    if not seconds > GRACE_SECONDS:
        raise argparse.ArgumentTypeError(f"expected more than {GRACE_SECONDS}, which a side keeps for its last words")
    return seconds


def setting_of(options: argparse.Namespace) -> Setting:
    cores, gpu = len(os.sched_getaffinity(0)), options.device == "cuda"
    cores = cores if gpu else min(2, cores)
    workers = options.env_workers
    envs = options.envs or (256 if gpu else 32 if options.quick else 64)
    return Setting(
        device=options.device,
        processes=1 if gpu or workers is not None else cores,
        env_workers=workers if workers is not None else "auto" if gpu else "0",
        envs=envs,
        peer_envs=0 if gpu else envs,
        minibatch=options.minibatch or (16_384 if gpu else 4096),
        precision=options.precision,
        steps=10**9 if gpu else 60_000 if options.quick else 250_000,
        seconds=options.seconds or (54 if gpu else 600),
        cores=cores,
        peer=options.peer,
    )


def card(device: str) -> str:
    """The name of what networks run on."""
    if device == "cpu":
        models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        return models[0].partition(":")[2].strip() if models else "a CPU"
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:  # not an NVIDIA GPU, or none
        return "an unknown GPU"
    return next(iter(done.stdout.splitlines()), "an unknown GPU")


def one_round(setting: Setting, mission: str, policy: str, ceiling: float) -> dict[str, float | str]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if setting.peer == "cogames":
            case = (mission, policy, setting.steps, setting.peer_envs, folder / "peer", setting.device)
            (peer,) = speed_within(setting.seconds, PEER, *case) or (float("nan"),)
        else:
            peer = trained(setting, mission, policy, folder / "peer", setting.cores, "0")[0]
        ours, *shares = trained(setting, mission, policy, folder / "daf", setting.processes, setting.env_workers)
    row: dict[str, float | str] = {"case": f"{mission} {policy}", "peer": peer, "daf": ours, "ratio": ours / peer}
    row |= {"ceiling": ceiling, "share_of_ceiling": ours / ceiling}
    return row | dict(zip(("environment", "forward", "learning"), shares, strict=True))


def trained(
    setting: Setting, mission: str, policy: str, folder: Path, processes: int, env_workers: str
) -> tuple[float, ...]:
    """DAF's speed, and the shares of its time."""
    case = (mission, policy, setting.steps, setting.envs, folder, setting.device, processes, env_workers)
    own_limit = setting.seconds - GRACE_SECONDS
    found = speed_within(setting.seconds, OURS, *case, setting.minibatch, setting.precision, own_limit)
    return found or (float("nan"),) * 4


def show(number: str, row: dict[str, float | str], out: Path | None) -> None:
    figures = "{case:<26}{number:>6}{peer:>10,.0f}{daf:>10,.0f}{ratio:>7.2f}{ceiling:>10,.0f}{share_of_ceiling:>7.0%}"
    shares = "{environment:>13.0%}{forward:>9.0%}{learning:>10.0%}"
    print((figures + shares).format(number=number, **row), flush=True)
    if out is not None:
        with out.open("a") as file:
            file.write(json.dumps({"round": number} | {name: known(value) for name, value in row.items()}) + "\n")


def known[T](value: T) -> T | None:
    """None for a number that could not be measured."""
    return None if isinstance(value, float) and math.isnan(value) else value


if __name__ == "__main__":
    main()
