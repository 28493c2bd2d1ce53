"""Snakemake as `daf run` and `make run` start it: `python -m daf.workflow.start [arguments of snakemake]`.

It is `snakemake` with four differences: it uses all cores by default, its first line is not about
profiles, no silence is long, and after Ctrl-C it ends as programs do (130).
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from daf.errors import EXIT_INTERRUPTED
from daf.system.interrupts import interrupts_noticed
from daf.system.limits import usable_cpus
from daf.system.waiting import waiting_for

SILENT_SINCE = "DAF_SILENT_SINCE"  # in the environment: when the command began that starts this, seconds since 1970
# `--cores 2`, `-c2`, `-nj4`, `--jobs=4`, and a profile, which has its own number.
_CORES = re.compile(r"(-[a-zA-Z]*[cj]\d*|--(cores|jobs|profile)(=.*)?)$")


def main() -> None:
    """Run Snakemake's command line in this process."""
    sys.argv[1:1] = _all_cores(sys.argv[1:], os.environ)
    silent_for = time.time() - float(os.environ.pop(SILENT_SINCE, time.time()))
    with waiting_for("Snakemake to start", silent_for=silent_for):
        import snakemake.cli

        from daf.workflow.snakemake_hooks import drop_words_about_profiles

        # Whoever reads the command line of this process, its profile among them, sees Snakemake's own.
        sys.argv[0] = str(Path(snakemake.cli.__file__).with_name("__main__.py"))
        drop_words_about_profiles()
        with interrupts_noticed() as interrupts, waiting_for("the workflow to be planned"):
            try:
                snakemake.cli.main()
            except SystemExit as ended:
                if interrupts and ended.code:
                    sys.exit(EXIT_INTERRUPTED)
                raise


def _all_cores(arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """What to add to arguments that do not say how many cores to use."""
    has_profile = environment.get("SNAKEMAKE_PROFILE", "none") not in ("", "none")
    if has_profile or any(_CORES.match(word) for word in arguments):
        return []
    return ["--cores", str(usable_cpus())]


if __name__ == "__main__":
    main()
