"""Whether this machine can run an experiment: checked before the first expensive step.

A check never raises: it reports what it found, what it expected and what to do. An error means that the experiment
cannot run here; a warning, that it may run poorly.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from daf.system import machine
from daf.system import requirements as packages
from daf.system.arguments import checked_arguments
from daf.system.checks import CheckResult, CheckResults, EnvironmentCheckResult
from daf.system.devices import resolve_device
from daf.system.user_paths import user_path

if TYPE_CHECKING:
    from daf.config import DAFConfig, MissionConfig

__all__ = [
    "CheckResult",
    "EnvironmentCheckResult",
    "daf_check_cuda",
    "daf_check_dependencies",
    "daf_check_disk_space",
    "daf_check_environment",
    "daf_check_memory",
    "daf_check_mission_configs",
    "daf_get_recommended_device",
]


@checked_arguments
def daf_check_environment(
    missions: Sequence[str | MissionConfig] | None = None,
    check_cuda: bool = True,
    check_disk: bool = True,
    *,
    check_memory: bool = True,
    check_dependencies: bool = True,
    config: DAFConfig | None = None,
) -> EnvironmentCheckResult:
    """Check everything that can be checked cheaply.

    Args:
        missions: names, files or configurations that must resolve; None skips this check, which needs to load the
            engine.
        check_cuda: look for a GPU. Its absence is an error only if the configured device is cuda.
        check_disk: check the disk of the configured output folder.
        config: the device, the output folder, and how much free disk and memory there must be.
    """
    from daf.config import DAFConfig

    config = config or DAFConfig()
    checks = [machine.check_python(), machine.check_cpus()]
    if check_dependencies:
        checks += daf_check_dependencies()
    if check_cuda:
        checks.append(daf_check_cuda(config.device))
    if check_memory:
        checks.append(daf_check_memory(config.min_free_memory_gb))
    if check_disk:
        checks.append(daf_check_disk_space(config.output_dir, config.min_free_disk_gb))
    if missions is not None:
        checks += daf_check_mission_configs(missions)
    return EnvironmentCheckResult(checks=checks)


@checked_arguments
def daf_check_cuda(device: str = "auto") -> CheckResult:
    """Availability and versions of CUDA; a missing GPU is an error only if `device` is cuda."""
    return machine.check_cuda(device)


def daf_get_recommended_device() -> str:
    """`cuda` if torch can use a GPU here, else `cpu`."""
    return resolve_device("auto")


@checked_arguments
def daf_check_disk_space(path: str | Path = "daf_output", required_gb: float | None = None) -> CheckResult:
    """Free space (GB = 10⁹ bytes) where `path` is or will be, and whether it can be written.

    Args:
        required_gb: default: `min_free_disk_gb` of `DAFConfig`.
    """
    from daf.config import DAFConfig

    return machine.check_disk_space(
        user_path(path), DAFConfig().min_free_disk_gb if required_gb is None else required_gb
    )


@checked_arguments
def daf_check_memory(required_gb: float | None = None) -> CheckResult:
    """Memory still available to this process: the machine's, or less if a cgroup (container, Slurm job) limits it.

    Args:
        required_gb: default: `min_free_memory_gb` of `DAFConfig`.
    """
    from daf.config import DAFConfig

    return machine.check_memory(DAFConfig().min_free_memory_gb if required_gb is None else required_gb)


@checked_arguments
def daf_check_dependencies(requirements: Sequence[str] | None = None) -> list[CheckResult]:
    """Compare installed versions with DAF's requirements; one result per deviation, or a single one if all match.

    Args:
        requirements: requirement strings; default: those of the installed distribution, else of pyproject.toml.
    """
    return CheckResults(packages.check_dependencies(requirements))


@checked_arguments
def daf_check_mission_configs(missions: Sequence[str | MissionConfig]) -> list[CheckResult]:
    """Whether every mission resolves to an environment; one result per mission. Loads the engine."""
    try:
        from daf.engine.mission_checks import check_missions
    except ImportError as error:
        hint = "install the environment: the engine is needed to check missions"
        failed = CheckResult(name="missions", status="error", found=str(error), expected="the engine", hint=hint)
        return CheckResults([failed])
    return CheckResults(check_missions(missions))
