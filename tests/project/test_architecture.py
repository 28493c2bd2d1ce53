"""The rules of the house: what may import what, how large anything may be, and that every module is on a map.

Files at the top of `daf/` are what users call; folders are how it is done. Imports go downward only, through one order
of packages, wherever they stand: at the top of a file, inside a function or under TYPE_CHECKING.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PAGES = {
    "comparison", "deployment", "distributed_training", "environment_checks", "mission_analysis", "policies", "sweeps",
    "tournaments", "visualization",
}  # fmt: skip
# From top to bottom; packages of one level do not know each other.
LEVELS: list[set[str]] = [
    {"__main__"},
    {"command"},
    {"orchestrators"},
    PAGES,
    {"packaging", "compare"},
    {"reporting"},
    {"evaluation"},
    {"workflow"},
    {"cluster"},
    {"search"},
    {"training"},
    {"distributed"},
    {"tournament"},
    {"statistics"},
    {"engine"},
    {"episodes"},
    {"config"},
    {"charts", "logging_config", "output_manager"},
    {"system"},
    {"errors"},
    {"__init__"},
]
LEVEL = {room: number for number, level in enumerate(LEVELS) for room in level}
ENGINE = {"cogames", "mettagrid", "pufferlib", "metta_alo"}
RUNS_WITHOUT_DAF = "daf.packaging.isolated_run"  # a program for a process that has the engine alone

MAX_TOP_FILES = 14
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 8
# A parameter of such a type is a configuration object and does not count; nor do self, cls, *args and **kwargs.
CONFIGURATION = re.compile(r"\w+(Config|Options|Recipe|Request|Settings)\b")


@cache
def modules() -> dict[str, Path]:
    """{dotted name: file} of the package."""
    files = (PROJECT / "daf").rglob("*.py")
    return {".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(module: str) -> set[str]:
    """Everything a module imports: modules of DAF by their names, others by their top-level package."""
    names: set[str] = set()
    for node in ast.walk(parsed(modules()[module])):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{module}: a relative import"
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in modules() else node.module for name in members}
    return {name if name.split(".")[0] == "daf" else name.split(".")[0] for name in names}


def room(module: str) -> str:
    """The package or top-level file that a module belongs to."""
    return [*module.split("."), "__init__"][1]


def packages() -> list[str]:
    return sorted(name for name, path in modules().items() if path.name == "__init__.py" and name != "daf")


def refuse(violations: Iterable[str]) -> None:
    """Fail with all violations, one a line."""
    text = "\n".join(sorted(violations))
    if text:
        pytest.fail(text, pytrace=False)


# ---- what may import what ---------------------------------------------------------------------------------


def test_top_of_the_house_stays_small() -> None:
    assert {room(module) for module in modules()} == set(LEVEL)
    assert len(list((PROJECT / "daf").glob("*.py"))) <= MAX_TOP_FILES


def test_imports_go_downward() -> None:
    refuse(
        f"{module} imports {other}"
        for module in modules()
        for other in imports(module) & modules().keys()
        if room(module) != room(other) and LEVEL[room(module)] >= LEVEL[room(other)]
    )


def test_modules_do_not_import_each_other_in_circles() -> None:
    graph = {module: imports(module) & modules().keys() - {module} for module in modules()}
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


def test_only_the_engine_package_imports_the_engine() -> None:
    refuse(
        module
        for module in modules()
        if imports(module) & ENGINE and room(module) != "engine" and module != RUNS_WITHOUT_DAF
    )


# ---- how large anything may be ----------------------------------------------------------------------------


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function of the package and the scripts, with its place."""
    for path in [*modules().values(), *(PROJECT / "scripts").glob("*.py")]:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(PROJECT)}: {node.name}", node


def counted_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    arguments = function.args
    return [
        argument.arg
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        if argument.arg not in ("self", "cls")
        if argument.annotation is None or not CONFIGURATION.match(ast.unparse(argument.annotation))
    ]


def test_no_module_is_too_long() -> None:
    lines = {name: len(path.read_text().splitlines()) for name, path in modules().items()}
    refuse(f"{name}: {count} lines" for name, count in lines.items() if count > MAX_MODULE_LINES)


def test_no_function_is_too_long() -> None:
    lines = [(place, (node.end_lineno or 0) - node.lineno + 1) for place, node in functions()]
    refuse(f"{place}: {count} lines" for place, count in lines if count > MAX_FUNCTION_LINES)


def test_no_public_function_has_too_many_parameters() -> None:
    counts = [
        (place, len(counted_parameters(node))) for place, node in functions() if not re.match("_(?!_)", node.name)
    ]
    refuse(f"{place}: {count} parameters" for place, count in counts if count > MAX_PARAMETERS)


# ---- maps -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("package", packages())
def test_a_package_maps_its_modules(package: str) -> None:
    """One line each in its docstring: the name, two spaces or more, what it holds. Folders end in a slash."""
    folder = modules()[package].parent
    members = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    members |= {f"{path.name}/" for path in folder.iterdir() if path.is_dir() and path.name != "__pycache__"}
    docstring = ast.get_docstring(parsed(modules()[package])) or ""
    mapped = set(re.findall(r"^(\w+/?) {2,}\S", docstring, flags=re.MULTILINE))
    refuse(f"{package}: {name}" for name in members ^ mapped)
