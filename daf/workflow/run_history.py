"""The runs of an output folder: `logs/history/`, one file each, with the configuration, and how it ended.

`logs/run.json` is about the last run alone. The process that keeps the index up to date writes these files: one when a
run begins, and once more when it ends. One that was killed too still says "running", which only holds for the last run.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from daf.errors import DafError, shorten
from daf.system.files import write_json
from daf.system.json_files import read_sealed
from daf.system.plain import flatten
from daf.system.process_identity import ProcessIdentity
from daf.workflow.run_record import RunRecord
from daf.workflow.status import ExperimentStatus, RunState

HISTORY = Path("logs") / "history"  # in the output folder
_LONGEST_VALUE = 60


@dataclass(frozen=True, kw_only=True)
class PastRun:
    """A run of the workflow, as the history keeps it.

    Attributes:
        experiment: name of the experiment.
        files: the configuration files.
        overrides: keys that `--set` changed, each with its value `before` and `after`, and the `file`; null: none.
        config: the configuration that ran, without the overrides.
        process: that the user, or Slurm, started.
        began: when it started, seconds since 1970.
        ended: when it ended; null while it runs.
        state: how it ended; `running` also of a run that was killed together with the process that writes this.
        num_jobs: how many jobs it had.
        num_done: how many of them it has finished.
        results: what the pages of its comparisons, or else of its sweeps, say: `name`, `page` and `sentence` of each.
        versions: of Python, DAF, and the packages that decide results.
        git: `commit` of DAF's checkout, and whether it was `dirty`; null outside a checkout.
    """

    experiment: str
    files: list[str]
    overrides: dict[str, Any] | None
    config: dict[str, Any]
    process: ProcessIdentity
    began: float
    num_jobs: int
    versions: dict[str, str | None]
    git: dict[str, Any] | None
    state: RunState = "running"
    ended: float | None = None
    num_done: int = 0
    results: Sequence[dict[str, str]] = ()

    @classmethod
    def begin(cls, record: RunRecord, config: Mapping[str, Any], out: Path) -> PastRun:
        """Write that a run has begun.

        Args:
            config: the experiment as plain data.
        """
        from daf.system.provenance import git_state, versions  # `daf status` does without

        past = cls(
            experiment=record.experiment,
            files=record.files,
            overrides=config.get("overrides"),
            config={key: value for key, value in config.items() if key != "overrides"},
            process=record.process,
            began=record.began,
            num_jobs=sum(job.needed for job in record.jobs),
            versions=versions(),
            git=git_state(),
        )
        past.write(out)
        return past

    def end(self, found: ExperimentStatus, results: Sequence[dict[str, str]], out: Path) -> None:
        """Write how it ended."""
        ended = found.record.ended or time.time()
        replace(self, state=found.state, ended=ended, num_done=len(found.done), results=results).write(out)

    def is_run_of(self, record: RunRecord) -> bool:
        """Whether it is the run that `logs/run.json` is about."""
        return (self.process, self.began) == (record.process, record.began)

    def write(self, out: Path) -> None:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.began))
        write_json(out / HISTORY / f"{stamp}-{self.process.pid}.json", asdict(self))

    @classmethod
    def read(cls, path: Path) -> PastRun:
        return read_sealed(
            path,
            "the record of an earlier run",
            lambda content: cls(**{**content, "process": ProcessIdentity(**content["process"])}),
        )


def read_history(out: Path, most: int) -> tuple[list[PastRun], int]:
    """The newest runs, the newest first, and how many others there are. A damaged record counts as another."""
    paths = sorted((out / HISTORY).glob("*.json"), reverse=True)
    runs = []
    for path in paths[:most]:
        try:
            runs.append(PastRun.read(path))
        except DafError:
            continue
    return runs, len(paths) - len(runs)


def changes(before: PastRun, after: PastRun) -> list[str]:
    """What differs between the configurations of two runs, and the code of DAF: a text each; empty: nothing."""
    old, new = flatten(before.config), flatten(after.config)
    found = []
    for key in sorted(old.keys() | new.keys()):
        if key not in new:
            found.append(f"{key} removed")
        elif key not in old:
            found.append(f"{key} added: {_text(new[key])}")
        elif old[key] != new[key]:
            found.append(f"{key}: {_text(old[key])} → {_text(new[key])}")
    names = sorted(before.versions.keys() | after.versions.keys())
    versions = [(name, before.versions.get(name), after.versions.get(name)) for name in names]
    found += [f"{name} {old_version} → {version}" for name, old_version, version in versions if old_version != version]
    if before.git != after.git:
        found.append(f"code of DAF: {commit_in_words(before.git)} → {commit_in_words(after.git)}")
    return found


def commit_in_words(git: Mapping[str, Any] | None) -> str:
    """'434ea992ae16, with uncommitted changes'."""
    if git is None:
        return "no checkout"
    return str(git["commit"])[:12] + (", with uncommitted changes" if git["dirty"] else "")


def _text(value: Any) -> str:
    return shorten(str(value), _LONGEST_VALUE)
