"""Whether this machine can run an experiment: asked before the first expensive step.

What lives here: the checks and their results. A check never raises; it reports what it found, what it expected and
what to do. An error means that the experiment cannot run here, a warning that it may suffer.
"""

from __future__ import annotations

import os
import platform
import shutil
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.errors import DafError, UnfitEnvironmentError, did_you_mean
from daf.system.checks import CheckResult, Status
from daf.system.files import PROJECT
from daf.system.limits import available_memory, cgroup_cpu_limit
from daf.system.provenance import available_cpus

if TYPE_CHECKING:
    from daf.config import MissionConfig

GB = 1e9
DEFAULT_DISK_GB = 2.0
DEFAULT_MEMORY_GB = 2.0


@dataclass(frozen=True, kw_only=True)
class EnvironmentCheckResult:
    """All checks of one machine, in the order they ran."""

    checks: list[CheckResult]

    @property
    def warnings(self) -> list[str]:
        return [str(check) for check in self.checks if check.status == "warning"]

    @property
    def errors(self) -> list[str]:
        return [str(check) for check in self.checks if check.status == "error"]

    def is_healthy(self) -> bool:
        """True without errors; warnings do not stop an experiment."""
        return not self.errors

    def to_dict(self) -> dict[str, Any]:
        return {
            "healthy": self.is_healthy(),
            "warnings": self.warnings,
            "errors": self.errors,
            "checks": [asdict(check) for check in self.checks],
        }

    def __str__(self) -> str:
        marks = {"ok": "ok     ", "warning": "WARNING", "error": "ERROR  "}
        return "\n".join(f"{marks[check.status]}  {check}" for check in self.checks)


def daf_check_environment(
    missions: Sequence[str | MissionConfig] | None = None,
    check_cuda: bool = True,
    check_disk: bool = True,
    *,
    check_memory: bool = True,
    check_dependencies: bool = True,
    device: str = "auto",
    output_dir: str | Path = "daf_output",
    min_free_disk_gb: float = DEFAULT_DISK_GB,
    min_free_memory_gb: float = DEFAULT_MEMORY_GB,
) -> EnvironmentCheckResult:
    """Check everything that can be checked cheaply.

    Args:
        missions: names, files or configurations that must resolve; None skips this check, which loads the engine.
        check_cuda: look for a GPU. Its absence is an error only if `device` is cuda.
        device: what the configuration asks for: auto, cpu or cuda.
        output_dir: where results will go; its disk is the one that is checked.
    """
    checks = [_check_python(), _check_cpus()]
    if check_dependencies:
        checks += daf_check_dependencies()
    if check_cuda:
        checks.append(daf_check_cuda(device))
    if check_memory:
        checks.append(daf_check_memory(min_free_memory_gb))
    if check_disk:
        checks.append(daf_check_disk_space(output_dir, min_free_disk_gb))
    if missions is not None:
        checks += daf_check_mission_configs(missions)
    return EnvironmentCheckResult(checks=checks)


def require_healthy(result: EnvironmentCheckResult) -> None:
    """Raise UnfitEnvironmentError, with every error and its hint, unless the result is healthy."""
    if not result.is_healthy():
        raise UnfitEnvironmentError("a machine that can run the experiment", "; ".join(result.errors), "environment")


def _check_python() -> CheckResult:
    found, wanted = platform.python_version(), "3.12, the only one the engine has wheels for"
    if platform.python_version_tuple()[:2] == ("3", "12"):
        return CheckResult(name="python", status="ok", found=found, expected=wanted)
    hint = "create the environment from environment.yml"
    return CheckResult(name="python", status="error", found=found, expected=wanted, hint=hint)


def _check_cpus() -> CheckResult:
    """CPUs that this process may use: affinity (Slurm, taskset) and the cgroup's quota (containers)."""
    allowed, machine, quota = available_cpus(), os.cpu_count() or 1, cgroup_cpu_limit()
    usable = allowed if quota is None else min(float(allowed), quota)
    found = f"{usable:g} usable of {machine}" if usable < machine else f"{machine}"
    return CheckResult(name="cpus", status="ok", found=found, expected="at least 1")


# ---- GPU --------------------------------------------------------------------------------------------------


def daf_check_cuda(device: str = "auto") -> CheckResult:
    """Availability and versions of CUDA; without a GPU this is an error only if `device` is cuda."""
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
    from daf.system.devices import cuda_available

    if not cuda_available():
        return None
    import torch

    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return (
        f"{len(names)} GPU{'s' if len(names) > 1 else ''} ({', '.join(sorted(set(names)))}), CUDA {torch.version.cuda}"
    )


def daf_get_recommended_device() -> str:
    """`cuda` if torch can use a GPU here, else `cpu`."""
    from daf.system.devices import resolve_device

    return resolve_device("auto")


# ---- disk and memory --------------------------------------------------------------------------------------


def daf_check_disk_space(path: str | Path = "daf_output", required_gb: float = DEFAULT_DISK_GB) -> CheckResult:
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


def daf_check_memory(required_gb: float = DEFAULT_MEMORY_GB) -> CheckResult:
    """Memory this process can still get: the machine's, or less if a cgroup (container, Slurm job) limits it."""
    available, source = available_memory()
    found, expected = f"{available / GB:.1f} GB available ({source})", f"at least {required_gb:g} GB"
    if available < required_gb * GB:
        hint = "end other programs, ask for a larger allocation, or lower num_envs and max_parallel_jobs"
        return CheckResult(name="memory", status="error", found=found, expected=expected, hint=hint)
    return CheckResult(name="memory", status="ok", found=found, expected=expected)


# ---- packages ---------------------------------------------------------------------------------------------


def daf_check_dependencies(requirements: Sequence[str] | None = None) -> list[CheckResult]:
    """Installed versions against what DAF asks for; one result per deviation, or a single one that all fit.

    Args:
        requirements: requirement strings; default: those of the installed distribution, else of pyproject.toml.
    """
    from packaging.requirements import Requirement

    wanted = project_requirements() if requirements is None else list(requirements)
    if not wanted:
        hint = "install DAF with pip, or run it from its checkout"
        found = "no list of requirements"
        return [CheckResult(name="packages", status="warning", found=found, expected="DAF's requirements", hint=hint)]
    problems, fitting = [], 0
    for text in wanted:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        problem = _check_requirement(requirement.name, str(requirement.specifier), requirement.specifier.contains)
        if problem is None:
            fitting += 1
        else:
            problems.append(problem)
    if problems:
        return problems
    return [CheckResult(name="packages", status="ok", found=f"{fitting} as required", expected="versions of DAF")]


def _check_requirement(name: str, specifier: str, contains: Any) -> CheckResult | None:
    expected = f"{name}{specifier}"
    try:
        installed = metadata.version(name)
    except metadata.PackageNotFoundError:
        hint = f"pip install '{expected}'"
        return CheckResult(name=f"package {name}", status="error", found="not installed", expected=expected, hint=hint)
    if contains(installed, prereleases=True):
        return None
    # An exact pin decides what results mean; a range is only what was tried.
    status: Status = "error" if specifier.startswith("==") and "," not in specifier else "warning"
    hint = f"pip install '{expected}'"
    return CheckResult(name=f"package {name}", status=status, found=installed, expected=expected, hint=hint)


def project_requirements() -> list[str]:
    """DAF's own requirement strings: from a checkout's pyproject.toml, else from the installed distribution."""
    pyproject = PROJECT / "pyproject.toml"
    if pyproject.is_file():
        project = tomllib.loads(pyproject.read_text(encoding="utf-8")).get("project", {})
        if project.get("name") == "daf":
            return list(project.get("dependencies", []))
    try:
        return list(metadata.requires("daf") or [])
    except metadata.PackageNotFoundError:
        return []


# ---- missions ---------------------------------------------------------------------------------------------


def daf_check_mission_configs(missions: Sequence[str | MissionConfig]) -> list[CheckResult]:
    """Whether every mission resolves to an environment; one result per mission. Loads the engine."""
    try:
        from daf.engine.missions import resolve_mission
    except ImportError as error:
        hint = "install the environment: the engine is needed to look at missions"
        return [CheckResult(name="missions", status="error", found=str(error), expected="the engine", hint=hint)]
    return [_check_mission(mission, resolve_mission) for mission in missions]


def _check_mission(mission: str | MissionConfig, resolve: Any) -> CheckResult:
    facts = {"source": mission} if isinstance(mission, str) else mission.model_dump(exclude_defaults=True)
    label = str(facts.pop("source"))
    name = ", ".join([f"mission {label}", *(f"{key}={value}" for key, value in facts.items())])
    expected = "a mission that can be built"
    try:
        config = resolve(mission).env_config
    except DafError as error:
        return CheckResult(name=name, status="error", found=error.found, expected=error.expected, hint=error.hint)
    except Exception as error:  # a user's mission file may fail in any way, and a check must report it
        found = f"{type(error).__name__}: {error}"
        return CheckResult(name=name, status="error", found=found, expected=expected, hint=_mission_hint(label))
    return CheckResult(name=name, status="ok", found=f"{config.game.num_agents} agents", expected=expected)


def _mission_hint(label: str) -> str:
    from daf.engine.missions import list_missions

    try:
        return did_you_mean(label, list_missions())
    except Exception:  # a hint must never hide the finding it belongs to
        return ""
