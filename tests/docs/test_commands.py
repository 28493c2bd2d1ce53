"""Snakemake commands that pages, examples and comments name, as Snakemake reads them.

`--configfile` and `--config` take all words up to the next option, also a stage that follows them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from snakemake.cli import get_argument_parser

ROOT = Path(__file__).parents[2]
KINDS = {".md", ".yaml", ".yml", ".py", ".sh", ".smk", ".j2", ".toml", ""}
FOLDERS = ("benchmarks", "config", "daf", "docs", "examples", "profiles", "scripts", "setup", "slurm", "workflow")
COMMAND = re.compile(r"(?:^|[`#$(:]) *(snakemake +(?:-|[a-z_]+ +-)[^`\n]*)", re.MULTILINE)
END = re.compile(r" {2,}| #|\)|;")  # of a command, before what is said of it


def files() -> list[Path]:
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    return sorted(path for path in [*found, *ROOT.iterdir()] if path.is_file() and path.suffix in KINDS)


def commands(text: str) -> Iterator[str]:
    """The commands with a configuration."""
    for match in COMMAND.finditer(text):
        if "--config" in (command := END.split(match[1])[0].strip()):
            yield command


def misread(command: str) -> list[str]:
    """Words of a command that its options take by mistake."""
    read = get_argument_parser().parse_args(shlex.split(command)[1:])
    wrong = [str(path) for path in read.configfile or [] if Path(path).suffix not in (".yaml", ".yml", ".json")]
    return wrong + [entry for entry in read.config or [] if "=" not in entry]


def test_targets_are_not_read_as_values_of_an_option() -> None:
    named = [(path, command) for path in files() for command in commands(path.read_text(encoding="utf-8"))]
    assert {path.name for path, _ in named} >= {"Snakefile", "rules.md", "tournament.yaml", "hpc.yaml", "README.md"}
    assert [(path.relative_to(ROOT).as_posix(), command) for path, command in named if misread(command)] == []


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("# What? `snakemake -j4 --configfile a.yaml tournaments`", ["tournaments"]),
        ("snakemake -j4 --config name=x train", ["train"]),
        ("#   snakemake -j4 --configfile a.yaml   another experiment", []),
        ("`snakemake tournaments -j4 --configfile a.yaml --config name=x`", []),
    ],
)
def test_a_misread_target_is_found(line: str, wrong: list[str]) -> None:
    (command,) = commands(line)
    assert misread(command) == wrong
