"""The Python files that a policy's class needs and that the engine's packages do not include.

They are found by reading import statements, not by running them: dynamic imports and data files must be listed in
`include`. A module without such imports is packaged alone, under a name that contains a digest of its text, so that two
versions of it never have the same name in one process.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from importlib import metadata

from daf.errors import PolicyError
from daf.system.engine_packages import DECIDING_PACKAGES
from daf.system.module_files import ModuleFinder

SHIPPED = DECIDING_PACKAGES  # installed wherever bundles are played


@dataclass(frozen=True, kw_only=True)
class PolicySource:
    """The class path inside the bundle, the required files, and the packages that they import."""

    class_path: str
    files: dict[str, bytes]
    packages: tuple[str, ...]


def collect_source(class_path: str) -> PolicySource:
    """Collect the source files of an importable class.

    Raises:
        PolicyError: the class has no source file that could be packaged.
    """
    module_name, _, class_name = class_path.rpartition(".")
    if module_name.partition(".")[0] in SHIPPED:
        return PolicySource(class_path=class_path, files={}, packages=())
    finder = ModuleFinder()
    module = finder.find(module_name)
    if module is None or module.path is None or not module.has_source:
        hint = "move the class into its own .py file, which can be imported"
        raise PolicyError(
            "a class in a Python file", f"module '{module_name}' has none", f"policy '{class_path}'", hint
        )
    if not finder.is_local(module_name):
        # A third-party package: a requirement, not a file to copy.
        return PolicySource(class_path=class_path, files={}, packages=(module.top,))
    imports = finder.imports(module)
    if not any(finder.is_local(name) for name in imports):
        content = module.path.read_bytes()
        alias = f"{module_name.rpartition('.')[2]}_{hashlib.sha256(content).hexdigest()[:10]}"
        packages = _third_party(finder, imports)
        return PolicySource(class_path=f"{alias}.{class_name}", files={f"{alias}.py": content}, packages=packages)
    modules = finder.closure([module], into_daf=True).values()
    files = {module.relative: module.path.read_bytes() for module in modules if module.path is not None}
    imported = [name for module in modules for name in finder.imports(module)]
    return PolicySource(
        class_path=class_path, files=dict(sorted(files.items())), packages=_third_party(finder, imported)
    )


def _third_party(finder: ModuleFinder, names: list[str]) -> tuple[str, ...]:
    tops = {name.partition(".")[0] for name in names}
    return tuple(sorted(top for top in tops if top not in sys.stdlib_module_names and not finder.is_local(top)))


def requirement_lines(packages: tuple[str, ...]) -> list[str]:
    """Exact versions of the distributions that provide these import packages."""
    distributions = metadata.packages_distributions()
    distribution_names = {name for package in packages for name in distributions.get(package, [])}
    distribution_names |= {*DECIDING_PACKAGES, "torch"}
    lines = []
    for name in sorted(distribution_names):
        try:
            lines.append(f"{name}=={metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return lines
