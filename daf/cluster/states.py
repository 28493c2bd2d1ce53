"""Slurm's names for the states of a job that is over."""

from __future__ import annotations

# The job is over; started again, its work can resume from what it saved.
STOPPED = frozenset({"CANCELLED", "DEADLINE", "NODE_FAIL", "PREEMPTED", "REVOKED", "TIMEOUT"})
FAILED = frozenset({"BOOT_FAIL", "FAILED", "OUT_OF_MEMORY"})
ENDED = STOPPED | FAILED | {"COMPLETED"}
