"""The text of docs/outputs.md: every file that the workflow writes, with every column and key.

The list of files is in `output_files`; columns and keys come from the records that are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from docs.generator.meanings import Field
from docs.generator.output_files import INTRODUCTIONS, PROVENANCE, STAGES
from docs.generator.output_types import File, Keys

HEAD = """# Output files

Generated from the records by `make docs`: do not edit by hand. All paths are below `daf.output_dir` (default:
`daf_output/`). `{name}` means a name or a number, `**` any path. Unknown figures are null in JSON and empty in
CSV; times are UTC. Text in CSV that a spreadsheet might run as a formula has an apostrophe in front.

A rule writes its files whole or not at all, so a file that exists is complete. Folders called `state` hold what
training runs need to resume; nothing else reads them, and you may delete them when training is complete.

JSON objects, and the lines of .jsonl files, have a further key `content_sha256`: the sha256 of the other keys as JSON
with sorted keys and without spaces. Parquet files hold the sha256 of their bytes under `daf.file_sha256`. DAF refuses a
file that does not fit its digest; `snakemake verify` checks the whole folder and says what to delete. Tables for other
programs (CSV, marl_eval.json) and pages are compared with the record of the job that made them."""

# Names whose values are known, so that every path matches one pattern only.
VALUES = {
    "stage": "environment|sweeps|training|evaluations|reports|comparisons|tournaments|deployment|replays",
    "trial": r"\d{4,}",
    "entry": r"\d{4,}",
    "shard": r"\d+",
    "seed": r"\d+",
    "version": r"\d+\.\d+\.\d+",
}


def outputs_text() -> str:
    """The whole page."""
    parts = [HEAD, "## Provenance", PROVENANCE.purpose, _tables(PROVENANCE)]
    for stage, files in STAGES.items():
        parts += [f"## {stage}", INTRODUCTIONS.get(stage, ""), _overview(files)]
        for file in files:
            if file.keys:
                parts += [f"### `{file.path}`", _tables(file)]
    return "\n\n".join(part for part in parts if part) + "\n"


def documented_files() -> Iterator[tuple[re.Pattern[str], File]]:
    """A pattern for every path, and the file that it belongs to."""
    for files in STAGES.values():
        for file in files:
            for path in (file.path, *file.also, *file.copies):
                yield pattern_of(path), file


def pattern_of(path: str) -> re.Pattern[str]:
    """The paths that a documented path represents."""
    parts = re.split(r"(\{\w+\}|\*\*)", path)
    return re.compile("".join(_part_pattern(part) for part in parts))


def _part_pattern(part: str) -> str:
    if part == "**":
        return ".+"
    if part.startswith("{"):
        return f"(?:{VALUES.get(part[1:-1], '[^/]+')})"
    return re.escape(part)


def _overview(files: list[File]) -> str:
    lines = ["| File | Rule | What it is for |", "|---|---|---|"]
    for file in files:
        also = "".join(f"<br>`{path}`" for path in file.also)
        lines.append(f"| `{file.path}`{also} | {file.rule and f'`{file.rule}`'} | {_cell(file.purpose)} |")
    return "\n".join(lines)


def _tables(file: File) -> str:
    return "\n\n".join(_table(keys) for keys in file.keys)


def _table(keys: Keys) -> str:
    rows = [f"| `{field.name}` | {_cell(field.kind)} | {_meaning(field)} |" for field in keys.fields]
    title = [f"{keys.title}:", ""] if keys.title else []
    return "\n".join([*title, f"| {keys.noun} | Type | Meaning |", "|---|---|---|", *rows])


def _meaning(field: Field) -> str:
    """Docstrings speak of Python's None; files hold null."""
    return _cell(re.sub(r"\bNone\b", "null", field.meaning.removesuffix(".")))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
