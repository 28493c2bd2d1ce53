"""Checks of this machine: Python, processors, GPU, disk and memory.

A check never raises: it reports what it found, what it expected and what to do.
"""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from daf.system.checks import CheckResult
from daf.system.devices import cuda_available
from daf.system.limits import available_memory, usable_cpus

GB = 1e9


def check_python() -> CheckResult:
    found, expected = platform.python_version(), "3.12, the only version with wheels of the engine"
    if platform.python_version_tuple()[:2] == ("3", "12"):
        return CheckResult(name="python", status="ok", found=found, expected=expected)
    hint = "create the environment from environment.yml"
    return CheckResult(name="python", status="error", found=found, expected=expected, hint=hint)


def check_cpus() -> CheckResult:
    """Cores that this process may use, see `daf.system.limits.usable_cpus`."""
    usable, machine = usable_cpus(), os.cpu_count() or 1
    found = f"{usable} usable of {machine}" if usable < machine else f"{machine}"
    return CheckResult(name="cpus", status="ok", found=found, expected="at least 1")


def check_cuda(device: str) -> CheckResult:
    """Availability and versions of CUDA; a missing GPU is an error only if `device` is cuda."""
    expected = {"cuda": "a CUDA device", "cpu": "nothing: the configuration uses the CPU"}.get(device, "a GPU or a CPU")
    needed = device.startswith("cuda")
    try:
        found = _cuda_facts()
    except ImportError as error:
        hint = "install the environment; a broken torch often comes from mixing pip and conda builds"
        return CheckResult(name="cuda", status="error", found=f"{error}", expected="a working torch", hint=hint)
    if found is not None:
        return CheckResult(name="cuda", status="ok", found=found, expected=expected)
    if needed:
        hint = "set daf.device to auto or cpu, or run where nvidia-smi lists a GPU"
        return CheckResult(name="cuda", status="error", found="no GPU that torch can use", expected=expected, hint=hint)
    return CheckResult(name="cuda", status="ok", found="no GPU: networks run on the CPU", expected=expected)


def _cuda_facts() -> str | None:
    if not cuda_available():
        return None
    import torch

    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return (
        f"{len(names)} GPU{'s' if len(names) > 1 else ''} ({', '.join(sorted(set(names)))}), CUDA {torch.version.cuda}"
    )


def check_disk_space(path: str | Path, required_gb: float) -> CheckResult:
    """Free space (GB = 10⁹ bytes) where `path` is or will be, and whether it can be written."""
    target = Path(path).resolve()
    existing = next(folder for folder in (target, *target.parents) if folder.exists())
    if not existing.is_dir():
        hint = "move it away or choose another output folder"
        return CheckResult(name="disk", status="error", found=f"{existing} is a file", expected="a folder", hint=hint)
    free = shutil.disk_usage(existing).free / GB
    found, expected = f"{free:.1f} GB free at {target}", f"at least {required_gb:g} GB"
    if not os.access(existing, os.W_OK | os.X_OK):
        hint = "choose another daf.output_dir"
        return CheckResult(
            name="disk", status="error", found=f"{existing} cannot be written", expected=expected, hint=hint
        )
    if free < required_gb:
        hint = "free some space, choose another daf.output_dir, or lower daf.min_free_disk_gb"
        return CheckResult(name="disk", status="error", found=found, expected=expected, hint=hint)
    return CheckResult(name="disk", status="ok", found=found, expected=expected)


def check_memory(required_gb: float) -> CheckResult:
    """Memory still available to this process: the machine's, or less if a cgroup (container, Slurm job) limits it."""
    available, source = available_memory()
    found, expected = f"{available / GB:.1f} GB available ({source})", f"at least {required_gb:g} GB"
    if available < required_gb * GB:
        hint = "end other programs, ask for a larger allocation, or lower num_envs and max_parallel_jobs"
        return CheckResult(name="memory", status="error", found=found, expected=expected, hint=hint)
    return CheckResult(name="memory", status="ok", found=found, expected=expected)
