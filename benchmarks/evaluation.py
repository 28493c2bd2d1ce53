"""Agent-steps per second of DAF's evaluation, compared with the one behind `cogames run` and `cogames scrimmage`.

    python benchmarks/evaluation.py [--quick] [--rounds N] [--json]
    python benchmarks/evaluation.py --parts [--rounds N]

Both use the same mission, policy, episode length and machine, in alternation. The peer plays its episodes in one
process, as these commands do, with one torch thread, which is fastest for it; DAF plays them in one process per core
(at most two). Start-up and a first short episode are excluded on both sides. The ceiling is the bare engine with the
same number of processes, repeating the actions of DAF's episodes in one environment at a time, without a policy or
recording. Output: a table with the median of the rounds; with --json the last line is a JSON object with `ratio` by
case. --quick runs one case in under 50 seconds. --parts splits the time of DAF's networks into the engine's steps, the
network's forward passes (batches of 16 episodes), and the rest, in CPU microseconds per agent-step, to which other work
on the machine adds only what it takes of the caches.
"""

from __future__ import annotations

import argparse
import json

from measure import median, speed

from daf.system.limits import usable_cpus

COMMON = """
import sys, time
from daf.config import MissionConfig
from daf.engine.missions import resolve_mission
from daf.engine.policies import resolve_policy

name, policy, steps, episodes, processes = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
mission = resolve_mission(MissionConfig(source=name, max_steps=steps))
warm_up = resolve_mission(MissionConfig(source=name, max_steps=5))
"""

PEER = (
    COMMON
    + """
from cogames.evaluate import evaluate
from mettagrid.policy.policy import PolicySpec
from mettagrid.policy.stateless import StatelessAgentPolicyImpl
from rich.console import Console

StatelessAgentPolicyImpl._infos = {}  # without it the engine cannot evaluate `stateless`

def play(mission, episodes):
    spec = PolicySpec(class_path=resolve_policy(policy).class_path)
    evaluate(Console(stderr=True), [(name, mission.env_config)], [spec], [1.0], episodes, action_timeout_ms=10_000,
             seed=7, output_format="json")

play(warm_up, 1)
began = time.perf_counter()
play(mission, episodes)
print("\\nSPEED", episodes * steps * mission.num_agents / (time.perf_counter() - began))
"""
)

OURS = (
    COMMON
    + """
from multiprocessing import get_context
from daf.engine.episode import unpack_actions
from daf.engine.evaluation import evaluate_policy
from daf.engine.simulation import AgentBuffers, SimulationFactory

def work(rank, ready, times):
    evaluate_policy(policy, warm_up, episodes=1, seed=7)
    share = episodes // processes
    ready.wait()
    began = time.monotonic()
    frame = evaluate_policy(policy, mission, episodes=share, first_episode=rank * share, seed=7)
    ended = time.monotonic()
    assert frame["failure"].isna().all(), frame["failure"].dropna().iloc[0]
    factory = SimulationFactory(mission.env_config)
    buffers = AgentBuffers.zeros(factory.num_agents, factory.observation_shape)
    ready.wait()
    bare = time.monotonic()
    for row in frame.itertuples():
        simulation = factory.build(row.env_seed, buffers)
        for primary, vibes in zip(*unpack_actions(row.actions, factory.num_agents, row.length)):
            buffers.actions[:], buffers.vibe_actions[:] = primary, vibes
            simulation.step()
    times.put((began, ended, bare, time.monotonic()))

if __name__ == "__main__":
    context = get_context("fork")  # nothing runs yet that a fork could break, and torch has started no thread
    ready, times = context.Barrier(processes), context.Queue()
    workers = [context.Process(target=work, args=(rank, ready, times)) for rank in range(processes)]
    for worker in workers:
        worker.start()
    began, ended, bare, done = zip(*[times.get() for _ in workers])
    total = episodes // processes * processes * steps * mission.num_agents
    print("\\nSPEED", total / (max(ended) - min(began)), total / (max(done) - min(bare)))
"""
)

PARTS = (
    COMMON
    + """
import torch
from daf.engine import batches
from daf.engine.evaluation import evaluate_policy
from daf.engine.simulation import BufferedSimulation

spent = {"engine": 0.0, "forward": 0.0}

def measured(kind, function):
    def call(*arguments):
        began = time.thread_time()
        result = function(*arguments)
        spent[kind] += time.thread_time() - began
        return result
    return call

evaluate_policy(policy, warm_up, episodes=16, seed=7)
play, whole = batches.Batch.play, 0.0

def timed(batch, networks, teams):  # without building the maps
    global whole
    began = time.thread_time()
    yield from play(batch, networks, teams)
    whole += time.thread_time() - began

batches.Batch.play = timed
batches.NetworkRows._forward = measured("forward", batches.NetworkRows._forward)
BufferedSimulation.step = measured("engine", BufferedSimulation.step)
frame = evaluate_policy(policy, mission, episodes=episodes, seed=7)
assert frame["failure"].isna().all(), frame["failure"].dropna().iloc[0]
each = 1e6 / (frame["length"].sum() * mission.num_agents)
print("\\nSPEED", spent["engine"] * each, spent["forward"] * each, (whole - sum(spent.values())) * each)
"""
)

MISSIONS = ("tutorial.miner", "arena", "machina_1")
GOALS = {"stateless": 20.0, "lstm": 20.0, "random": 10.0, "starter": 1.8}
# Episodes of the peer and of DAF: a few seconds each.
EPISODES = {"stateless": (2, 64), "lstm": (2, 64), "random": (4, 64), "starter": (2, 16)}
STEPS = 300


def print_parts(rounds: int) -> None:
    print(f"CPU microseconds per agent-step, batches of 16 episodes, medians of {rounds}")
    print(f"{'mission':16}{'policy':12}{'engine':>9}{'forward':>9}{'rest':>7}")
    for mission in ("tutorial.miner", "arena"):
        for policy in ("grid", "stateless", "lstm"):
            found = [speed(PARTS, mission, policy, STEPS, 32, 1) for _ in range(rounds)]
            engine, forward, rest = (median(values) for values in zip(*found, strict=True))
            print(f"{mission:16}{policy:12}{engine:9.1f}{forward:9.1f}{rest:7.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one case, under 50 seconds")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each case")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--parts", action="store_true", help="what the time of DAF's networks on one core is spent on")
    options = parser.parse_args()
    if options.parts:
        print_parts(options.rounds)
        return
    cases = [(mission, policy) for mission in MISSIONS for policy in GOALS]
    rounds = options.rounds
    if options.quick:
        cases, rounds = [("tutorial.miner", "lstm")], 1
    processes = min(2, usable_cpus())
    print(f"agent-steps/s, {STEPS} steps per episode, DAF on {processes} cores, median of {rounds}")
    print(f"{'mission':16}{'policy':12}{'cogames':>10}{'DAF':>10}{'ratio':>8}{'goal':>7}{'ceiling':>10}{'share':>7}")
    ratios: dict[str, float] = {}
    for mission, policy in cases:
        theirs, ours, ceiling = [], [], []
        for _ in range(rounds):
            theirs.append(speed(PEER, mission, policy, STEPS, EPISODES[policy][0], 1, OMP_NUM_THREADS="1")[0])
            rate, bare = speed(OURS, mission, policy, STEPS, EPISODES[policy][1], processes)
            ours.append(rate)
            ceiling.append(bare)
        peer, daf, most = (sorted(rates)[rounds // 2] for rates in (theirs, ours, ceiling))
        ratios[f"{mission} {policy}"] = round(daf / peer, 2)
        print(
            f"{mission:16}{policy:12}{peer:10,.0f}{daf:10,.0f}{daf / peer:7.1f}x{GOALS[policy]:6.1f}x"
            f"{most:10,.0f}{daf / most:6.0%}",
            flush=True,
        )
    if options.json:
        print(json.dumps({"ratio": ratios}))


if __name__ == "__main__":
    main()
