"""Installed packages against what DAF requires."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from daf.system.checks import CheckResult, Status
from daf.system.files import PROJECT


def check_dependencies(requirements: Sequence[str] | None) -> list[CheckResult]:
    """Compare installed versions with DAF's requirements; one result per deviation, or a single one if all match.

    Args:
        requirements: requirement strings; default: those of the installed distribution, else of pyproject.toml.
    """
    from packaging.requirements import Requirement

    lines = project_requirements() if requirements is None else list(requirements)
    if not lines:
        hint = "install DAF with pip, or run it from its checkout"
        found = "no requirements"
        return [CheckResult(name="packages", status="warning", found=found, expected="DAF's requirements", hint=hint)]
    problems, fitting = [], 0
    for text in lines:
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
    # An exact pin determines what results mean; a range only states what was tested.
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
