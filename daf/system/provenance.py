"""How a result was made: recipe, seeds, versions, code, machine, time.

Collecting these facts is cheap: it imports neither torch nor the engine, and takes versions from the metadata of
installed distributions. Every result file contains the returned mapping.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from daf.system.engine_packages import ENGINE_PACKAGES
from daf.system.files import PROJECT, digest
from daf.system.limits import usable_cpus
from daf.system.loaded_files import with_escaping_modules
from daf.system.plain import to_plain
from daf.system.user_code import CodeStamp, code_in

OVERRIDES = "DAF_OVERRIDES"  # environment variable of a job and its processes


def provenance(recipe: Mapping[str, Any], seeds: Mapping[str, Any], *, code: CodeStamp | None = None) -> dict[str, Any]:
    """The facts needed to reproduce a result, as JSON-ready data.

    Args:
        recipe: everything that determines the result; only its digest is recorded.
        seeds: seed by purpose, e.g. {"training": 1, "evaluation": 1000}.
        code: the user's code that ran; default: all stamps in the recipe.
    """
    plain = to_plain(recipe)
    overrides = os.environ.get(OVERRIDES)
    return {
        "recipe_digest": digest(plain),
        "code": with_escaping_modules(code_in(plain) if code is None else code).model_dump(mode="json"),
        "seeds": to_plain(seeds),
        "versions": versions(),
        "git": git_state(),
        "host": host_facts(),
        "created": utc_now(),
    } | ({"overrides": json.loads(overrides)} if overrides else {})


def note_overrides(overrides: Mapping[str, Any] | None) -> None:
    """Let every result of this process, and of those that it starts, say which keys of the experiment's file a command
    overrode; None: none."""
    if overrides:
        os.environ[OVERRIDES] = json.dumps(to_plain(overrides))
    else:
        os.environ.pop(OVERRIDES, None)


def utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str | None]:
    """Versions of Python, DAF and the packages that determine results; None if not installed."""
    from daf import __version__

    own: dict[str, str | None] = {"python": platform.python_version(), "daf": __version__}
    return own | {name: _version(name) for name in (*ENGINE_PACKAGES, "numpy")}


def engine_stamp() -> dict[str, str]:
    """Installed versions of the engine's packages, to which missions, checkpoints and results are tied."""
    return {name: _version(name) or "not installed" for name in ENGINE_PACKAGES}


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def git_state(folder: str | Path | None = None) -> dict[str, Any] | None:
    """Commit and dirty flag of the checkout that holds DAF (or `folder`); None outside a checkout.

    Dirty means that a tracked file differs from the commit. New files do not count, since results written into the
    checkout would make every later run dirty.
    """
    if folder is not None:
        return _read_git_state(Path(folder))
    state = _own_git_state()
    return None if state is None else dict(state)


@cache
def _own_git_state() -> dict[str, Any] | None:
    """Computed once per process: loaded code does not change afterwards."""
    folder = PROJECT
    # If DAF is installed in an environment inside an unrelated checkout, it is not that checkout's code.
    return _read_git_state(folder) if (folder / ".git").exists() else None


def _read_git_state(folder: Path) -> dict[str, Any] | None:
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    status = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if status is None else bool(status)}


def _git(folder: Path, *arguments: str) -> str | None:
    # Without optional locks, our `git status` never disturbs a concurrent `git commit`.
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    command = ["git", "-C", str(folder), *arguments]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, env=environment, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() if result.returncode == 0 else None


def host_facts() -> dict[str, Any]:
    """Machine facts: the cores that this process may use and their model (matrix products differ in the last bits
    between models), total memory in bytes, and the job's Slurm id if there is one."""
    return {
        "hostname": platform.node(),
        "platform": platform.platform(),
        "cpu": _cpu_model(),
        "cpu_count": usable_cpus(),
        "memory_bytes": _total_memory(),
        "slurm_job_id": os.environ.get("SLURM_JOB_ID"),
    }


@cache
def _cpu_model() -> str:
    """The kernel's name for it, or the architecture if the kernel gives none."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _total_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError, AttributeError):
        return None
