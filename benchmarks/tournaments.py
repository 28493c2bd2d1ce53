"""Agent-steps per second of mixed teams in DAF, compared with `cogames pickup` and with DAF's policies alone.

    python benchmarks/tournaments.py [--quick] [--rounds N] [--json]

All play the same mission, policies and episode length on the same machine, in alternation: every number of seats of a
candidate, the others played by one policy from the pool. `cogames pickup` plays in one process with one torch thread,
which is fastest for it, and DAF in one process per core (at most two), each with its own matches, as jobs of the
workflow do; start-up and a first short match are excluded. `per core` is the ratio of a single process, and `team` and
`alone` are such a process's mixed teams against the harmonic mean of both policies playing all seats; these three are
per second of CPU time, to which other work on the machine adds only what it takes of the caches. Output: a table with
the median of the rounds; with --json the last line is a JSON object with `ratio`, `per_core` and `share` by case.
--quick runs one case once.
"""

from __future__ import annotations

import argparse
import json

from measure import median, speed

from daf.system.limits import usable_cpus

COMMON = """
import io, sys, time
from daf.config import MissionConfig
from daf.engine.missions import resolve_mission
from daf.engine.policies import resolve_policy

name, candidate, pool, steps, episodes, processes = *sys.argv[1:4], *map(int, sys.argv[4:])
mission = resolve_mission(MissionConfig(source=name, max_steps=steps), "measured")
warm_up = resolve_mission(MissionConfig(source=name, max_steps=5), "warm-up")
agents = mission.num_agents
"""

PEER = (
    COMMON
    + """
from cogames.pickup import pickup
from mettagrid.policy.policy import PolicySpec
from mettagrid.policy.stateless import StatelessAgentPolicyImpl
from rich.console import Console

StatelessAgentPolicyImpl._infos = {}  # without it the engine cannot play `stateless`

def play(mission, episodes):
    specs = [PolicySpec(class_path=resolve_policy(policy).class_path) for policy in (candidate, pool)]
    pickup(Console(file=io.StringIO()), specs[0], specs[1:], env_cfg=mission.env_config, mission_name=name,
           episodes=episodes, seed=7, map_seed=None, action_timeout_ms=10_000, save_replay_dir=None)

play(warm_up, 1)
began, used = time.perf_counter(), time.process_time()
play(mission, episodes)
played = (agents + 1) * episodes * steps * agents
print("\\nSPEED", played / (time.perf_counter() - began), played / (time.process_time() - used))
"""
)

OURS = (
    COMMON
    + """
from multiprocessing import get_context
from daf.config.match_recipes import MatchRecipe, SeatedPlayer
from daf.config.recipes import MissionRecipe, PolicyRecipe
from daf.engine.evaluation import evaluate_policy
from daf.engine.matches import play_match

def play(mission, own, episodes):
    \"\"\"A match with `own` seats of the candidate.\"\"\"
    present = {policy: seats for policy, seats in ((candidate, own), (pool, agents - own)) if seats}
    recipe = MatchRecipe(
        mission=MissionRecipe.of(name, {}), match=str(own),
        players=[SeatedPlayer(policy=PolicyRecipe(label=policy)) for policy in present],
        seats=[number for number, seats in enumerate(present.values()) for _ in range(seats)], drawn_by="text",
        first_seed=7, first_episode=0, num_episodes=episodes, max_action_time_ms=10_000,
    )
    rows = play_match(recipe, list(present), mission=mission)
    assert {row["status"] for row in rows} == {"played"}, next(row["failure"] for row in rows)

def work(rank, ready, times):
    began = ended = None
    try:
        play(warm_up, 1, 1)
        ready.wait(120)
        began = time.monotonic()
        for own in range(rank, agents + 1, processes):
            play(mission, own, episodes)
        ended = time.monotonic()
    finally:
        times.put((began, ended))  # None, if it failed: the other process must not wait

if __name__ == "__main__":
    context = get_context("fork")  # nothing runs yet that a fork could break, and torch has started no thread
    ready, times = context.Barrier(processes), context.Queue()
    workers = [context.Process(target=work, args=(rank, ready, times)) for rank in range(processes)]
    for worker in workers:
        worker.start()
    began, ended = zip(*[times.get() for _ in workers])
    whole = (agents + 1) * episodes * steps * agents / (max(ended) - min(began))
    for worker in workers:
        worker.join()
    mixed = [own for own in range(1, agents)]
    play(warm_up, 1, 1)
    began = time.process_time()
    for own in mixed:
        play(mission, own, episodes)
    team = len(mixed) * episodes * steps * agents / (time.process_time() - began)
    seconds = 0.0
    for policy in (candidate, pool):
        evaluate_policy(policy, warm_up, episodes=1, seed=7)
        began = time.process_time()
        evaluate_policy(policy, mission, episodes=episodes, seed=7)
        seconds += time.process_time() - began
    print("\\nSPEED", whole, team, 2 * episodes * steps * agents / seconds)
"""
)

GOAL, SHARE = 10.0, 0.6
CASES = [
    ("tutorial.miner", "lstm", "stateless"),
    ("tutorial.miner", "grid", "stateless"),
    ("arena", "lstm", "stateless"),
    ("arena", "starter", "random"),
]
STEPS = 300
EPISODES = {"peer": 1, "DAF": 16, "DAF scripted": 4}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one case, once")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each case")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--steps", type=int, default=STEPS, help="length of an episode")
    options = parser.parse_args()
    cases, rounds = (CASES[:1], 1) if options.quick else (CASES, options.rounds)
    processes = min(2, usable_cpus())
    print(f"agent-steps/s, {options.steps} steps per episode, DAF on {processes} cores, median of {rounds}")
    print(
        f"{'mission':16}{'team':18}{'pickup':>8}{'DAF':>9}{'ratio':>8}{'per core':>10}"
        f"{'team':>9}{'alone':>9}{'share':>7}"
    )
    ratios, per_core, shares = {}, {}, {}
    for mission, candidate, pool in cases:
        episodes = EPISODES["DAF scripted" if candidate == "starter" else "DAF"]
        theirs, ours = [], []
        for _ in range(rounds):
            case = (mission, candidate, pool, options.steps)
            theirs.append(speed(PEER, *case, EPISODES["peer"], 1, OMP_NUM_THREADS="1"))
            ours.append(speed(OURS, *case, episodes, processes))
        peer, core = (median(values) for values in zip(*theirs, strict=True))
        whole, team, alone = (median(values) for values in zip(*ours, strict=True))
        name = f"{mission} {candidate}+{pool}"
        ratios[name], per_core[name], shares[name] = (round(x, 2) for x in (whole / peer, team / core, team / alone))
        print(
            f"{mission:16}{candidate + ' + ' + pool:18}{peer:8,.0f}{whole:9,.0f}{whole / peer:7.1f}x{team / core:9.1f}x"
            f"{team:9,.0f}{alone:9,.0f}{team / alone:7.0%}",
            flush=True,
        )
    print(f"goals: {GOAL:g}x of pickup, {SHARE:.0%} of playing alone for teams of networks")
    if options.json:
        print(json.dumps({"ratio": ratios, "per_core": per_core, "share": shares}))


if __name__ == "__main__":
    main()
