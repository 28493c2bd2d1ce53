"""A user's file with the name of a module that the engine imports is named when the engine does not load."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from daf.workflow.shadowing import shadowing_file


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("colorsys", "yaml"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def failure(statement: str) -> Exception:
    """What a statement of a file of DAF raises."""
    with pytest.raises(Exception) as caught:  # noqa: PT011
        exec(compile(statement, str(Path(importlib.import_module("daf").__file__ or "")), "exec"), {})
    caught.value.__traceback__ = caught.tb.tb_next  # without this file, which DAF does not contain
    return caught.value


@pytest.mark.parametrize("name", ["colorsys", "yaml"])
@pytest.mark.parametrize("text", ["", "(", "import nothing_of_this_name", "1 / 0"])
def test_a_file_in_place_of_a_module(folder: Path, name: str, text: str) -> None:
    file = folder / f"{name}.py"
    file.write_text(text)
    assert shadowing_file(failure(f"from {name} import rgb_to_hls_and_back")) == str(file)


def test_a_file_whose_module_loads_and_lacks_a_name(folder: Path) -> None:
    (folder / "colorsys.py").touch()
    assert shadowing_file(failure("import colorsys; colorsys.rgb_to_hls")) == str(folder / "colorsys.py")


def test_an_engine_that_is_missing_is_nobodys_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "mine.py").touch()
    monkeypatch.setitem(sys.modules, "mine", importlib.import_module("mine"))
    assert shadowing_file(failure("import nothing_of_this_name")) is None
