"""What a job of the workflow leaves next to its log while it runs, and if it does not succeed.

A job that was killed cannot say so: its file still says "running", and whoever reads it asks whether the process lives.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from daf.system.files import write_json
from daf.system.json_files import read_sealed
from daf.system.process_identity import ProcessIdentity

STATE = ".state.json"  # instead of `.log`


@dataclass(frozen=True, kw_only=True)
class JobState:
    """A job that has started and has not succeeded.

    Attributes:
        rule: the rule of the job.
        process: that ran it, or runs it.
        began: when it started, seconds since 1970.
        status: `running` also of a job that was killed.
        ended: when it ended; None while it runs.
        exit_code: of the job; None while it runs.
    """

    rule: str
    process: ProcessIdentity
    began: float
    status: Literal["running", "failed", "interrupted"] = "running"
    ended: float | None = None
    exit_code: int | None = None

    @classmethod
    def begin(cls, rule: str, path: Path) -> JobState:
        """Write the state of a job that starts in this process."""
        state = cls(rule=rule, process=ProcessIdentity.own(), began=time.time())
        state.write(path)
        return state

    def end(self, path: Path, exit_code: int, *, interrupted: bool) -> None:
        """Write that it has failed, or was interrupted."""
        status: Literal["failed", "interrupted"] = "interrupted" if interrupted else "failed"
        replace(self, status=status, ended=time.time(), exit_code=exit_code).write(path)

    def write(self, path: Path) -> None:
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> JobState:
        return read_sealed(
            path,
            "the state of a job",
            lambda content: cls(**{**content, "process": ProcessIdentity(**content["process"])}),
        )


def state_path(log: str | Path) -> Path:
    """The state that belongs to a job's log."""
    return Path(log).with_suffix(STATE)
