"""A run that was itself submitted to Slurm: `logs/detached.json`, written before it begins."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from daf.errors import DafError
from daf.system.files import write_json
from daf.system.json_files import read_sealed

DETACHED = Path("logs") / "detached.json"  # in the output folder


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A submitted run.

    Attributes:
        slurm_job_id: the job that is the run.
        submitted: when, seconds since 1970.
        command: what it runs.
        log: what it prints.
    """

    slurm_job_id: str
    submitted: float
    command: list[str]
    log: str

    def write(self, out: Path) -> None:
        write_json(out / DETACHED, asdict(self))

    @classmethod
    def find(cls, out: Path) -> Submission | None:
        """The last one of an output folder; None if there is none, or its record is damaged."""
        try:
            return read_sealed(out / DETACHED, "the record of a submitted run", lambda content: cls(**content))
        except DafError:
            return None
