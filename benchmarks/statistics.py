"""Bootstrap of a benchmark suite: DAF compared with rliable on the same data, statistics and number of replicates.

    python benchmarks/statistics.py [--quick] [--json] [--peer-python PYTHON]

10 policies on 30 missions with 10 training seeds each; 50,000 stratified replicates of the IQM of every policy, and of
P(improvement) of all 45 pairs, on one core, in CPU seconds. rliable cannot be imported together with pandas 3, so a
separate environment is created in a temporary folder, or --peer-python names an existing interpreter. rliable would
take hours for everything: it computes fewer replicates, for one policy and one pair, and its time is extrapolated to
the same work (it loops over replicates; both parts are measured at two sizes, and the slope is used). --quick lowers
DAF's replicates too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # one core, on both sides; read when numpy is imported

POLICIES, MISSIONS, SEEDS = 10, 30, 10
PEER_REQUIREMENTS = ("rliable==1.2.0", "pandas<3", "numpy<2")

PEER = """
import json, sys, time
import numpy as np
from rliable import library, metrics

scores = np.load(sys.argv[1])  # policies x seeds x missions
sizes = json.loads(sys.argv[2])

def seconds(scores_by_name, statistic, replicates):
    start = time.process_time()
    library.get_interval_estimates(scores_by_name, statistic, reps=replicates)
    return time.process_time() - start

def slope(scores_by_name, statistic, low, high):
    seconds(scores_by_name, statistic, 10)
    return (seconds(scores_by_name, statistic, high) - seconds(scores_by_name, statistic, low)) / (high - low)

iqm = lambda x: np.array([metrics.aggregate_iqm(x)])
better = lambda x, y: np.array([metrics.probability_of_improvement(x, y)])
print(json.dumps({
    "iqm_per_replicate": slope({"a": scores[0]}, iqm, *sizes["iqm"]),
    "improvement_per_replicate": slope({"a,b": (scores[0], scores[1])}, better, *sizes["improvement"]),
    "iqm": [metrics.aggregate_iqm(x) for x in scores],
    "improvement": metrics.probability_of_improvement(scores[0], scores[1]),
}))
"""


def peer_environment(folder: Path) -> str:
    """The interpreter of a separate environment that has rliable."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", *PEER_REQUIREMENTS], check=True)
    return python


def main() -> None:
    import numpy as np

    from daf.statistics.bootstrap import bootstrap_suite
    from daf.statistics.effects import probability_of_improvement
    from daf.statistics.resampled_counts import PooledStatistic

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="a fifth of the replicates; 50 seconds without rliable's setup"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--peer-python", help="interpreter of an environment that has rliable 1.2.0")
    options = parser.parse_args()
    replicates = 10_000 if options.quick else 50_000
    sizes = (
        {"iqm": (50, 500), "improvement": (5, 30)} if options.quick else {"iqm": (200, 2000), "improvement": (10, 110)}
    )
    data = (
        np.random.default_rng(1).gamma(2.0, 1.0, (POLICIES, SEEDS, MISSIONS)) + np.arange(POLICIES)[:, None, None] / 5
    )

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = options.peer_python or peer_environment(folder / "peer")
        np.save(folder / "scores.npy", data)
        command = [python, "-c", PEER, str(folder / "scores.npy"), json.dumps(sizes)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"rliable could not be run:\n{done.stderr[-2000:]}")
    peer = json.loads(done.stdout.splitlines()[-1])

    scores = [[np.ascontiguousarray(column) for column in policy.T] for policy in data]
    seconds = {}
    for what, statistics, pairs in (("iqm", ("iqm",), []), ("improvement", (), None), ("both", ("iqm",), None)):
        generators = [np.random.default_rng([2, policy]) for policy in range(POLICIES)]
        start = time.process_time()
        bootstrap_suite(scores, statistics=statistics, pairs=pairs, num_resamples=replicates, rngs=generators)
        seconds[what] = time.process_time() - start

    apart = max(
        *(
            abs(PooledStatistic("iqm", policy).estimate - other)
            for policy, other in zip(scores, peer["iqm"], strict=True)
        ),
        abs(probability_of_improvement(scores[0], scores[1]) - peer["improvement"]),
    )
    work = {"iqm": POLICIES, "improvement": POLICIES * (POLICIES - 1) // 2}
    theirs = {name: peer[f"{name}_per_replicate"] * count * replicates for name, count in work.items()}
    theirs["both"] = theirs["iqm"] + theirs["improvement"]
    ratio = {name: theirs[name] / seconds[name] for name in seconds}
    print(f"{POLICIES} policies, {MISSIONS} missions, {SEEDS} seeds, {replicates:,} replicates, one core")
    print(f"{'':<24}{'rliable (scaled)':>18}{'DAF':>10}{'ratio':>10}")
    for name, title in (("iqm", "IQM"), ("improvement", "P(improvement), 45 pairs"), ("both", "both")):
        print(f"{title:<24}{theirs[name]:>16,.1f} s{seconds[name]:>8.2f} s{ratio[name]:>10,.0f}")
    print(f"point estimates differ by at most {apart:.1e}")
    if options.json:
        print(json.dumps({"ratio": ratio, "seconds": seconds, "replicates": replicates, "estimates_apart": apart}))


if __name__ == "__main__":
    main()
