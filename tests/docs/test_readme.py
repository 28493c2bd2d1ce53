"""The README is short and true; the rule graph, the promised modules and all links are current."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from daf.workflow import rulegraph
from tests.docs import pages

ROOT = pages.ROOT
README = ROOT / "README.md"
LINK = re.compile(r"\]\(([^)#\s]*)#?([^)\s]*)\)")


def test_the_readme_takes_two_minutes() -> None:
    text = README.read_text()
    assert text.count("\n") < 150
    assert {"make run", "make test"} <= set(re.findall(r"^make \w+", text, re.MULTILINE))


def test_pictures_are_small() -> None:
    shown = re.findall(r"!\[[^\]]+\]\((docs/pictures/\w+\.png)\)", README.read_text())
    assert {Path(name).stem for name in shown} == {"comparison", "mission", "sweep"}
    assert {path.name for path in (ROOT / "docs/pictures").iterdir()} == {Path(name).name for name in shown}
    for name in shown:
        assert (ROOT / name).stat().st_size < 300_000, name


def test_the_rule_graph_is_current() -> None:
    text = (ROOT / "docs/reference/rules.md").read_text()
    assert rulegraph.mermaid() in text, "run `python -m daf.workflow.rulegraph`"


def test_every_module_of_the_table_imports() -> None:
    table = re.findall(r"^\| `(daf\.\w+)` \| (.+) \|$", (ROOT / "docs/how-to/python.md").read_text(), re.MULTILINE)
    assert len(table) > 10
    for module, names in table:
        found = importlib.import_module(module)
        assert all(hasattr(found, name) for name in re.findall(r"`(\w+)`", names)), module


@pytest.mark.parametrize("page", pages.PAGES, ids=pages.name_of)
def test_links_resolve(page: Path) -> None:
    for link, heading in LINK.findall(page.read_text()):
        if link.startswith("https://"):
            continue
        target = page.parent / link if link else page
        assert target.exists(), link
        if heading:
            assert heading in headings_of(target), f"{link}#{heading}"


def headings_of(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page; the site gives the same."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
