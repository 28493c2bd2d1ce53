"""The site builds without a warning, loads nothing from other hosts, and its links lead somewhere."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from docs.generator import flowchart
from docs.generator.mkdocs_hooks import adapted
from tests.docs import pages

ROOT = pages.ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pages.build_site(tmp_path_factory.mktemp("site"))


class Loaded(HTMLParser):
    """What a browser fetches by itself, and where links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ("script", "img", "iframe", "source"):
            self.fetched += [value for key in ("src", "srcset") if (value := values.get(key))]
        elif tag == "link" and values.get("rel") in ("stylesheet", "preload", "preconnect", "icon", "modulepreload"):
            self.fetched.append(values["href"] or "")
        elif tag == "a" and values.get("href"):
            self.links.append(values["href"] or "")


@pytest.mark.slow
def test_the_site_is_whole_and_fetches_nothing_from_elsewhere(site: Path) -> None:
    files = [path for path in site.rglob("*.html") if path.name != "404.html"]
    assert len(files) == len(pages.PAGES)
    for path in files:
        text = path.read_text()
        loaded = Loaded()
        loaded.feed(text)
        assert "flowchart TD" not in text, path
        assert loaded.fetched
        for address in (*loaded.fetched, *loaded.links):
            if "://" in address or address.startswith(("#", "data:", "javascript:")):
                assert address in loaded.links or address.startswith("data:"), f"{path}: fetches {address}"
                continue
            assert (path.parent / address.partition("#")[0].partition("?")[0]).exists(), f"{path}: {address}"
    for path in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?https?:", path.read_text()), path


@pytest.mark.slow
def test_the_search_knows_all_pages(site: Path) -> None:
    entries = json.loads((site / "search" / "search_index.json").read_text())["docs"]
    found = {entry["location"].partition("#")[0] for entry in entries}
    assert len(found) == len(pages.PAGES)
    assert any("`" not in entry["text"] and "optimism" in entry["text"] for entry in entries)


# ---- links ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "uri", "expected"), [
    ("[a](docs/api.md#x)", "index.md", "[a](api.md#x)"),
    ("![p](docs/pictures/sweep.png)", "index.md", "![p](pictures/sweep.png)"),
    ("[a](../../config/README.md)", "how-to/override.md", "[a](../reference/configuration.md)"),
    ("[a](../README.md#read-on)", "tutorials/examples.md", "[a](../index.md#read-on)"),
    ("[a](https://x.y/z)", "index.md", "[a](https://x.y/z)"),
    ("[a](#b)", "index.md", "[a](#b)"),
])  # fmt: skip
def test_links_are_adapted_to_the_site(text: str, uri: str, expected: str) -> None:
    assert adapted(text, uri, None) == expected


def test_links_to_other_files_lead_to_the_repository_if_its_address_is_known() -> None:
    text = "see [plan](../daf/workflow/plan.py#L3)."
    assert adapted(text, "architecture.md", None) == "see plan."
    assert adapted(text, "architecture.md", "https://x.y/z") == (
        "see [plan](https://x.y/z/blob/main/daf/workflow/plan.py#L3)."
    )


# ---- flow charts ------------------------------------------------------------------------------------------


def test_a_flow_chart_is_drawn_with_all_of_its_nodes_and_edges() -> None:
    drawn = flowchart.svg('flowchart TD\n    a["one<br>two & three"] --> b\n    b --> c\n    a --> c\n')
    assert re.findall(r"<text[^>]*>([^<]*)</text>", drawn) == ["one", "two &amp; three", "b", "c"]
    assert drawn.count('class="edge"') == 3
    heights = [float(y) for y in re.findall(r'<rect [^>]*? y="([\d.-]+)"', drawn)]
    assert heights == sorted(heights)
    assert len(set(heights)) == 3


def test_an_edge_that_closes_a_circle_leads_up() -> None:
    drawn = flowchart.svg("flowchart TD\na --> b\nb --> a")
    assert drawn.count("marker-start") == 1
    assert drawn.count("marker-end") == 1


@pytest.mark.parametrize("text", ["graph TD\na --> b", "flowchart TD\na -.-> b", "flowchart LR\na"])
def test_other_diagrams_are_refused(text: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="expected"):
        flowchart.svg(text)
    assert flowchart.fence(text) == ""
    assert "cannot be drawn" in caplog.text


# ---- where the site is published ---------------------------------------------------------------------------


def test_read_the_docs_builds_with_the_version_of_the_lock() -> None:
    steps = yaml.safe_load((ROOT / ".readthedocs.yaml").read_text())["build"]["jobs"]
    (install,) = steps["install"]
    pattern = re.search(r"grep -oE '([^']+)' requirements.lock", install)
    assert pattern
    lock = (ROOT / "requirements.lock").read_text()
    assert re.findall(f"^{pattern[1].lstrip('^')}", lock, re.MULTILINE) == [
        f"mkdocs-material=={version}" for version in re.findall(r"^mkdocs-material==([\d.]+)", lock, re.MULTILINE)
    ]
