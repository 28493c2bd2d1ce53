"""The files about an experiment as a whole, and about its runs."""

from __future__ import annotations

from daf.reporting.disk_use import DiskUse
from daf.workflow.run_history import PastRun
from docs.generator.meanings import fields_of
from docs.generator.output_types import File, Keys

WHOLE = [
    File(
        "index.html",
        "",
        "The page of the experiment: what is done, runs, failed and is left, what is known so far, and all earlier "
        "runs; rewritten while a run is at work, and by `daf status` and `daf open` if it is out of date.",
    ),
    File("leaderboard.html", "", "The scores of all policies in all comparisons of this folder."),
]

RUNS = [
    File("logs/index.log", "", "Messages of the process that rewrites index.html."),
    File(
        "logs/history/{run}.json",
        "",
        "A run, with its configuration and how it ended; index.html lists them.",
        (Keys(fields_of(PastRun)),),
    ),
    File("logs/disk.json", "", "What the folder takes on disk, measured now and then.", (Keys(fields_of(DiskUse)),)),
]
