"""The root logger belongs to the program, not to a library.

Importing mettagrid gives the root logger a handler and the level INFO. Every message of a logger that has its own
handler, in a notebook for example, would then be printed twice.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

PACKAGE = "mettagrid"


class _KeepingFinder(MetaPathFinder):
    """Finds mettagrid as everybody does, and lets it run with the root logger restored afterwards."""

    def __init__(self) -> None:
        self._asks_others = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != PACKAGE or self._asks_others:
            return None
        self._asks_others = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._asks_others = False
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def run_and_restore(module: ModuleType) -> None:
            handlers, level = list(logging.root.handlers), logging.root.level
            try:
                run(module)
            finally:
                logging.root.handlers[:] = handlers
                logging.root.setLevel(level)

        spec.loader.exec_module = run_and_restore  # type: ignore[method-assign]
        return spec


def keep_root_logger() -> None:
    """Let the import of mettagrid, whenever it happens, leave the root logger as it is."""
    if PACKAGE not in sys.modules and not any(isinstance(finder, _KeepingFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _KeepingFinder())
