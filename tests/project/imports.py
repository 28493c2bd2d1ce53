"""Print the import graph of daf: its packages and top-level modules from the bottom up, or a circle among them.

    python -m tests.project.imports     (make imports)

Imports inside functions and under TYPE_CHECKING count. Each level imports only from the levels above it in the list.
"""

from __future__ import annotations

import sys
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

import grimp

PACKAGE = "daf"


def unit(module: str) -> str:
    """The package or top-level module of daf that a module belongs to."""
    return module.split(".")[1] if "." in module else PACKAGE


def unit_imports(graph: grimp.ImportGraph) -> dict[str, dict[str, str]]:
    """The units that each unit imports, with one import as an example of each."""
    imports: dict[str, dict[str, str]] = {}
    for module in sorted(graph.modules):
        imported = imports.setdefault(unit(module), {})
        for other in sorted(graph.find_modules_directly_imported_by(module)):
            if unit(other) != unit(module):
                imported.setdefault(unit(other), f"{module} imports {other}")
    return imports


def levels(imports: dict[str, dict[str, str]]) -> list[list[str]]:
    """The lowest first.

    Raises:
        CycleError: units that import each other.
    """
    sorter = TopologicalSorter(imports)
    sorter.prepare()
    all_levels = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        all_levels.append(ready)
        sorter.done(*ready)
    return all_levels


def main() -> int:
    imports = unit_imports(grimp.build_graph(PACKAGE))
    try:
        for number, units in enumerate(levels(imports)):
            print(f"{number:2d}  {', '.join(units)}")
    except CycleError as error:
        print("a circle:")
        for imported, importing in pairwise(error.args[1]):
            print(f"  {imports[importing][imported]}")
        return 1
    print("no circles")
    return 0


if __name__ == "__main__":
    sys.exit(main())
