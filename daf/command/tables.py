"""`daf compare`: a table of scores, whatever made it, as an answer and a page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from daf.command.folders import DEFAULT_FOLDER
from daf.errors import EXIT_OK
from daf.system.user_paths import output_folder, user_path


def compare(options: argparse.Namespace) -> int:
    """Answer `daf compare`."""
    from daf.comparison import daf_compare_scores

    table = user_path(options.table, "TABLE")
    out = output_folder(options.output, "--output") if options.output else DEFAULT_FOLDER / "comparisons" / _name(table)
    settings: dict[str, Any] = {"equivalence_margin": options.margin, "reference": options.reference}
    chosen = {key: value for key, value in settings.items() if value is not None}
    print(daf_compare_scores(table, output_dir=out, **chosen))
    print(f"\npage: {(out / 'report.html').resolve()}")
    return EXIT_OK


def _name(table: Path) -> str:
    return table.resolve().name.split(".")[0] or "scores"
