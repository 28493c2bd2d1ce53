"""What pages show as printed is what is printed today: by Python, see test_code_blocks.py; by commands, here."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

from daf.command.main import main
from daf.system.user_code import CodeStamp
from daf.tournament.league import read_league
from daf.workflow.code_changes import changes_in_words
from tests.docs import pages

DEBUG, RERUNS = pages.DOCS / "how-to/debug-policy.md", pages.DOCS / "explanation/reruns.md"
OF_COMMANDS = {DEBUG, RERUNS}
GENERATED = {pages.DOCS / "reference/command.md"}  # test_generated.py


def shown(page: Path) -> str:
    (block,) = pages.blocks(page, "text")
    return " ".join(block.text.split())


def test_every_transcript_is_tested() -> None:
    of_python = set(pages.with_blocks("python"))
    assert set(pages.with_blocks("text")) - GENERATED == OF_COMMANDS | (set(pages.with_blocks("text")) & of_python)


def test_what_an_edited_helper_makes_again() -> None:
    before, now = ({repr({"code": CodeStamp(files={"helper.py": text}).model_dump()})} for text in ("old", "new"))
    assert changes_in_words([("evaluate_policy", before, now)] * 4) == [shown(RERUNS)]


@pytest.mark.slow
def test_the_check_of_a_policy_with_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = pages.python_files()["my_policies.py"]
    before, at, after = text.rpartition("self.way")
    (tmp_path / "my_policies.py").write_text(f"{before}self.wya{after}")
    assert at
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_policies", raising=False)
    assert main(["policies", "my_policies.py", "--mission", "training_facility_1"]) == 2
    sys.modules.pop("my_policies", None)
    assert " ".join(capsys.readouterr().out.split()) == shown(DEBUG)


def test_tables_are_read(tmp_path: Path) -> None:
    for page in pages.with_blocks("csv"):
        for block in pages.blocks(page, "csv"):
            (tmp_path / "table.csv").write_text(block.text)
            assert read_league(tmp_path / "table.csv")


def test_no_two_experiments_of_the_documentation_share_a_folder() -> None:
    """A reader tries one after the other; `daf init scouts` is among them."""
    files = {page: [b for b in pages.blocks(page, "yaml") if b.file] for page in pages.with_blocks("yaml")}
    folders = Counter(
        line.split("output_dir:")[1].split("}")[0].strip()
        for blocks in files.values()
        for block in blocks
        for line in block.text.splitlines()
        if "output_dir:" in line
    )
    assert set(folders.values()) == {1}, folders
    assert "out/scouts" not in folders
