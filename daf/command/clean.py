"""`daf clean`: the checkpoints of training that is finished, or a whole output folder."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from daf.command.folders import output_folder
from daf.errors import EXIT_OK, BadInputError
from daf.system.nouns import number_of
from daf.workflow.run_record import RUN, RunRecord

# Of a training run or a trial, next to `state/`: it is finished if this exists.
FINISHED = ("model.safetensors", "result.json")
STATE = "state"


def clean(options: argparse.Namespace) -> int:
    """Answer `daf clean`."""
    out = output_folder(options.folder)
    if not (out / RUN).is_file():
        hint = "DAF removes nothing from folders that it did not make"
        raise BadInputError("an output folder of DAF", f"no {RUN}", str(out), hint)
    record = RunRecord.read(out / RUN)
    if record.status == "running" and record.process.runs() is not False:
        raise BadInputError("a folder in which nothing runs", str(record.process), str(out), "daf stop")
    chosen = [out] if options.everything else sorted(_finished_states(out))
    if not chosen:
        print(f"Nothing to remove in {out}.")
        return EXIT_OK
    jobs = number_of(len(chosen), "finished job")
    what = f"all results in {out}" if options.everything else f"the checkpoints of {jobs} in {out}"
    size = f"{sum(map(_size, chosen)) / 1e6:.1f} MB"
    if options.dry_run:
        print(f"Would remove {what}: {size}.")
        return EXIT_OK
    if not options.yes and not _agreed(f"Remove {what} ({size})? [y/N] "):
        print("Nothing was removed.")
        return EXIT_OK
    for folder in chosen:
        shutil.rmtree(folder, onexc=_unless_it_is_gone)
    print(f"Removed {what}: {size}.")
    return EXIT_OK


def _finished_states(out: Path) -> Iterator[Path]:
    """The outermost ones: the state of a trial holds the state of its training."""
    for below in ("training", "sweeps"):
        for parent, folders, files in os.walk(out / below):
            if STATE in folders and not set(FINISHED).isdisjoint(files):
                folders.remove(STATE)  # so that nothing below is listed again
                yield Path(parent) / STATE


def _size(folder: Path) -> int:
    size = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            with suppress(FileNotFoundError):
                size += (Path(parent) / name).lstat().st_size
    return size


def _unless_it_is_gone(function: object, path: str, error: BaseException) -> None:
    """Somebody else may remove the same; anything but that is raised."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise BadInputError("an answer", "no terminal", "daf clean", "add --yes to remove without being asked")
    return input(question).strip().lower() in ("y", "yes")
