"""Whether the cluster has what jobs request, checked before the first one is submitted.

Slurm itself rejects some wrong requests at submission, one job at a time, and leaves others in the queue forever.
"""

from __future__ import annotations

import getpass
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daf.cluster.inventory import Inventory, NodeGroup, Partition, read_inventory
from daf.errors import BadInputError, ConfigError, did_you_mean
from daf.system.nouns import number_of

# The executor plugin checks the queue at least every 180 s; squeue must still know a job that has ended by then.
MIN_JOB_AGE_SECONDS = 240


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a kind of job requests: per node, except for `nodes` and `minutes`."""

    rule: str
    partition: str
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    nodes: int = 1
    cpus: int = 1
    memory_mb: int = 0
    minutes: int = 0
    gres: str | None = None

    @classmethod
    def of_job(cls, rule: str, threads: int, resources: Mapping[str, Any]) -> Request | None:
        """The request of a Snakemake job with these resources; None if they name no partition."""
        get = resources.get
        if not get("slurm_partition"):
            return None
        gpus = f"gpu:{get('gpu')}" if get("gpu") else None
        gres = None if get("gres") in (None, "", "none") else str(get("gres"))
        return cls(
            rule=rule,
            partition=str(get("slurm_partition")),
            account=_text(get("slurm_account")),
            qos=_text(get("qos")),
            constraint=_text(get("constraint")),
            nodes=int(get("nodes") or 1),
            cpus=threads,
            memory_mb=int(get("mem_mb") or 0),
            minutes=int(get("runtime") or 0),
            gres=gres or gpus,
        )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def check_jobs(jobs: Iterable[tuple[str, int, Mapping[str, Any]]], *, status_command: str | None) -> None:
    """Compare what jobs (rule, threads, resources) request with the cluster.

    The cluster is not queried if no job names a partition.

    Args:
        status_command: the program that tells the slurm executor the states of jobs, squeue or sacct; None with another
            executor.

    Raises:
        ConfigError: one problem per thing that does not exist.
        UnfitEnvironmentError: Slurm does not answer.
    """
    requests = {request: None for job in jobs if (request := Request.of_job(*job)) is not None}
    if not requests:
        return
    problems = find_problems(list(requests), read_inventory(getpass.getuser()), status_command=status_command)
    if problems:
        raise ConfigError(problems)


def check_modules(required: Iterable[str], environment: Mapping[str, str]) -> None:
    """Check that modules are loaded: jobs inherit the environment in which Snakemake was started.

    Raises:
        BadInputError: a module is not loaded; `python` matches any version.
    """
    loaded = environment.get("LOADEDMODULES", "").split(":")
    missing = [name for name in required if name not in {*loaded, *(module.partition("/")[0] for module in loaded)}]
    if missing:
        hint = f"module load {' '.join(missing)}; then start Snakemake again"
        found = ", ".join(filter(None, loaded)) or "none"
        raise BadInputError(f"environment modules {', '.join(missing)}", found, "cluster.modules", hint)


def find_problems(
    requests: Sequence[Request], inventory: Inventory, *, status_command: str | None
) -> list[BadInputError]:
    """Report everything that jobs request and the cluster lacks, each thing once."""
    problems = [problem for request in requests for problem in _problems_of(request, inventory)]
    if status_command == "squeue" and inventory.min_job_age_seconds < MIN_JOB_AGE_SECONDS:
        problems.append(
            BadInputError(
                f"MinJobAge of at least {MIN_JOB_AGE_SECONDS} s, as finished jobs are looked up with squeue",
                f"{inventory.min_job_age_seconds} s",
                "scontrol show config",
                "set `slurm-status-command: sacct` in the profile if the cluster has accounting",
            )
        )
    if status_command is not None:
        for name in dict.fromkeys(request.partition for request in requests):
            partition = inventory.partitions.get(name)
            if partition is not None and "CANCEL" in partition.preempt_mode:
                expected = "jobs that Slurm requeues after a preemption (PreemptMode=REQUEUE)"
                found = f"PreemptMode={partition.preempt_mode} of partition '{name}'"
                hint = "the slurm executor waits forever for a cancelled job: use --profile profiles/cluster-generic"
                problems.append(BadInputError(expected, found, "scontrol show partition", hint))
    return list({str(problem): problem for problem in problems}.values())


def _problems_of(request: Request, inventory: Inventory) -> list[BadInputError]:
    problems = []
    for name, value, known in (
        ("account", request.account, inventory.accounts),
        ("qos", request.qos, inventory.qos),
    ):
        if value is not None and known is not None and value not in known:
            problems.append(
                BadInputError(
                    f"a Slurm {name} that you have", f"'{value}'", f"cluster.{name}", did_you_mean(value, known)
                )
            )
    partition = inventory.partitions.get(request.partition)
    if partition is None:
        hint = did_you_mean(request.partition, inventory.partitions)
        where = f"partition of {request.rule}"
        return [*problems, BadInputError("a partition of this cluster", f"'{request.partition}'", where, hint)]
    if not partition.up:
        where = f"partition of {request.rule}"
        problems.append(BadInputError("a partition that is up", f"'{partition.name}' is not", where, "see `sinfo`"))
    if partition.max_minutes is not None and request.minutes > partition.max_minutes:
        problems.append(
            BadInputError(
                f"at most {partition.max_minutes} minutes, the limit of partition '{partition.name}'",
                f"{request.minutes}",
                f"runtime of {request.rule}",
                f"set cluster.max_minutes to {partition.max_minutes}",
            )
        )
    return [*problems, *_problems_with_nodes(request, partition)]


def _problems_with_nodes(request: Request, partition: Partition) -> list[BadInputError]:
    """Report what no node has; if each thing exists, check that enough nodes have all of them."""
    where, of = f"{{}} of {request.rule}", f"partition '{partition.name}'"
    problems = []
    name, count = _gres(request.gres)
    most = max((group.gres.get(name, 0) for group in partition.groups), default=0)
    if count > most:
        names = sorted({known for group in partition.groups for known in group.gres})
        hint = f"it has {', '.join(names)}" if names else "it has none: see `sinfo -o '%P %G'` for partitions with GPUs"
        expected = f"at most {most} of '{name}' per node of {of}" if most else f"nodes with '{name}' in {of}"
        problems.append(BadInputError(expected, f"{count}", where.format("gres"), hint))
    for feature in _features(request.constraint):
        if not any(feature in group.features for group in partition.groups):
            known = {name for group in partition.groups for name in group.features}
            expected = f"nodes with the feature '{feature}' in {of}"
            problems.append(BadInputError(expected, "none", where.format("constraint"), did_you_mean(feature, known)))
    for resource, unit, asked, available in (
        ("mem_mb", "MB", request.memory_mb, max((group.memory_mb for group in partition.groups), default=0)),
        ("threads", "cores", request.cpus, max((group.cpus for group in partition.groups), default=0)),
    ):
        if asked > available:
            hint = {
                "mem_mb": f"set cluster.max_memory_mb to {available}",
                "threads": f"{'lower cluster.cores_per_gpu, or ' if count else ''}request fewer processes per machine",
            }[resource]
            expected = f"at most {available} {unit}, as nodes of {of} have"
            problems.append(BadInputError(expected, f"{asked}", where.format(resource), hint))
    fit = sum(group.count for group in partition.groups if _fits(request, group))
    if not problems and fit < request.nodes:
        expected = f"{number_of(request.nodes, 'node')} with everything that the job requests, in {of}"
        hint = "lower num_machines in the experiment, or choose another partition"
        problems.append(BadInputError(expected, f"{fit}", where.format("nodes"), hint))
    return problems


def _fits(request: Request, group: NodeGroup) -> bool:
    name, count = _gres(request.gres)
    return (
        group.gres.get(name, 0) >= count
        and group.memory_mb >= request.memory_mb
        and group.cpus >= request.cpus
        and _features(request.constraint) <= group.features
    )


def _gres(text: str | None) -> tuple[str, int]:
    """Name (with type) and number of a request like gpu:a100:2 or gpu:2; ("", 0) for none."""
    if text is None:
        return "", 0
    name, _, number = text.rpartition(":")
    return (name, int(number)) if number.isdigit() else (text, 1)


def _features(constraint: str | None) -> frozenset[str]:
    """The features of a plain constraint; anything more complex is left to Slurm."""
    if constraint is None or not re.fullmatch(r"[\w.-]+(&[\w.-]+)*", constraint):
        return frozenset()
    return frozenset(constraint.split("&"))
