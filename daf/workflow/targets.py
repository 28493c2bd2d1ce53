"""What a user may request: names in the path of a target, rules as targets, and where the files go."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from daf.errors import BadInputError, did_you_mean


def look_up[Value](known: Mapping[str, Value], name: str, kind: str) -> Value:
    """The entry that a part of a target's path names.

    Raises:
        BadInputError: there is none of this name.
    """
    if name not in known:
        raise BadInputError(f"a {kind} of this experiment", f"'{name}'", "target", did_you_mean(name, known))
    return known[name]


def refuse_patterns(targets: Iterable[str], outputs: Mapping[str, list[str]], deployed: tuple[str, str] | None) -> None:
    """Refuse rules that make many files: only one of these can be a target.

    Args:
        targets: rules and files.
        outputs: the patterns of the files that such rules make.
        deployed: the checkpoint that the experiment packages, and its version.

    Raises:
        BadInputError: such a rule, with a file to request instead.
    """
    for target in targets:
        if target not in outputs:
            continue
        pattern = next(iter(outputs[target]), "one of its files")
        hint = f"request a file: {pattern}"
        if "{version}" in pattern:
            hint = f"request a file: {pattern}; this experiment has no `deployment` section with a policy"
            if deployed is not None:
                file = pattern.replace("{checkpoint}", deployed[0]).replace("{version}", deployed[1])
                hint = f"request a file: snakemake {file}"
        raise BadInputError("a file, or the rule of a stage", f"rule '{target}'", "target", hint)


def refuse_braces(folder: Path, finds_its_locks: Callable[[Path], bool]) -> None:
    """Refuse a working folder with braces in its path that Snakemake would misread.

    Raises:
        BadInputError: Snakemake would not find its locks there.
    """
    if not finds_its_locks(folder):
        braces = " and ".join(f"'{text}'" for text in re.findall(r"\{[^{}]*\}", str(folder)))
        expected = "a path with no digit first and no comma within braces, and without {n}"
        hint = "rename the folder: Snakemake takes braces in its path for wildcards"
        raise BadInputError(expected, braces or "braces", str(folder), hint)


def check_writable(folder: Path) -> None:
    """Refuse an output folder in which nothing can be created.

    Raises:
        BadInputError: it is a file, or it or its nearest parent that exists is read-only.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    where, expected = f"daf.output_dir: {folder}", "a folder in which files can be created"
    if not existing.is_dir():
        raise BadInputError(expected, f"{existing} is a file", where, "choose another output_dir")
    if not os.access(existing, os.W_OK | os.X_OK):
        hint = f"choose another output_dir, or make it writable: chmod u+w {existing}"
        raise BadInputError(expected, f"{existing} is read-only", where, hint)
