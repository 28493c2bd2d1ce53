"""Stamps of the user's code: which files and distributions a class, a function, or a mission file runs.

A stamp goes into the recipe of everything that runs the code, so results follow it: a changed file is a changed recipe.
DAF's own modules are not stamped (`daf.config.recipes.STAGE_VERSIONS` counts their versions), nor is the engine, which
every installation of DAF pins. Nothing here imports the user's code.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict

from daf.errors import BadInputError
from daf.system.engine_packages import DECIDING_PACKAGES
from daf.system.files import digest, known_sha256
from daf.system.imported_code import Followed, require_as_imported, watch_imports
from daf.system.json_files import read_json
from daf.system.module_files import OWN, ModuleFile, ModuleFinder, read_source, search_path
from daf.system.readers import read_bytes
from daf.system.yaml_files import read_yaml

KEY = "code"  # under which recipes hold a stamp
# Where the engine looks for policies with a shorthand, apart from its own packages: `mettagrid.policy.loader`.
PACKAGES_WITH_SHORTHANDS = (
    "metta.agent.policy",
    "metta.rl.training.cuda_teacher",
    "cogames_agents.policy",
    "cog_cyborg.policy",
)
# The engine imports the classes that a mission file names under `type`, of map builders and scenes.
_CLASS = re.compile(r"[A-Za-z_]\w*(?:\.\w+)+")
_ADDED_DIGEST = re.compile(r" \([0-9a-f]{8}\)$")


class CodeStamp(BaseModel):
    """The code that a result depends on, beyond DAF and the engine.

    Attributes:
        files: sha256 of every source file, by its path below the folder in which Python finds it; also of data files
            that an argument names, by that name.
        distributions: version of every installed distribution that holds a class, by its name.
        unfollowed: modules without a source file, whose changes cannot be seen; in provenance also source files that
            were loaded unseen (`daf.system.loaded_files`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: dict[str, str] = {}
    distributions: dict[str, str] = {}
    unfollowed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.files or self.distributions or self.unfollowed)

    @classmethod
    def merged(cls, stamps: Iterable[CodeStamp]) -> Self:
        """One stamp for several; of different files with the same name, all but one get their digest as well."""
        files: dict[str, str] = {}
        distributions: dict[str, str] = {}
        unfollowed: set[str] = set()
        for stamp in stamps:
            for name, sha256 in stamp.files.items():
                files[name if files.get(name, sha256) == sha256 else f"{name} ({sha256[:8]})"] = sha256
            distributions |= stamp.distributions
            unfollowed |= set(stamp.unfollowed)
        return cls(
            files=dict(sorted(files.items())),
            distributions=dict(sorted(distributions.items())),
            unfollowed=tuple(sorted(unfollowed)),
        )


NO_CODE = CodeStamp()


# ---- stamps of code ------------------------------------------------------------------------------------------


def code_of_class(class_path: str | None) -> CodeStamp:
    """The stamp of the class at a path or with a shorthand; empty for classes of DAF and the engine."""
    module, _, name = (class_path or "").rpartition(".")
    if module or not name:
        return code_of_module(module)
    return _remember(f"shorthand {name}", lambda finder: _modules_with_shorthand(finder, name))


def code_of_module(name: str) -> CodeStamp:
    """The stamp of a module: its file, and those of all modules that it needs and that are not installed."""
    if name == "__main__":
        program = getattr(sys.modules[name], "__file__", None)
        return code_of_program(program) if program else CodeStamp(unfollowed=(name,))
    if not name or name.partition(".")[0] in (OWN, *DECIDING_PACKAGES):
        return NO_CODE
    return _remember(name, lambda finder: [finder.find(name) or name])


def code_of_program(path: str | Path) -> CodeStamp:
    """The stamp of a Python file that runs by its path, such as a mission's; modules next to it count, too."""
    path = Path(path)
    root: ModuleFile | str = ModuleFile(path.stem, path) if path.is_file() else str(path)
    return _remember(path.absolute(), lambda _: [root], first=path.absolute().parent)


def code_of_function(function: Callable[..., Any]) -> CodeStamp:
    """The stamp of a function or callable object. Of one that is defined in a notebook or in the program that runs,
    only its own text counts, since the rest of that file is not part of it."""
    while isinstance(function, functools.partial):
        function = function.func
    kind = function if hasattr(function, "__qualname__") else type(function)
    module = str(getattr(kind, "__module__", None) or "__main__")
    if module != "__main__":
        return code_of_module(module)
    name = f"{module}.{kind.__qualname__}"
    try:
        return CodeStamp(files={name: digest(inspect.getsource(kind))})
    except (OSError, TypeError):
        return CodeStamp(unfollowed=(name,))


def code_of_mission_file(path: Path) -> CodeStamp:
    """The stamp of a mission file with the code that it runs: a program, or classes that a configuration names."""
    if path.suffix == ".py":
        return code_of_program(path)
    status = path.stat()
    classes = [code_of_class(name) for name in _classes_named(path.absolute(), status.st_mtime_ns, status.st_size)]
    classes = [stamp for stamp in classes if stamp.files or stamp.distributions]  # other text names none
    return CodeStamp.merged([CodeStamp(files={path.name: known_sha256(path)}), *classes])


@functools.lru_cache(maxsize=256)
def _classes_named(path: Path, mtime_ns: int, size: int) -> tuple[str, ...]:
    read = read_json if path.suffix == ".json" else read_yaml
    try:
        return tuple(sorted(set(_types(read(path, "a mission file")))))
    except BadInputError:
        return ()  # loading the mission will tell what is wrong


def _types(content: Any) -> Iterator[str]:
    """Everything under a key `type` that may be the path of a class."""
    if isinstance(content, Mapping):
        if isinstance(name := content.get("type"), str) and _CLASS.fullmatch(name.strip()):
            yield name.strip()
        content = list(content.values())
    for value in content if isinstance(content, list) else ():
        yield from _types(value)


def data_files(values: Any) -> CodeStamp:
    """The stamp of the files that arguments name, at any depth of lists and mappings."""
    files = {text: known_sha256(text) for text in sorted(set(_texts(values))) if os.path.isfile(text)}
    return CodeStamp(files=files) if files else NO_CODE


def _texts(values: Any) -> Iterator[str]:
    if isinstance(values, str | Path):
        yield str(values)
    elif isinstance(values, Mapping | list | tuple):
        for value in values.values() if isinstance(values, Mapping) else values:
            yield from _texts(value)


class _Remembered(NamedTuple):
    """A stamp, the modules in it, and the state of all files and folders that decided it."""

    stamp: CodeStamp
    followed: tuple[Followed, ...]
    seen: dict[str, tuple[int, int] | None]

    def is_current(self) -> bool:
        return all(_state(path) == state for path, state in self.seen.items())


# A plan needs the same few stamps once per job. What is remembered is only used while no file or folder changes.
_remembered: dict[tuple[str | Path, tuple[str, ...]], _Remembered] = {}

Roots = Callable[[ModuleFinder], Iterable[ModuleFile | str]]  # modules, and the names of those that have no file


def _remember(key: str | Path, roots: Roots, *, first: Path | None = None) -> CodeStamp:
    watch_imports()
    full_key = (key, search_path())
    known = _remembered.get(full_key)
    if known is None or not known.is_current():
        finder = ModuleFinder(first)
        known = _remembered[full_key] = _follow(finder, list(roots(finder)))
    require_as_imported(known.followed)
    return known.stamp


def _follow(finder: ModuleFinder, roots: list[ModuleFile | str]) -> _Remembered:
    """The stamp of modules and all that they need. Of an installed module only the distribution counts."""
    stamps: list[CodeStamp] = []
    followed: list[ModuleFile] = []
    for root in roots:
        name = root if isinstance(root, str) else root.name
        if isinstance(root, str):
            stamps.append(NO_CODE if _is_standard(finder, name) else CodeStamp(unfollowed=(name,)))
        elif finder.is_local(name) or _is_program(finder, root):
            followed.append(root)
        elif not _is_standard(finder, name):
            distribution = _distribution_of(name)
            stamps.append(distribution)
            followed += [] if distribution else [root]
    modules = sorted(finder.closure(followed).values(), key=lambda module: module.relative)
    paths = {module.relative: module.path for module in modules if module.path is not None}
    unfollowed = tuple(module.name for module in modules if not module.has_source)
    files = {name: read_source(path).sha256 for name, path in paths.items()}
    seen = [str(path) for path in (*paths.values(), *finder.folders_seen)]
    stamp = CodeStamp.merged([*stamps, CodeStamp(files=files, unfollowed=unfollowed)])
    imported = tuple(
        Followed(module.name, os.path.realpath(module.path), files[module.relative])
        for module in modules
        if module.path is not None
    )
    return _Remembered(stamp, imported, {path: _state(path) for path in seen})


def _is_standard(finder: ModuleFinder, name: str) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names and not finder.is_local(name)


def _is_program(finder: ModuleFinder, root: ModuleFile) -> bool:
    """Whether a file runs by its path, whatever module has its name."""
    found = finder.find(root.name)
    return found is None or found.path != root.path


def _modules_with_shorthand(finder: ModuleFinder, shorthand: str) -> Iterator[ModuleFile]:
    """The modules outside the engine that mention a shorthand, in the packages where the engine looks for policies."""
    for name in PACKAGES_WITH_SHORTHANDS:
        package = finder.find(name)
        for folder in () if package is None else package.folders:
            for path in sorted(Path(folder).rglob("*.py")):
                if re.search(rf"""["']{re.escape(shorthand)}["']""", read_bytes(path).decode(errors="replace")):
                    below = path.relative_to(folder).with_suffix("").parts
                    found = finder.find(".".join([name, *below]).removesuffix(".__init__"))
                    yield from () if found is None else (found,)


def _state(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _distribution_of(module: str) -> CodeStamp:
    """The installed distribution that holds a module; empty for the standard library, and for files without one."""
    top = module.partition(".")[0]
    try:
        names = [top] if _holds(metadata.distribution(top), top) else []
    except metadata.PackageNotFoundError:
        names = []
    names = names or metadata.packages_distributions().get(top, [])  # slow, but right for every name
    return CodeStamp(distributions={name: metadata.version(name) for name in sorted(set(names))})


def _holds(distribution: metadata.Distribution, top: str) -> bool:
    return any(file.parts[0].partition(".")[0] == top for file in distribution.files or ())


# ---- stamps in recipes -----------------------------------------------------------------------------------------


def code_in(recipe: Any) -> CodeStamp:
    """All stamps anywhere in a recipe as plain data, in one."""
    return CodeStamp.merged(_stamps(recipe))


def _stamps(value: Any) -> Iterator[CodeStamp]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == KEY and isinstance(item, Mapping) and item.keys() <= CodeStamp.model_fields.keys():
                yield CodeStamp.model_validate(item)
            else:
                yield from _stamps(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _stamps(item)


def unfollowed_in_words(code: CodeStamp) -> list[str]:
    """One warning per module whose changes cannot be seen."""
    return [
        f"module '{name}' has no source file, so DAF cannot see when it changes: results made with it stay until you "
        "delete them or use `snakemake --forcerun`"
        for name in code.unfollowed
    ]


def differences(before: CodeStamp, now: CodeStamp) -> list[str]:
    """How code has changed, one short clause for each file or distribution."""
    clauses = []
    for name in sorted(before.files.keys() | now.files.keys()):
        if name not in now.files:
            clauses.append(f"{name} was removed")
        elif name not in before.files:
            clauses.append(f"{name} is new")
        elif before.files[name] != now.files[name]:
            clauses.append(f"{name} changed")
    for name in sorted(before.distributions.keys() | now.distributions.keys()):
        old, new = (stamp.distributions.get(name, "none") for stamp in (before, now))
        if old != new:
            clauses.append(f"{name} {old} became {new}")
    return clauses


def changed_from(recorded: CodeStamp, now: CodeStamp) -> list[str]:
    """What a stamp records and a larger one no longer holds, one short clause for each file or distribution."""
    held = {(_own_name(name), sha256) for name, sha256 in now.files.items()}
    names = {name for name, _ in held}
    missing = sorted({(_own_name(name), sha256) for name, sha256 in recorded.files.items()} - held)
    clauses = [f"{name} changed" for name, _ in missing if name in names]
    for name, old in recorded.distributions.items():
        if (new := now.distributions.get(name, "none")) != old:
            clauses.append(f"{name} {old} became {new}")
    # An edited file may import fewer others: only without an edit is a missing file one that was removed.
    return clauses or [f"{name} was removed" for name, _ in missing]


def _own_name(name: str) -> str:
    """The name of a file without the digest that `CodeStamp.merged` adds to a second one of that name."""
    return _ADDED_DIGEST.sub("", name)
