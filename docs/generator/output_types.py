"""What a description of output files is made of: files, tables of keys or columns, and keys that many files share."""

from __future__ import annotations

from typing import NamedTuple

from daf.statistics.data_dictionary import data_dictionary
from daf.system.checks import CheckResult
from daf.system.user_code import CodeStamp
from docs.generator.meanings import Field, fields_of


class Keys(NamedTuple):
    """One table: the keys of a file or of a mapping inside it, or the columns of a table.

    Attributes:
        optional: keys that not every such mapping has.
    """

    fields: list[Field]
    title: str = ""
    noun: str = "Key"
    optional: tuple[str, ...] = ()


class File(NamedTuple):
    """A file, or several of one kind.

    Attributes:
        also: further places of such files.
        copies: places that the introduction of the stage explains.
        keys: of the file first, then of what it nests.
        optional: keys that not every such file has.
    """

    path: str
    rule: str
    purpose: str
    keys: tuple[Keys, ...] = ()
    also: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


def listed(text: str) -> list[Field]:
    """Fields from lines `name | type | meaning`."""
    return [Field(*(part.strip() for part in line.split("|"))) for line in text.strip().splitlines()]


def columns(table: str, noun: str = "Column") -> Keys:
    """The columns of a comparison's table."""
    entries = data_dictionary()[table]
    return Keys([Field(name, kind, meaning) for name, (kind, meaning) in entries.items()], noun=noun)


WITH_PROVENANCE = listed("provenance | mapping | see [Provenance](#provenance)")

PROVENANCE = File(
    "",
    "",
    "Results carry a mapping `provenance`. It tells what they were made with and lets you repeat them.",
    (
        Keys(
            listed("""
            recipe_digest | text | sha256 of everything that decides the result
            code | mapping | the user's code that ran, see below
            seeds | mapping | seeds by purpose: `training`, `evaluation`, `search`, `resampling`, `first_episode`
            versions | mapping | Python, DAF, the engine's packages, torch, numpy; null: not installed
            git | mapping or null | `commit` of DAF's checkout, and whether it was `dirty`; null outside a checkout
            host | mapping | where it was made, see below
            created | text | when it was made
            """)
        ),
        Keys(
            listed("""
            hostname | text | name of the machine
            platform | text | operating system
            cpu | text | model of the processor; the last bits of matrix products differ between models
            cpu_count | integer | CPUs that the process was allowed to use
            memory_bytes | integer or null | memory of the machine
            slurm_job_id | text or null | id of the Slurm job
            """),
            "Keys of `host`",
        ),
        Keys(fields_of(CodeStamp), "Keys of `code`, which leave out DAF and the engine"),
    ),
)

CHECKS = Keys(fields_of(CheckResult), "Each entry of `checks`")
