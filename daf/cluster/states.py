"""Slurm's names for the states of an ended job."""

from __future__ import annotations

# The job has ended; its work can resume from what it saved.
STOPPED = frozenset({"CANCELLED", "DEADLINE", "NODE_FAIL", "PREEMPTED", "REVOKED", "TIMEOUT"})
FAILED = frozenset({"BOOT_FAIL", "FAILED", "OUT_OF_MEMORY"})
ENDED = STOPPED | FAILED | {"COMPLETED"}
