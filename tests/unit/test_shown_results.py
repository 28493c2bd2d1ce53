"""Results as a person sees them: one line in a terminal, the answer and small tables in a notebook."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from pydantic import BaseModel

from daf.search.results import SweepResults
from daf.sweeps import TrialResult
from daf.system.checks import CheckResults
from daf.system.shown import LONGEST_LINE, MOST_ROWS, ResultList, ResultsByName, Shown, Table, one_line, short
from docs.generator.api_page import PAGES
from tests.shown_results import every_result
from tests.sweep_results import made_up_sweep

PROJECT = Path(__file__).parents[2]
TAGS = {"div", "p", "strong", "table", "thead", "tbody", "tr", "th", "td"}
# What people hand in, what has no content, and what logs hold.
NOT_RESULTS = {
    "DeployOptions",
    "PackageOptions",
    "SlurmOptions",
    "OutputDirectories",
    "MetricSummary",
    "OperationTracker",
}
# What a person wants to know first of a result.
ANSWERS = {
    "sweep": r"<SweepResults: sweep miner: best is trial \d+, .* \(maximized\); \d+ of 60 trials completed",
    "an empty sweep": "<SweepResults: sweep miner: no best trial; 0 of 0 trials completed>",
    "tournament": r"<TournamentResults: <script>alert\('x'\)</script> and b are worth more than the pool",
    "status": r"<TrainingStatus: running, 1,000 of 4,000 agent-steps \(25 %\)>",
    "checks": "<CheckResults: 2 checks: 1 error>",
    "no findings": "<CheckResults: nothing is wrong>",
    "environment": "<EnvironmentCheckResult: NOT healthy: 2 checks: 1 error>",
    "verification": "<VerificationReport: out: 1 of 3 files damaged, missing or outdated>",
    "package": "<PackageResult: scout 0.1.0 in out/scout-0.1.0.zip, sha256 0123456789ab>",
    "training": "<TrainingResults: completed, 4,000 agent-steps, ",
    "trial result": "<TrialResult: trial 7 failed, <script>",
}


class Page(HTMLParser):
    """The tags and attributes of a piece of HTML, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: set[tuple[str, str | None]] = set()
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        self.attributes |= set(attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def public_records() -> dict[str, type]:
    """The dataclasses and models that DAF's pages export."""
    found = {}
    for page in PAGES:
        module = importlib.import_module(f"daf.{page}")
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) and (dataclasses.is_dataclass(value) or issubclass(value, BaseModel)):
                found[name] = value
    return found


def test_every_public_result_is_shown() -> None:
    records = public_records()
    assert records.keys() > NOT_RESULTS
    for name in records.keys() - NOT_RESULTS:
        assert issubclass(records[name], Shown), name
        assert "__repr__" not in vars(records[name]) or name == "StrictModel", f"{name}: add repr=False"


def test_every_public_result_is_among_the_examples() -> None:
    from daf.config.strict_model import StrictModel

    shown = {type(result).__name__ for result in every_result().values()} | {"DeployedPolicy"}
    models = {name for name, kind in public_records().items() if issubclass(kind, StrictModel)}
    assert public_records().keys() - NOT_RESULTS - models <= shown


def test_a_repr_is_one_short_line_with_the_answer() -> None:
    for name, result in every_result().items():
        line = repr(result)
        assert line.isprintable(), name
        assert len(line) <= LONGEST_LINE + 1, name
        assert re.match(ANSWERS.get(name, ""), line), line
    assert ANSWERS.keys() <= every_result().keys()


def test_hostile_names_are_inert_and_no_colour_is_set() -> None:
    for name, result in every_result().items():
        page = Page(result._repr_html_())
        assert set(page.tags) <= TAGS, name
        assert page.open == [], name
        assert page.attributes <= {("style", "text-align: left"), ("class", "dataframe")}, name
        assert "\x1b" not in page.text, name
        assert page.tags[:3] == ["div", "p", "strong"], name  # the answer comes first


def test_a_long_result_shows_its_best_rows_and_says_how_many_more() -> None:
    sweep = made_up_sweep(4_000)
    page = Page(sweep._repr_html_())
    assert page.tags.count("tr") == MOST_ROWS + 1
    assert page.text.endswith("and 3,980 more")
    assert sweep.best is not None
    assert page.text.partition("trials, best first")[2].partition("completed")[0].endswith(str(sweep.best.trial))
    assert len(repr(sweep)) <= LONGEST_LINE + 1
    assert repr(sweep.trials[0]) in repr(sweep.trials[:2])


def test_frozen_results_stay_frozen_and_equal_by_value() -> None:
    first, same = (TrialResult(trial=7, status="completed", hyperparameters={"a": 1}, objective=2.0) for _ in range(2))
    assert first == same
    assert first != dataclasses.replace(first, trial=8)
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.trial = 8  # type: ignore[misc]
    assert SweepResults.from_dict(made_up_sweep(5).to_dict()) == made_up_sweep(5)


def test_lists_and_dictionaries_of_results_are_lists_and_dictionaries() -> None:
    assert CheckResults([every_result()["check"]]) == [every_result()["check"]]
    assert ResultsByName({"a": 1}) == {"a": 1}
    assert repr(ResultsByName({"a": every_result()["check"]})) == "<1 result: a>"
    assert repr(ResultList()) == "<0 results>"
    assert not CheckResults()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (float("nan"), "–"), (1234567, "1234567"), (0.123456, "0.1235"), ((1.0, 2.5), "1 to 2.5"),
        ([], "–"), (list(range(10)), "0, 1, 2, 3, 4, 5, 6, 7, and 2 more"), ({"a": [1, 2]}, "a 1, 2"),
        ([{"a": 1}], "1 record"), (True, "True"), (Path("a/b"), "a/b"), ("text", "text"),
    ],
)  # fmt: skip
def test_values_are_short(value: Any, text: str) -> None:
    assert short(value) == text


def test_a_line_has_no_control_characters_and_an_end() -> None:
    assert one_line("a\n b\x1b[0m\u202e", 100) == "a b\\x1b[0m\\u202e"
    assert one_line("x" * 100, 10) == "x" * 9 + "…"
    assert one_line("scout beats random and wanderer", 25) == "scout beats random and…"  # not inside a word
    assert one_line("scout beats random and wanderer", 23) == "scout beats random and…"
    assert one_line("scout beats random and wanderer", 31) == "scout beats random and wanderer"
    assert one_line("in " + "x" * 100, 10) == "in xxxxxx…"


def test_a_table_of_records_has_their_fields() -> None:
    table = Table.of("t", [{"a_b": 1, "c": 2}, {"a_b": 3}])
    assert (table.columns, table.rows, table.total) == (("a b", "c"), [[1, 2], [3, None]], 2)


SETUP = f"""
import sys
sys.path.insert(0, {str(PROJECT)!r})
from tests.shown_results import every_result
results = every_result()
"""


@pytest.mark.slow
def test_a_real_kernel_shows_all_of_them(tmp_path: Path) -> None:
    cells = [SETUP, *(f"results[{name!r}]" for name in every_result()), "print(results['comparison'])"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [cell["outputs"] for cell in notebook["cells"]]
    assert outputs[0] == []
    for result, shown in zip(every_result().values(), outputs[1:-1], strict=True):
        (output,) = shown  # once
        assert output["data"]["text/plain"] == repr(result)
        assert output["data"]["text/html"] == result._repr_html_()
    assert outputs[-1][0]["text"].startswith("Means\n")
