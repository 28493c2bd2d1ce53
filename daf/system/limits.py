"""What this process may use: memory and processors, as far as its affinity mask, its cgroup (a container, a Slurm job)
and Slurm allow.

Whatever counts cores asks `usable_cpus`: the machine's number is never the answer on a shared one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path


def available_memory(cgroup_root: str | Path = "/sys/fs/cgroup") -> tuple[float, str]:
    """Bytes still available to this process, and what sets the limit: machine or cgroup."""
    import psutil

    machine = float(psutil.virtual_memory().available)
    limits = [
        limit - _reclaimable_usage(group)
        for group in _own_cgroups(Path(cgroup_root), "memory")
        if (limit := _read_limit(group, ("memory.max", "memory.limit_in_bytes"))) is not None
    ]
    room = min(limits, default=machine)
    return (max(room, 0.0), "cgroup") if room < machine else (machine, "machine")


def _reclaimable_usage(group: Path) -> float:
    """Bytes in use that the kernel could not reclaim under pressure: all but the file cache."""
    used = _read_limit(group, ("memory.current", "memory.usage_in_bytes")) or 0.0
    try:
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return used
    return max(used - float(stat.get("inactive_file", stat.get("total_inactive_file", 0))), 0.0)


def cgroup_cpu_limit(cgroup_root: str | Path = "/sys/fs/cgroup") -> float | None:
    """CPUs that a cgroup's quota allows, as a fraction; None without a quota."""
    quotas = []
    for group in _own_cgroups(Path(cgroup_root), "cpu"):
        try:
            if (group / "cpu.max").exists():
                quota, period = (group / "cpu.max").read_text().split()
            else:
                quota, period = ((group / f"cpu.cfs_{part}_us").read_text().strip() for part in ("quota", "period"))
        except (OSError, ValueError):
            continue
        if quota not in ("max", "-1"):
            quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def usable_cpus(cgroup_root: str | Path = "/sys/fs/cgroup") -> int:
    """Cores that this process may keep busy: by its affinity mask, its cgroup's quota, and its share of a Slurm job."""
    limits = [float(cpus_of_affinity())]
    if (quota := cgroup_cpu_limit(cgroup_root)) is not None:
        limits.append(quota)
    if (allocated := cpus_of_slurm(os.environ)) is not None:
        limits.append(allocated)
    return max(1, int(min(limits)))


def cpus_of_affinity() -> int:
    """Cores on which the kernel lets this process run."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpus_of_slurm(environment: Mapping[str, str]) -> int | None:
    """Cores of this task or step on its node; None outside a job, or if Slurm does not say.

    Without its cgroup or affinity plugin, Slurm does not bind a job to its cores.
    """
    given = [environment.get(name, "") for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE")]
    counts = [int(text) for text in given if text.isdigit()] if "SLURM_JOB_ID" in environment else []
    return min(counts, default=None)


def _own_cgroups(root: Path, controller: str, membership: str | Path = "/proc/self/cgroup") -> list[Path]:
    """The folders of this process's cgroup and its ancestors, version 2 or 1: a limit in any of them applies."""
    try:
        lines = Path(membership).read_text().splitlines()
    except OSError:
        return []
    groups: list[Path] = []
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            base = root
        elif controller in controllers.split(","):
            base = root / controller
        else:
            continue
        own = base / path.lstrip("/")
        # Inside a container the path may be the host's; then only the root of the mount exists.
        groups += [own, *(parent for parent in own.parents if parent == base or base in parent.parents)]
        groups.append(base)
    return [group for group in dict.fromkeys(groups) if group.is_dir()]


def _read_limit(group: Path, names: Iterable[str]) -> float | None:
    for name in names:
        try:
            text = (group / name).read_text().strip()
        except OSError:
            continue
        # Version 1 writes "no limit" as a number near 2**63.
        return None if text == "max" or int(text) >= 2**60 else float(text)
    return None
