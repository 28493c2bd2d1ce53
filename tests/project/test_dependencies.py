"""The packaging files say the same thing: pyproject.toml, requirements.lock, environment.yml, CITATION.cff."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import daf


@pytest.fixture(scope="module")
def project(repository: Path) -> dict[str, Any]:
    return tomllib.loads((repository / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def lock_text(repository: Path) -> str:
    return (repository / "requirements.lock").read_text()


@pytest.fixture(scope="module")
def locked(lock_text: str) -> dict[str, str]:
    """{canonical name: version}"""
    pins = re.findall(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==([^\s\\;]+)", lock_text, flags=re.MULTILINE)
    return {canonicalize_name(name): version for name, version in pins}


def requirements(project: dict[str, Any]) -> list[Requirement]:
    table = project["project"]
    lines = [*table["dependencies"], *(line for extra in table["optional-dependencies"].values() for line in extra)]
    return [Requirement(line) for line in lines]


def test_lock_satisfies_every_direct_dependency(project: dict[str, Any], locked: dict[str, str]) -> None:
    for requirement in requirements(project):
        name = canonicalize_name(requirement.name)
        assert name in locked, f"{requirement} is not in requirements.lock: run `make lock`"
        assert requirement.specifier.contains(locked[name]), f"{requirement}, but the lock has {locked[name]}"


# Imports whose distribution has another name, or comes with the named one.
DISTRIBUTION_OF = {
    "yaml": "pyyaml", "metta_alo": "cogames", "pydantic_core": "pydantic", "cyclonedx": "cyclonedx-python-lib",
    "packageurl": "packageurl-python", "google": "protobuf", "vl_convert": "vl-convert-python",
    "nbformat": "nbclient", "mkdocs": "mkdocs-material",
}  # fmt: skip
NEVER_IMPORTED = {
    "axe-playwright-python": "tests read its axe.min.js",
    "ipykernel": "nbclient starts it",
    "snakemake-executor-plugin-cluster-generic": "Snakemake loads it by name",
    "bandit": "a command",
    "model-signing": "imported by its name, since it is optional",
    "mypy": "a command",
    "pip-audit": "a command",
    "pyopenssl": "model-signing imports it",
    "pytest-cov": "a plugin of pytest",
    "pytest-xdist": "a plugin of pytest",
    "ruff": "a command",
    "snakefmt": "a command",
    "types-psutil": "types for mypy",
    "types-pyyaml": "types for mypy",
}
NOT_OURS = {
    "measure": "a module next to the benchmarks",
    "scenarios": "a module next to the benchmarks",
    "open_spiel": "only for making ratings.json again",
    "rliable": "only for making statistics.json again",
    "statsmodels": "only for making statistics.json again",
}


def imported(repository: Path, *folders: str) -> set[str]:
    """Distributions that Python files import, anywhere in them."""
    names: set[str] = set()
    for path in (path for folder in folders for path in (repository / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    third_party = names - sys.stdlib_module_names - NOT_OURS.keys() - {"daf", "docs", "tests"}
    return {canonicalize_name(DISTRIBUTION_OF.get(name, name)) for name in third_party}


def test_every_import_is_declared_and_every_dependency_imported(repository: Path, project: dict[str, Any]) -> None:
    table = project["project"]
    runtime = {canonicalize_name(Requirement(line).name) for line in table["dependencies"]}
    assert "model-signing" not in runtime  # an extra, imported only by those who sign or verify
    declared = {canonicalize_name(requirement.name) for requirement in requirements(project)}
    assert imported(repository, "daf", "scripts") <= runtime
    everything = imported(repository, "daf", "scripts", "tests", "benchmarks", "docs", "setup")
    assert everything <= declared
    assert declared - everything == NEVER_IMPORTED.keys()


def test_every_locked_package_has_one_exact_version_and_hashes(lock_text: str, locked: dict[str, str]) -> None:
    entries = re.sub(r"\\\n", " ", lock_text).splitlines()
    entries = [entry for entry in entries if entry.strip() and not entry.lstrip().startswith("#")]
    assert len(entries) == len(locked) > 150, "an entry that is not an exact pin, or a package with two versions"
    for entry in entries:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry[:80]


def test_extras_are_locked_with_their_package(lock_text: str, locked: dict[str, str]) -> None:
    """Where a package asks for `name[extra]` and the lock has a bare `name`, older pips refuse a newer release of it.

    Whatever is installed is asked which extras it wants.
    """
    with_extras = dict(re.findall(r"^([A-Za-z0-9][\w.-]*)\[([^\]]*)\]==", lock_text, flags=re.MULTILINE))
    asked = 0
    for name in locked:
        try:
            wanted = [Requirement(line) for line in distribution(name).requires or []]
        except PackageNotFoundError:  # for another system
            continue
        for requirement in wanted:
            if requirement.extras and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
                asked += 1
                extras = with_extras.get(canonicalize_name(requirement.name), "")
                assert requirement.extras <= set(extras.split(",")), (name, requirement)
    assert asked


def test_the_lock_is_complete() -> None:
    """`make setup` installs the lock without resolving anything, so what is installed must be all that it needs."""
    check = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stdout + check.stderr


def test_lock_names_no_index_and_no_host(lock_text: str) -> None:
    assert "://" not in lock_text
    assert not re.search(r"^\s*(-i|-f|--(extra-)?index-url|--find-links|--trusted-host)\b", lock_text, re.MULTILINE)
    assert not re.search(r"^\s*(-e|\.|/)", lock_text, re.MULTILINE), "the lock must hold nothing local"


def test_build_backend_is_locked(project: dict[str, Any], locked: dict[str, str]) -> None:
    """The project is installed without build isolation, so its backend has to come from the lock."""
    for line in project["build-system"]["requires"]:
        requirement = Requirement(line)
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)])


def test_engine_and_workflow_are_pinned_exactly(project: dict[str, Any]) -> None:
    exact = {requirement.name for requirement in requirements(project) if str(requirement.specifier).startswith("==")}
    assert exact >= {"cogames", "mettagrid", "torch", "optuna", "snakemake", "snakemake-executor-plugin-slurm"}


def test_conda_environment_installs_the_lock_and_nothing_else(repository: Path) -> None:
    environment = yaml.safe_load((repository / "environment.yml").read_text())
    pip = [entry for entry in environment["dependencies"] if isinstance(entry, dict)]
    # An editable install among hashed requirements makes pip refuse the whole file.
    assert pip == [{"pip": ["-r requirements.lock"]}]


def test_python_versions_agree(repository: Path, project: dict[str, Any]) -> None:
    requires = SpecifierSet(project["project"]["requires-python"])
    assert requires.contains("3.12.0")
    assert requires.contains("3.12.99")
    assert not requires.contains("3.11.9")
    assert not requires.contains("3.13.0")
    environment = yaml.safe_load((repository / "environment.yml").read_text())
    assert "python=3.12" in environment["dependencies"]
    assert project["tool"]["ruff"]["target-version"] == "py312"
    assert project["tool"]["mypy"]["python_version"] == "3.12"
    assert "(3, 12)" in (repository / "setup" / "find-python.sh").read_text()
    workflow = yaml.safe_load((repository / ".github" / "workflows" / "ci.yml").read_text())
    versions = [
        step["with"]["python-version"]
        for job in workflow["jobs"].values()
        for step in job["steps"]
        if step.get("uses", "").startswith("actions/setup-python")
    ]
    assert set(versions) == {"3.12"}


def test_one_version_everywhere(repository: Path, project: dict[str, Any]) -> None:
    citation = yaml.safe_load((repository / "CITATION.cff").read_text())
    assert project["project"]["version"] == daf.__version__ == citation["version"]
    assert f"{daf.__version__}" in (repository / "CHANGELOG.md").read_text()


def test_package_data_covers_every_file_beside_the_code(repository: Path, project: dict[str, Any]) -> None:
    """A template or table that no pattern names would be missing from a built wheel."""
    patterns = project["tool"]["setuptools"]["package-data"]["daf"]
    package = repository / "daf"
    data = {path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    named = {path for pattern in patterns for path in package.glob(pattern)}
    missing = {path for path in data - named if path.suffix != ".py" and not path.name.startswith(".")}
    assert not missing


def test_typed_marker_is_shipped(repository: Path) -> None:
    assert (repository / "daf" / "py.typed").is_file()
