"""Comparisons of large tables of scores: seconds, memory and growth, beside scipy's bootstrap of the same rows.

    python benchmarks/comparisons.py [--quick] [--json] [--only NAME]

Each case compares a simulated table with `daf_compare_scores` in a separate process, and writes and reads the files of
the result; then it does the same with half as many rows (pairs, where rows of pairs decide). The peer takes Welch's
t-test and the percentile bootstrap of the difference of means (`scipy.stats.bootstrap`, as many replicates) for the
same pairs and missions; it is timed on a few of them and scaled up. Seconds are CPU seconds of one process and its
threads, without imports: work is shared with no copies. They depend less on what else runs than wall-clock time, but a
busy machine still makes them longer. `--quick` takes small tables.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace

from measure import speed

COMPARISON = """
import resource, sys, tempfile, time
import numpy as np
import pandas as pd
from scipy import stats
from daf.comparison import ComparisonResults, daf_compare_scores
import daf.statistics.comparison, daf.statistics.export, daf.statistics.overall, daf.statistics.pairs
from daf.system.shares import at_most

alone = at_most(1)
alone.__enter__()  # the time and memory of copies would not be counted
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
start = time.process_time()
with tempfile.TemporaryDirectory() as folder:
    again = ComparisonResults.read(results.write(folder))
assert len(again.pairs) == len(results.pairs)
files = time.process_time() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

rows = len(results.pairs.rows_of("recipes"))
runs = scores.mean(axis=3)
def difference(x, y, axis=-1):
    return x.mean(axis=axis) - y.mean(axis=axis)
few, start = min(10, rows), time.process_time()
for row in range(few):
    x, y = runs[0, row % missions], runs[1, row % missions]
    stats.ttest_ind(x, y, equal_var=False)
    stats.bootstrap((x, y), difference, n_resamples=10_000, method="percentile", rng=rng)
peer = (time.process_time() - start) / few * rows
print("SPEED", seconds, files, peak, peer, len(table), len(results.pairs))
"""


@dataclass(frozen=True, kw_only=True)
class Size:
    """A table: policies, missions, training seeds, episodes of each; compared in all pairs or with a reference."""

    policies: int
    missions: int
    seeds: int
    episodes: int = 1
    pairs: str = "all"

    def halved(self) -> Size:
        """Half the rows: of episodes if there are several, else with a reference of policies, else of missions."""
        if self.episodes > 1:
            return replace(self, episodes=self.episodes // 2)
        if self.pairs == "reference":
            return replace(self, policies=(self.policies + 1) // 2)
        return replace(self, missions=self.missions // 2)


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
    """CPU seconds of DAF, of its files and, scaled, of the peer, peak MB, rows of the table, and rows about pairs."""
    found = speed(COMPARISON, size.policies, size.missions, size.seeds, size.episodes, size.pairs)
    return dict(zip(("seconds", "files_seconds", "peak_mb", "peer_seconds", "rows", "pair_rows"), found, strict=True))


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
    print(
        f"{'':<24}{'rows':>11}{'pair rows':>11}{'CPU s':>9}{'files s':>9}{'peak MB':>9}{'scipy s':>11}{'ratio':>8}"
        f"{'growth':>8}"
    )
    rows = {}
    for name, size in chosen.items():
        half, one = measured(size.halved()), measured(size)
        work = "rows" if size.episodes > 1 else "pair_rows"
        one["growth"] = (one["seconds"] / half["seconds"]) / (one[work] / half[work])  # 1: linear
        one["ratio"] = one["peer_seconds"] / one["seconds"]
        rows[name] = one
        print(
            f"{name:<24}{one['rows']:>11,.0f}{one['pair_rows']:>11,.0f}{one['seconds']:>9.1f}"
            f"{one['files_seconds']:>9.1f}{one['peak_mb']:>9,.0f}{one['peer_seconds']:>11,.0f}{one['ratio']:>8.1f}"
            f"{one['growth']:>8.2f}",
            flush=True,
        )
    print("files: writing and reading the results; growth: seconds over those of half the work, and over 2")
    if options.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
