"""The page of a comparison that the IQM or the probability of improvement decides: tables, matrix and methods."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from daf.config import Primary
from daf.reporting.comparison_page import render_results
from daf.statistics.records import PairRecord
from daf.statistics.results import ComparisonResults
from daf.statistics.sentences import mirrored, number, percent, percent_span, span
from tests.unit.reporting.comparisons import compared
from tests.unit.reporting.test_comparison_page import rows_of, text_of

pytestmark = pytest.mark.slow  # each page draws about ten figures

Made = tuple[ComparisonResults, str]
MEANS = {"a": 0.4, "b": 0.0, "c": -0.7}


def made(folder: Path, primary: Primary, **settings: object) -> Made:
    results = compared(MEANS, seeds=range(6), n=9, primary=primary, equivalence_margin=0.6, **settings)
    return results, render_results(results, folder / "report.html").read_text()


@pytest.fixture(scope="module", params=["iqm", "probability_of_improvement"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(tmp_path_factory.mktemp("page"), request.param)


@pytest.fixture(scope="module")
def by_mean(tmp_path_factory: pytest.TempPathFactory) -> str:
    return made(tmp_path_factory.mktemp("page"), "mean")[1]


def heads_of(page: str) -> list[str]:
    head = page[page.index('id="pairs-table"') :].split("</thead>")[0]
    return [text_of(cell).strip() for cell in re.findall(r"<th[ >].*?</th>", head, re.S)]


def decisive(record: PairRecord, primary: str) -> tuple[str, str]:
    """The quantity that decides and its interval, straight from the columns of the record."""
    if primary == "iqm":
        return number(record.iqm_difference), span(record.iqm_low, record.iqm_high)
    chances = record.p_improvement_low, record.p_improvement_high
    return percent(record.p_improvement), percent_span(*chances)


def test_each_test_has_the_estimate_and_interval_that_its_p_is_about(both: Made) -> None:
    results, page = both
    primary, heads, rows = results.config.primary, heads_of(page), rows_of(page, "pairs-table")
    column = "Difference of IQMs (decides), interval" if primary == "iqm" else "P(better) (decides), interval"
    assert heads.index(column) == heads.index("Verdict on the first") + 1
    assert "Difference, interval" not in heads
    assert "Power at margin" not in heads  # is one of means
    assert ("p of equivalence" in heads) is (primary == "iqm")
    records = {(r.policy_a, r.policy_b, r.estimand, r.mission): r for r in results.pairs}
    records |= {(r.policy_b, r.policy_a, r.estimand, r.mission): mirrored(r) for r in results.pairs}
    assert len(rows) == len(results.pairs)
    for row in rows:
        cells = dict(zip(heads, row, strict=True))
        mission = {"all missions": "overall"}.get(cells["Mission"], cells["Mission"])
        record = records[*cells["Pair"].split(" − "), cells["About"], mission]
        assert cells[column] == " ".join(decisive(record, primary))
        assert cells["Difference of means, interval"].startswith(number(record.difference))


def test_the_matrix_has_the_quantity_of_its_verdicts(both: Made) -> None:
    results, page = both
    matrix = page[page.index('id="matrix"') : page.index('id="in-words"')]
    for record in results.lead_records():
        for seen in (record, mirrored(record)):
            cell = re.search(rf'title="{seen.policy_a} against {seen.policy_b}: [^>]*>(.*?)</td>', matrix)
            assert cell is not None
            assert cell[1].split(maxsplit=1)[1] == decisive(seen, results.config.primary)[0]
    legend = text_of(page[page.index('id="pairs"') : page.index('id="matrix"')])
    words = {"iqm": "the difference of IQMs, which decides", "probability_of_improvement": "the probability that it"}
    assert words[results.config.primary] in legend


def test_methods_name_the_tests_of_the_quantity_that_decides(both: Made) -> None:
    results, page = both
    methods = text_of(page[page.index('id="methods"') : page.index('id="provenance"')])
    used = {record.test for record in results.pairs}
    if results.config.primary == "iqm":
        assert used == {"Yuen's test of IQMs", "bootstrap test of the IQM"}
        there, missing = ("Yuen's test of dependent samples", "Biometrika 1974", "section 5.9.5"), ("sign test",)
        assert "All missions have the same weight in means." in methods
        assert "so a mission with more units weighs more" in methods
    else:
        assert {name.split(":")[0] for name in used} == {
            "sign test",
            "bootstrap test of the probability of improvement",
        }
        there, missing = ("sign test of paired episodes", "Dixon, Mood", "complete separation"), ("Yuen", "Schuirmann")
    assert all(name.lower() in methods.lower() for name in (*there, "Recipes are compared by a bootstrap test"))
    untrue = ("Checkpoints are compared by a permutation test", "a t-test has", "Welch", "Chung", "Power and the")
    assert not [name for name in (*untrue, *missing) if name in methods]


def test_a_page_about_means_is_as_it_was(by_mean: str) -> None:
    heads = heads_of(by_mean)
    assert heads[4:7] == ["Difference, interval", "Effect, interval", "P(better), interval"]
    assert "Power at margin" in heads
    assert not [head for head in heads if "decides" in head]
    methods = text_of(by_mean[by_mean.index('id="methods"') : by_mean.index('id="provenance"')])
    assert "Checkpoints are compared by a permutation test that flips the signs of paired differences" in methods
    assert not [name for name in ("Yuen", "bootstrap test", "Dixon") if name in methods]


def test_equivalence_on_the_page_is_of_the_iqm(tmp_path: Path) -> None:
    results = compared({"a": 0.0, "b": 0.0, "c": 0.0}, n=60, primary="iqm", equivalence_margin=0.9)
    page = text_of(render_results(results, tmp_path / "report.html").read_text())
    assert "a is equivalent to c and b over 2 missions within ±0.90 reward per agent of the IQM." in page
    assert "within ±0.90 reward per agent of the IQM: their IQMs differ by" in page
