"""The files of modules, and what they import, found without importing anything.

Python's own finders import the parents of a module to find it, which would run a user's code in Snakemake's process.
Here, import statements are read, wherever in a file they are, and modules are looked up as Python would: in the
folders of the path, then by the hooks of editable installs.
"""

from __future__ import annotations

import ast
import hashlib
import os
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    BuiltinImporter,
    ExtensionFileLoader,
    FileFinder,
    FrozenImporter,
    SourceFileLoader,
    SourcelessFileLoader,
)
from pathlib import Path
from typing import NamedTuple

from daf.system.engine_packages import DECIDING_PACKAGES
from daf.system.files import PROJECT
from daf.system.readers import read_bytes

OWN = "daf"
_LOADERS = (
    (ExtensionFileLoader, EXTENSION_SUFFIXES),
    (SourceFileLoader, SOURCE_SUFFIXES),
    (SourcelessFileLoader, BYTECODE_SUFFIXES),
)


@dataclass(frozen=True)
class ModuleFile:
    """A module by its name; `path` is None for a namespace package, and `folders` hold a package's submodules."""

    name: str
    path: Path | None
    folders: tuple[str, ...] = ()

    @property
    def top(self) -> str:
        return self.name.partition(".")[0]

    @property
    def package(self) -> str:
        """The package from which the module's relative imports start."""
        return self.name if self.folders else self.name.rpartition(".")[0]

    @property
    def relative(self) -> str:
        """The path below the folder in which Python looks, the same on every machine."""
        ending = "" if self.path is None else self.path.name.partition(".")[2]
        return self.name.replace(".", "/") + (f"/__init__.{ending}" if self.folders else f".{ending}")

    @property
    def has_source(self) -> bool:
        return self.path is None or self.path.suffix in SOURCE_SUFFIXES


class Import(NamedTuple):
    """One import statement: `module` and `level` as in `from ..module import names`."""

    module: str
    level: int = 0
    names: tuple[str, ...] = ()


class Source(NamedTuple):
    """What a file says: the digest of its bytes; and, if it can be parsed, its imports and the names in `__all__`."""

    sha256: str
    imports: tuple[Import, ...]
    exports: tuple[str, ...]


def read_source(path: Path) -> Source:
    """Read a file, or remember it as long as its time and size stay the same."""
    status = path.stat()
    return _read_source(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4096)
def _read_source(path: Path, mtime_ns: int, size: int) -> Source:
    content = read_bytes(path, "a Python file")
    tree = _parsed(content) if path.suffix in SOURCE_SUFFIXES else None
    nodes = [] if tree is None else list(ast.walk(tree))
    return Source(hashlib.sha256(content).hexdigest(), tuple(_import_statements(nodes)), tuple(_exports(nodes)))


def _parsed(content: bytes) -> ast.Module | None:
    try:
        return ast.parse(content)  # of bytes: it reads the encoding that the file declares
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # the file counts by its content; running it will tell what is wrong


def _import_statements(nodes: list[ast.AST]) -> Iterator[Import]:
    functions = _import_functions(nodes)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield Import(node.module or "", node.level, tuple(alias.name for alias in node.names))
        elif isinstance(node, ast.Call) and (called := functions.get(_last_name(node.func))):
            yield from _imported_by_call(node, called)


def _import_functions(nodes: list[ast.AST]) -> dict[str, str]:
    """The names of `import_module` and `__import__` in a file, with those that it gives them."""
    functions = {"import_module": "import_module", "__import__": "__import__"}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            given = [(alias.asname, alias.name) for alias in node.names if alias.asname]
        elif isinstance(node, ast.Assign):
            given = [(_last_name(target), _last_name(node.value)) for target in node.targets]
        else:
            continue
        functions |= {new: functions[old] for new, old in given if new and old in functions}
    return functions


def _last_name(node: ast.AST) -> str:
    """`c` of `a.b.c`; empty for other expressions."""
    return node.attr if isinstance(node, ast.Attribute) else str(getattr(node, "id", ""))


def _imported_by_call(call: ast.Call, function: str) -> Iterator[Import]:
    """What `importlib.import_module` or `__import__` imports, if its arguments are constants."""
    order = ("name", "package") if function == "import_module" else ("name", "globals", "locals", "fromlist", "level")
    given = dict(zip(order, call.args, strict=False)) | {word.arg: word.value for word in call.keywords if word.arg}
    name, level = _constant(given.get("name")), _constant(given.get("level"))
    if not isinstance(name, str):
        return
    if function == "__import__":
        entries = getattr(given.get("fromlist"), "elts", ())
        names = tuple(entry for entry in map(_constant, entries) if isinstance(entry, str))
        yield Import(name, level if isinstance(level, int) and level > 0 else 0, names)
        return
    dots = len(name) - len(name.lstrip("."))
    statement, package = Import(name[dots:], dots), _constant(given.get("package"))
    # Any other package is `__package__`, or an expression for it.
    yield Import(_absolute(statement, package)) if dots and isinstance(package, str) else statement


def _constant(node: ast.AST | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def _exports(nodes: list[ast.AST]) -> Iterator[str]:
    """All texts that a file puts into `__all__`: `from package import *` imports those that are submodules."""
    for node in nodes:
        if isinstance(node, ast.Assign):
            targets: list[ast.AST] = [*node.targets]
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):  # __all__.append(…)
            targets = [node.func.value]
        else:
            continue
        if any(_last_name(target) == "__all__" for target in targets):
            yield from (text for inner in ast.walk(node) if isinstance(text := _constant(inner), str))


def search_path() -> tuple[str, ...]:
    """The folders in which jobs look for modules: the path, and the current folder as in the cogames command.

    Snakemake puts the folders of DAF's Snakefiles first on its own path, but not on that of jobs; so they come last.
    """
    try:
        current = os.getcwd()
    except FileNotFoundError:  # it was deleted, so nothing is found in it
        current = os.devnull
    folders = dict.fromkeys([*(entry or current for entry in sys.path), current])
    added = {str(PROJECT), str(PROJECT / "workflow"), str(PROJECT / "workflow" / "rules")} - {current}
    return (*(folder for folder in folders if folder not in added), *(folder for folder in folders if folder in added))


class ModuleFinder:
    """Finds modules, each once.

    Args:
        first: a folder that comes before the path, as that of a program does.
    """

    def __init__(self, first: Path | None = None) -> None:
        self._folders = (*([str(first)] if first else []), *search_path())
        self._beside: dict[str, None] = {}  # folders of files read so far, which may put themselves on the path
        self._found: dict[str, ModuleFile | None] = {}
        self._finders: dict[str, FileFinder] = {}

    @property
    def folders_seen(self) -> tuple[str, ...]:
        """All folders in which a module was looked for."""
        return tuple(self._finders)

    def find(self, name: str) -> ModuleFile | None:
        """The module with this name, or None if there is no file for it."""
        if self._found.get(name) is None:
            parent, _, _ = name.rpartition(".")
            if parent:
                package = self.find(parent)
                self._found[name] = None if package is None else self._in(name, package.folders)
            else:
                self._found[name] = self._find_top(name)
        return self._found[name]

    def _find_top(self, name: str) -> ModuleFile | None:
        if not name or BuiltinImporter.find_spec(name) or FrozenImporter.find_spec(name):
            return None
        return self._in(name, self._folders) or _by_import_hooks(name) or self._in(name, self._beside)

    def _in(self, name: str, folders: Iterable[str]) -> ModuleFile | None:
        portions: list[str] = []
        for folder in folders:
            finder = self._finders.get(folder)
            if finder is None:
                finder = self._finders[folder] = FileFinder(folder, *_LOADERS)
            spec = finder.find_spec(name)
            if spec is not None and spec.origin is not None:
                return ModuleFile(name, Path(spec.origin), tuple(spec.submodule_search_locations or ()))
            portions += [] if spec is None else spec.submodule_search_locations or []
        return ModuleFile(name, None, tuple(portions)) if portions else None

    def is_local(self, name: str) -> bool:
        """Whether a module is the user's own (or DAF's): neither the standard library's nor an installed package's."""
        top = name.partition(".")[0]
        if top == OWN:
            return True
        module = None if top in DECIDING_PACKAGES else self.find(top)
        if module is None:
            return False
        place = (module.path or Path(module.folders[0])).resolve()
        return not any(place.is_relative_to(folder) for folder in _installed_folders())

    def imports(self, module: ModuleFile) -> list[str]:
        """Absolute names of the modules that a module imports anywhere, sorted."""
        if module.path is None:
            return []
        self._beside[str(module.path.parent)] = None
        names: set[str] = set()
        for statement in read_source(module.path).imports:
            base = _absolute(statement, module.package)
            names.add(base)
            if statement.names and self.is_local(base):  # `from package import module` imports modules, too
                imported = self._exported(base) if "*" in statement.names else statement.names
                names |= {f"{base}.{name}" for name in imported if self.find(f"{base}.{name}")}
        return sorted(filter(None, names))

    def _exported(self, name: str) -> tuple[str, ...]:
        module = self.find(name)
        return () if module is None or module.path is None else read_source(module.path).exports

    def closure(self, roots: Iterable[ModuleFile], *, into_daf: bool = False) -> dict[str, ModuleFile]:
        """The roots and all local modules that they need, by name: what they import, and what importing that runs."""
        closure: dict[str, ModuleFile] = {}
        todo = list(roots)
        while todo:
            module = todo.pop()
            if module.name in closure:
                continue
            closure[module.name] = module
            # Importing a.b.c runs a and a.b first.
            parents = [module.name.rsplit(".", count)[0] for count in range(1, module.name.count(".") + 1)]
            for name in (*self.imports(module), *parents):
                if self.is_local(name) and (into_daf or name.partition(".")[0] != OWN):
                    todo += [found] if (found := self.find(name)) else []
        return closure


def _absolute(statement: Import, package: str) -> str:
    if not statement.level:
        return statement.module
    parts = package.split(".") if package else []
    if statement.level > len(parts):
        return ""  # beyond the top: running it will fail
    anchor = parts[: len(parts) - (statement.level - 1)]
    return ".".join([*anchor, statement.module] if statement.module else anchor)


def _by_import_hooks(name: str) -> ModuleFile | None:
    """A top-level module that only an import hook finds, such as that of an editable install; none of them runs it."""
    spec = None
    for finder in sys.meta_path:  # importlib.util.find_spec would take a loaded module as found, wherever it came from
        try:
            spec = spec or finder.find_spec(name, None)
        except (ImportError, ValueError, AttributeError):
            continue
    if spec is None:
        return None
    folders = tuple(spec.submodule_search_locations or ())
    if spec.origin and Path(spec.origin).is_file():
        return ModuleFile(name, Path(spec.origin), folders)
    return ModuleFile(name, None, folders) if folders else None


@cache
def _installed_folders() -> tuple[Path, ...]:
    folders = [sysconfig.get_path(kind) for kind in ("purelib", "platlib", "stdlib")]
    folders += [*site.getsitepackages(), site.getusersitepackages()]
    return tuple({Path(folder).resolve(): None for folder in folders})
