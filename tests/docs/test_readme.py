"""The README says what is true: its graph is the workflow's, its example runs, its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from daf.workflow import rulegraph

README = Path(__file__).parents[2] / "README.md"


def test_the_rule_graph_is_current() -> None:
    assert rulegraph.mermaid() in README.read_text(), "run `python -m daf.workflow.rulegraph`"


def test_links_resolve() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", README.read_text()):
        assert link.startswith("https://") or (README.parent / link).exists(), link


def test_the_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL):
        exec(block, found)
    assert found["analysis"].mission == "assembler_2"  # type: ignore[attr-defined]


def test_every_module_of_the_table_imports() -> None:
    import importlib

    for module, names in re.findall(r"^\| `(daf\.\w+)` \| (.+) \|$", README.read_text(), re.MULTILINE):
        found = importlib.import_module(module)
        assert all(hasattr(found, name) for name in re.findall(r"`(\w+)`", names)), module
