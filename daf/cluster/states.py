"""Slurm's words for the states in which a job is over."""

from __future__ import annotations

# The job is over and its work can go on from what it saved.
STOPPED = frozenset({"CANCELLED", "DEADLINE", "NODE_FAIL", "PREEMPTED", "REVOKED", "TIMEOUT"})
FAILED = frozenset({"BOOT_FAIL", "FAILED", "OUT_OF_MEMORY"})
ENDED = STOPPED | FAILED | {"COMPLETED"}
