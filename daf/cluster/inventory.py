"""What a Slurm cluster has, according to its programs: partitions, nodes, accounts, and settings that matter here."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from daf.errors import UnfitEnvironmentError

TIMEOUT_SECONDS = 30.0
# Partition, state, time limit, and of a group of equal nodes: count, CPUs, memory in MB, generic resources, features.
SINFO_FORMAT = "%R|%a|%l|%D|%c|%m|%G|%f"


@dataclass(frozen=True, kw_only=True)
class NodeGroup:
    """Identical nodes of a partition, in use or not.

    Attributes:
        gres: number on each node by name and by name with type, e.g. {"gpu": 4, "gpu:a100": 4}.
    """

    count: int
    cpus: int
    memory_mb: int
    gres: Mapping[str, int] = field(default_factory=dict)
    features: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Partition:
    """`max_minutes` is None without a limit; `preempt_mode` is what happens to preempted jobs, or OFF."""

    name: str
    up: bool
    max_minutes: int | None
    groups: tuple[NodeGroup, ...]
    preempt_mode: str = "OFF"


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """A cluster as its programs describe it.

    Attributes:
        accounts: the user's accounts; None if there is no accounting, or it does not answer.
        qos: all on the cluster; None in the same cases.
        min_job_age_seconds: how long squeue still knows a job that has ended.
    """

    partitions: Mapping[str, Partition]
    accounts: frozenset[str] | None
    qos: frozenset[str] | None
    min_job_age_seconds: int


def read_inventory(user: str) -> Inventory:
    """Query sinfo, scontrol and, if there is accounting, sacctmgr.

    Raises:
        UnfitEnvironmentError: Slurm is not installed or does not answer.
    """
    partitions = parse_partitions(ask("sinfo", "--noheader", "--all", f"--format={SINFO_FORMAT}"))
    settings = parse_settings(ask("scontrol", "show", "config"))
    if settings.get("PreemptType", "preempt/none") != "preempt/none":
        modes = parse_preempt_modes(ask("scontrol", "--oneliner", "show", "partition"))
        partitions = {
            name: replace(partition, preempt_mode=modes.get(name, "OFF")) for name, partition in partitions.items()
        }
    accounts = qos = None
    if "none" not in settings.get("AccountingStorageType", "none"):
        try:
            known = ask(
                "sacctmgr", "--noheader", "--parsable2", "list", "associations", f"user={user}", "format=account"
            )
            accounts = frozenset(known.split())
            qos = frozenset(ask("sacctmgr", "--noheader", "--parsable2", "list", "qos", "format=name").split())
        except UnfitEnvironmentError:  # accounting is down: jobs run without it, so this is not a reason to stop
            pass
    age = re.match(r"\d+", settings.get("MinJobAge", ""))
    return Inventory(
        partitions=partitions, accounts=accounts, qos=qos, min_job_age_seconds=int(age.group()) if age else 0
    )


def parse_partitions(text: str) -> dict[str, Partition]:
    """Partitions by name, from lines of `SINFO_FORMAT`."""
    partitions: dict[str, Partition] = {}
    for line in text.splitlines():
        name, state, limit, count, cpus, memory, gres, features = (part.strip() for part in line.split("|"))
        group = NodeGroup(
            count=int(count),
            cpus=int(cpus.rstrip("+")),
            memory_mb=int(memory.rstrip("+")),
            gres=parse_gres(gres),
            features=frozenset(features.split(",")) - {"(null)", ""},
        )
        known = partitions[name].groups if name in partitions else ()
        partitions[name] = Partition(
            name=name, up=state == "up", max_minutes=parse_minutes(limit), groups=(*known, group)
        )
    return partitions


def parse_preempt_modes(text: str) -> dict[str, str]:
    """PreemptMode by partition, from `scontrol --oneliner show partition`."""
    modes = re.findall(r"^PartitionName=(\S+).*?\bPreemptMode=(\S+)", text, re.MULTILINE)
    return {name: mode.upper() for name, mode in modes}


def parse_gres(text: str) -> dict[str, int]:
    """Numbers by name, and by name and type: `gpu:a100:4(S:0-1)` is {"gpu": 4, "gpu:a100": 4}."""
    numbers: dict[str, int] = {}
    for entry in re.sub(r"\([^)]*\)", "", text).split(","):
        name, *kind, number = entry.split(":") if ":" in entry else (entry, "1")
        if not name:
            continue
        count = int(number) if number.isdigit() else 1
        for key in {name, ":".join([name, *kind])}:
            numbers[key] = numbers.get(key, 0) + count
    return numbers


def parse_minutes(text: str) -> int | None:
    """Slurm's `days-hours:minutes:seconds`, `minutes:seconds` …; None for `infinite`."""
    days, _, clock = text.rpartition("-")
    parts = clock.split(":")
    if not all(part.isdigit() for part in parts):
        return None
    hours, minutes, _ = ["0"] * (3 - len(parts)) + parts
    return int(days or 0) * 1440 + int(hours) * 60 + int(minutes)


def parse_settings(text: str) -> dict[str, str]:
    """`scontrol show config` by name."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def ask(program: str, *arguments: str, timeout_s: float = TIMEOUT_SECONDS) -> str:
    """The output of one of Slurm's programs.

    Raises:
        UnfitEnvironmentError: it is not installed, or fails.
    """
    if shutil.which(program) is None:
        hint = "start Snakemake on a login node of the cluster, or leave out --profile slurm"
        raise UnfitEnvironmentError(f"Slurm's {program} on the PATH", "none", "cluster", hint)
    try:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        raise UnfitEnvironmentError("an answer", f"none in {timeout_s:g} s", program, "is Slurm up?") from None
    if done.returncode:
        found = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise UnfitEnvironmentError("an answer", found, f"{program} {' '.join(arguments)}", "is Slurm up?")
    return done.stdout
