"""The Python files that a policy's class needs and that the engine's packages do not include.

They are found by reading import statements, not by running them: dynamic imports and data files must be listed in
`include`. A module without such imports is packaged alone, under a name that contains a digest of its text, so that two
versions of it never have the same name in one process.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import sysconfig
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from daf.errors import PolicyError
from daf.system.provenance import DECIDING_PACKAGES

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
    path = _origin(module_name)
    if path is None or path.suffix != ".py":
        hint = "move the class into its own .py file, which can be imported"
        raise PolicyError(
            "a class in a Python file", f"module '{module_name}' has none", f"policy '{class_path}'", hint
        )
    imports = _imports(module_name, path)
    if not _is_local(module_name):
        # A third-party package: a requirement, not a file to copy.
        return PolicySource(class_path=class_path, files={}, packages=(module_name.partition(".")[0],))
    if not any(_is_local(name) for name in imports):
        content = path.read_bytes()
        alias = f"{module_name.rpartition('.')[2]}_{hashlib.sha256(content).hexdigest()[:10]}"
        packages = _third_party(imports)
        return PolicySource(class_path=f"{alias}.{class_name}", files={f"{alias}.py": content}, packages=packages)
    return _closure(class_path, module_name)


def _closure(class_path: str, module_name: str) -> PolicySource:
    files: dict[str, bytes] = {}
    packages: set[str] = set()
    todo, seen = [module_name], set[str]()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        path = _origin(name)
        if path is None:
            continue
        relative = name.replace(".", "/")
        files[f"{relative}/__init__.py" if path.name == "__init__.py" else f"{relative}.py"] = path.read_bytes()
        imports = _imports(name, path)
        packages.update(_third_party(imports))
        # Importing a.b.c runs a and a.b first.
        parents = [name.rsplit(".", count)[0] for count in range(1, name.count(".") + 1)]
        todo += [name for name in (*imports, *parents) if _is_local(name)]
    return PolicySource(class_path=class_path, files=dict(sorted(files.items())), packages=tuple(sorted(packages)))


def _imports(module_name: str, path: Path) -> list[str]:
    """Absolute names of the modules that a file imports anywhere."""
    names: list[str] = []
    package = module_name if path.name == "__init__.py" else module_name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_bytes(), filename=str(path))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                anchor = package.split(".")[: len(package.split(".")) - (node.level - 1)]
                base = ".".join([*anchor, base] if base else anchor)
            names.append(base)
            # `from package import module` imports modules, too.
            names += [
                f"{base}.{alias.name}" for alias in node.names if _is_local(base) and _origin(f"{base}.{alias.name}")
            ]
    return sorted(set(filter(None, names)))


def _origin(name: str) -> Path | None:
    """The file of a module, without importing it beyond its parent packages."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    return Path(spec.origin) if spec is not None and spec.origin and Path(spec.origin).is_file() else None


def _is_local(name: str) -> bool:
    """Whether a module is the user's own (or DAF's): neither the standard library's nor an installed package's."""
    top = name.partition(".")[0]
    if top == "daf":
        return True
    if top in sys.stdlib_module_names or top in SHIPPED:
        return False
    path = _origin(top) or _namespace_folder(top)
    if path is None:
        return False
    installed = {Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib", "stdlib")}
    return not any(path.resolve().is_relative_to(folder) for folder in installed)


def _namespace_folder(top: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    locations = list(spec.submodule_search_locations or []) if spec is not None else []
    return Path(locations[0]) if locations else None


def _third_party(names: list[str]) -> tuple[str, ...]:
    tops = {name.partition(".")[0] for name in names}
    return tuple(sorted(top for top in tops if top not in sys.stdlib_module_names and not _is_local(top)))


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
