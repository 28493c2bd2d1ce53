"""The root logger is as the program left it, whenever mettagrid is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import importlib.util, logging, sys
import daf.engine
assert "mettagrid" not in sys.modules
assert importlib.util.find_spec("mettagrid")  # as a check for the package does
{change}
handlers, level = list(logging.root.handlers), logging.root.level
import mettagrid
assert mettagrid.__spec__.name == "mettagrid"
assert (logging.root.handlers, logging.root.level) == (handlers, level)
"""


@pytest.mark.parametrize("change", ["", "logging.basicConfig(level=logging.ERROR)"])
def test_importing_the_engine_leaves_the_root_logger_alone(change: str) -> None:
    pytest.importorskip("mettagrid")
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(change=change)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
