"""Comparisons of large tables of scores: seconds, memory and growth, beside scipy's bootstrap of the same rows.

    python benchmarks/comparisons.py [--quick] [--json] [--only NAME]

Each case compares a simulated table with `daf_compare_scores` in a separate process, and again with twice as many rows
(pairs, where rows of pairs decide). The peer takes Welch's t-test and the percentile bootstrap of the difference of
means (`scipy.stats.bootstrap`, as many replicates) for the same pairs and missions; it is timed on a few of them and
scaled up. Seconds are CPU seconds of a process and its threads, without imports, so they hardly depend on what else
runs. `--quick` takes small tables; "all pairs" of the full run takes more than half an hour on a slow core.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace

from measure import speed

COMPARISON = """
import resource, sys, time
import numpy as np
import pandas as pd
from scipy import stats
from daf.comparison import daf_compare_scores
import daf.statistics.comparison, daf.statistics.overall, daf.statistics.pairs

policies, missions, seeds, episodes = map(int, sys.argv[1:5])
rng = np.random.default_rng(1)
shared = rng.normal(0, 1, (1, missions, 1, episodes)) * (episodes > 1)
skill = np.linspace(0, 1, policies)[:, None, None, None] + rng.normal(0, 0.3, (policies, missions, 1, 1))
scores = skill + shared + rng.normal(0, 0.5, (policies, missions, seeds, episodes))
policy, mission, seed, episode = (index.ravel() for index in np.indices(scores.shape))
table = pd.DataFrame({
    "policy": np.char.add("p", policy.astype(str)).astype(object),
    "mission": np.char.add("m", mission.astype(str)).astype(object),
    "train_seed": seed, "episode": episode, "score": scores.ravel(),
})
start = time.process_time()
options = {"reference": "p0"} if sys.argv[5] == "reference" else {}
results = daf_compare_scores(table, **options)
seconds = time.process_time() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

rows = [record for record in results.pairs if record.estimand == "recipes"]
runs = scores.mean(axis=3)
def difference(x, y, axis=-1):
    return x.mean(axis=axis) - y.mean(axis=axis)
few, start = min(10, len(rows)), time.process_time()
for row in range(few):
    x, y = runs[0, row % missions], runs[1, row % missions]
    stats.ttest_ind(x, y, equal_var=False)
    stats.bootstrap((x, y), difference, n_resamples=10_000, method="percentile", rng=rng)
peer = (time.process_time() - start) / few * len(rows)
print("SPEED", seconds, peak, peer, len(table), len(results.pairs))
"""


@dataclass(frozen=True, kw_only=True)
class Size:
    """A table: policies, missions, training seeds, episodes of each; compared in all pairs or with a reference."""

    policies: int
    missions: int
    seeds: int
    episodes: int = 1
    pairs: str = "all"

    def doubled(self) -> Size:
        """Twice the rows: of episodes if there are several, else with a reference of policies, else of missions."""
        if self.episodes > 1:
            return replace(self, episodes=2 * self.episodes)
        if self.pairs == "reference":
            return replace(self, policies=2 * self.policies - 1)
        return replace(self, missions=2 * self.missions)


FULL = {
    "1 million episodes": Size(policies=4, missions=5, seeds=5, episodes=10_000),
    "ALE 200M": Size(policies=6, missions=55, seeds=5),
    "12 x 57 x 50 runs": Size(policies=12, missions=57, seeds=50),
    "200 x 50, a reference": Size(policies=200, missions=50, seeds=5, pairs="reference"),
    "200 x 50, all pairs": Size(policies=200, missions=50, seeds=5),
}
QUICK = {
    "20,000 episodes": Size(policies=3, missions=2, seeds=5, episodes=700),
    "8 x 6, a reference": Size(policies=8, missions=6, seeds=5, pairs="reference"),
}


def measured(size: Size) -> dict[str, float]:
    """CPU seconds of DAF and, scaled, of the peer, peak MB, rows of the table, and rows about pairs."""
    found = speed(COMPARISON, size.policies, size.missions, size.seeds, size.episodes, size.pairs)
    return dict(zip(("seconds", "peak_mb", "peer_seconds", "rows", "pair_rows"), found, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small tables")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--only", help="the case of this name")
    options = parser.parse_args()
    cases = QUICK if options.quick else FULL
    chosen = {name: size for name, size in cases.items() if options.only in (None, name)}
    if not chosen:
        raise SystemExit(f"no case '{options.only}': choose one of {', '.join(cases)}")
    print(f"{'':<24}{'rows':>11}{'pair rows':>11}{'CPU s':>9}{'peak MB':>9}{'scipy s':>11}{'ratio':>8}{'growth':>8}")
    rows = {}
    for name, size in chosen.items():
        one, two = measured(size), measured(size.doubled())
        work = "rows" if size.episodes > 1 else "pair_rows"
        one["growth"] = (two["seconds"] / one["seconds"]) / (two[work] / one[work])  # 1: linear
        one["ratio"] = one["peer_seconds"] / one["seconds"]
        rows[name] = one
        print(
            f"{name:<24}{one['rows']:>11,.0f}{one['pair_rows']:>11,.0f}{one['seconds']:>9.1f}{one['peak_mb']:>9,.0f}"
            f"{one['peer_seconds']:>11,.0f}{one['ratio']:>8.1f}{one['growth']:>8.2f}",
            flush=True,
        )
    print("growth: seconds of twice the work over twice the seconds; 1 is linear, below 1 less than linear")
    if options.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
