"""`python -m tests.chaos --faults 200`: disturb the workflow, and print what happened and whether anything differs."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.disturbed import campaign
from tests.chaos.experiment import RESULTS
from tests.chaos.faults import FAULTS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--faults", type=int, default=200, help="number of faults of all kinds together")
    parser.add_argument("--per-run", type=int, default=10, help="faults that happen to one run of the workflow")
    parser.add_argument("--seed", type=int, default=0, help="another seed chooses other faults")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no further run after this time")
    parser.add_argument("--folder", type=Path, help="keep the runs here; default: a temporary folder")
    options = parser.parse_args()
    kinds = [kind for _ in range(-(-options.faults // len(FAULTS))) for kind in FAULTS]
    random.Random(options.seed).shuffle(kinds)
    until = time.time() + 60 * options.minutes
    with tempfile.TemporaryDirectory(prefix="daf-chaos-") as temporary:
        total = campaign(
            options.folder or Path(temporary), kinds[: options.faults], seed=options.seed, per_run=options.per_run,
            targets=RESULTS, until=until, tell=lambda line: print(line, flush=True),
        )  # fmt: skip
    print(f"\n{'fault':<32} times")
    for kind, count in sorted(total.counts.items()):
        print(f"{kind:<32} {count:>5}")
    print(f"{'all':<32} {sum(total.counts.values()):>5}")
    print(f"{total.damaged} files found damaged, missing or outdated, and deleted; {len(total.differing)} files differ")
    for line in total.differing:
        print(f"  {line}")
    return 1 if total.differing else 0


if __name__ == "__main__":
    sys.exit(main())
