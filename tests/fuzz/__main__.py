"""`python -m tests.fuzz --inputs 20000`: try damaged input of every kind, and print how it ends."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.fuzz.harness import run
from tests.fuzz.kinds import kinds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000, help="number of inputs of all kinds together")
    parser.add_argument("--kind", help="try only kinds whose name contains this")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other inputs")
    options = parser.parse_args()
    chosen = [kind for kind in kinds() if options.kind is None or options.kind in kind.name]
    shares = sum(kind.share for kind in chosen)
    totals = [0, 0, 0, 0, 0]
    print(f"{'kind':<20} {'inputs':>7} {'accepted':>9} {'refused':>8} {'crashed':>8} {'no hint':>8} {'slowest':>8}")
    for kind in chosen:
        with tempfile.TemporaryDirectory(prefix="daf-fuzz-") as folder:
            counts = run(kind, Path(folder), round(options.inputs * kind.share / shares), options.seed)
        crashed, hintless = sum(counts.crashes.values()), sum(counts.hintless.values())
        refused = counts.inputs - counts.accepted - crashed
        share = f"{hintless / max(counts.problems, 1):.0%}"
        print(
            f"{kind.name:<20} {counts.inputs:>7} {counts.accepted:>9} {refused:>8} {crashed:>8} {share:>8} "
            f"{counts.slowest:>7.1f}s",
            flush=True,
        )
        for place, count in counts.crashes.most_common():
            print(f"    {count} x {place}\n        {counts.examples[place][:300]!r}")
        for expected, count in counts.hintless.most_common(6):
            print(f"    no hint: {count} x expected {expected}")
        row = (counts.inputs, counts.accepted, len(counts.crashes), hintless, counts.problems)
        totals = [total + number for total, number in zip(totals, row, strict=True)]
    inputs, accepted, places, hintless, problems = totals
    print(f"{inputs} inputs: {accepted} accepted, {places} places that crash, ", end="")
    print(f"{hintless / max(problems, 1):.1%} of {problems} problems without a hint")
    return 1 if places else 0


if __name__ == "__main__":
    sys.exit(main())
