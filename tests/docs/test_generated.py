"""The generated documents are current and complete: every public name, every file of the workflow, every meaning."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

from docs.generator import __main__ as generate
from docs.generator import output_files
from docs.generator.api_page import PAGES
from tests.docs.test_specification import NAMES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def pages() -> dict[str, ModuleType]:
    return {name: importlib.import_module(f"daf.{name}") for name in PAGES}


def test_the_documents_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0, capsys.readouterr().err


def test_an_outdated_document_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "DOCS", tmp_path)
    monkeypatch.setattr(generate, "GENERATED", {"page.md": lambda: "new\n"})
    assert generate.main(["--check"]) == 1
    (tmp_path / "page.md").write_text("new\n")
    assert generate.main(["--check"]) == 0


# ---- api.md -----------------------------------------------------------------------------------------------


def test_every_promised_name_is_public(pages: dict[str, ModuleType]) -> None:
    table = re.findall(r"^\| `daf\.(\w+)` \| (.+) \|$", (DOCS / "how-to/python.md").read_text(), re.MULTILINE)
    promised = {page: set(names.split()) for page, names in NAMES.items()}
    for page, names in table:
        promised.setdefault(page, set()).update(re.findall(r"`(\w+)`", names))
    for page, names in promised.items():
        assert names <= set(pages[page].__all__), page


def test_a_name_is_on_one_page(pages: dict[str, ModuleType]) -> None:
    names = [name for page in pages.values() for name in page.__all__]
    assert len(names) == len(set(names))


def test_public_names_and_fields_have_meanings(pages: dict[str, ModuleType]) -> None:
    text = (DOCS / "api.md").read_text()
    for page, module in pages.items():
        for name in module.__all__:
            value = getattr(module, name)
            assert f"\n### `{name}`\n" in text
            if inspect.isclass(value) or inspect.isfunction(value):
                assert inspect.getdoc(value), name
            if inspect.isclass(value) and dataclasses.is_dataclass(value):
                section = text.partition(f"\n### `{name}`\n")[2].partition("\n### ")[0]
                for field in dataclasses.fields(value):
                    assert re.search(rf"^- `{field.name}: .+`: \S", section, re.MULTILINE), (
                        f"{page}.{name}.{field.name}"
                    )


# ---- outputs.md -------------------------------------------------------------------------------------------


def test_every_key_has_a_type_and_a_meaning() -> None:
    for files in output_files.STAGES.values():
        for file in (*files, output_files.PROVENANCE):
            assert file.purpose
            for keys in file.keys:
                assert keys.fields
                for field in keys.fields:
                    assert field.kind, (file.path, field)
                    assert field.meaning, (file.path, field)


def test_outputs_of_rules_are_documented_under_their_rule() -> None:
    files = [file for files in output_files.STAGES.values() for file in files]
    outputs = _outputs_of_rules()
    assert len(outputs) > 30
    for rule, path in outputs:
        rules = {file.rule for file in files if _same(file.path, path)}
        elsewhere = any(_same(other, path) for file in files for other in file.also)
        assert rules == {rule} or (elsewhere and not rules), f"{rule}: {path}"
    assert {file.rule for file in files} <= {rule for rule, _ in outputs} | {"", "verify"}  # which writes only its log


def _outputs_of_rules() -> list[tuple[str, str]]:
    """(rule, path) of all outputs in workflow/rules."""
    found = []
    for file in (ROOT / "workflow" / "rules").glob("*.smk"):
        for rule, body in re.findall(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", file.read_text(), re.MULTILINE | re.DOTALL):
            output = re.search(r"^    output:\n(.*?)(?=^    \w+:|\Z)", body, re.MULTILINE | re.DOTALL)
            for path in re.findall(r'"<out>/([^"]+)"', output[1] if output else ""):
                paths = [f"{path}.csv", f"{path}.parquet"] if path.endswith("/scores") else [path]
                paths = [f"{path}/x.svg"] if path.endswith("/figures") else paths
                found += [(rule, path) for path in paths]
    return found


def _same(documented: str, output: str) -> bool:
    """Whether two paths have the same form, whatever their wildcards are called."""
    form = re.escape(re.sub(r"\{\w+\}", "*", documented)).replace(r"\*", r"[^/]+")
    return re.fullmatch(form, re.sub(r"\{\w+\}", "x", output)) is not None
