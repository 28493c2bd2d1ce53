"""Which process something is, so that another one can ask later whether it still runs."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, kw_only=True)
class ProcessIdentity:
    """A process, here or on another machine.

    Attributes:
        host: name of its machine.
        pid: its number there.
        started_ms: when it started, milliseconds since 1970: numbers of processes are used again.
        slurm_job_id: the Slurm job that it belongs to, if any.
    """

    host: str
    pid: int
    started_ms: int
    slurm_job_id: str | None = None

    @classmethod
    def own(cls, slurm_job_id: str | None = None) -> ProcessIdentity:
        """This process.

        Args:
            slurm_job_id: default: what the environment says.
        """
        pid = os.getpid()
        return cls(
            host=socket.gethostname(),
            pid=pid,
            started_ms=_started_ms(pid),
            slurm_job_id=slurm_job_id or os.environ.get("SLURM_JOB_ID"),
        )

    @property
    def is_here(self) -> bool:
        """Whether it runs, or ran, on this machine."""
        return self.host == socket.gethostname()

    def runs(self) -> bool | None:
        """Whether it is alive; None if it is on another machine, which cannot be asked."""
        if not self.is_here:
            return None
        try:
            zombie = psutil.Process(self.pid).status() == psutil.STATUS_ZOMBIE
            return not zombie and _started_ms(self.pid) == self.started_ms
        except psutil.NoSuchProcess:
            return False

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}" + (f", Slurm job {self.slurm_job_id}" if self.slurm_job_id else "")


def _started_ms(pid: int) -> int:
    return int(psutil.Process(pid).create_time() * 1000)
