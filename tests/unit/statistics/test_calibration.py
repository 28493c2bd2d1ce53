"""Calibration: the methods still hold, exceptions are explained to the user, and pages name the row of their data."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from daf.statistics import calibration
from daf.statistics.calibration import Row, read_rows, resembling
from daf.statistics.records import PairRecord

FOLDER = Path(__file__).parents[3] / "benchmarks"
ROWS = {row.name: row for row in read_rows()}


@pytest.fixture(scope="module")
def program() -> Iterator[ModuleType]:
    """benchmarks/calibration.py, whose own folder is the first on the path when it runs."""
    import importlib.util

    sys.path.insert(0, str(FOLDER))
    try:
        spec = importlib.util.spec_from_file_location("calibration_benchmark", FOLDER / "calibration.py")
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(FOLDER))


# ---- a short version --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "normal, 5 v 5 seeds x 16",
        "interaction 1, 10 v 10 x 16",
        "fixed rival, 5 seeds x 16",
        "unequal spread 1:4, 5 v 20",
        "normal, 16 episodes",
        "exponential v steady, 32",
    ],
)
def test_verdicts_and_intervals_hold_on_few_data_sets(program: ModuleType, name: str) -> None:
    """80 data sets: bounds are three standard errors beyond those promised."""
    row = program.measure(name, program.SCENARIOS[name], 80)
    assert row.false <= 0.06 + 0.08
    assert row.coverage >= 0.93 - 0.08
    assert row.false_equivalence <= 0.06 + 0.11
    assert row.power >= ROWS[name].power - 0.25


def test_a_scenario_ends_after_its_time_and_counts_intervals_of_the_quantity_that_decides(program: ModuleType) -> None:
    name = "P(improvement): normal, 16 episodes"
    row = program.measure(name, program.SCENARIOS[name], 1_000_000, minutes=0.0)
    assert row.runs == program.LEAST
    assert row.primary == "probability_of_improvement"
    assert row.coverage > 0.8  # of one half
    assert row.power > 0.3  # a share of 25 data sets


def test_a_direct_comparison_that_differs_is_an_error(program: ModuleType) -> None:
    record = PairRecord(
        estimand="recipes", mission="m0", n_missions=1, policy_a="a", policy_b="b", paired=False, n_a=3, n_b=3,
        effect_name="d", test="t", verdict="better",
    )  # fmt: skip
    program.check_same("same", record, record)
    other = replace(record, verdict="worse")
    with pytest.raises(SystemExit, match="verdict is worse by daf_compare_scores and better by compare_pairs"):
        program.check_same("other", record, other)


def test_a_promise_is_broken_beyond_it_and_beyond_chance() -> None:
    """Of 2,000 data sets more than 6 %; of 200, more than 5 % and two of its standard errors, 8.1 %."""
    row = replace(ROWS["normal, 5 v 5 seeds x 16"], runs=2000, false=0.06, coverage=0.94, false_equivalence=0.06)
    assert not row.misleading
    for changes in ({"false": 0.0605}, {"false_equivalence": 0.065}, {"coverage": 0.929}):  # of half as many
        assert replace(row, **changes).misleading
    few = replace(row, runs=200)
    assert not replace(few, false=0.08, coverage=0.92).misleading
    assert replace(few, false=0.082).misleading
    assert replace(row, coverage=0.972).wide
    assert not replace(row, coverage=0.97).wide


# ---- exceptions -------------------------------------------------------------------------------------------


def test_every_scenario_has_its_row(program: ModuleType) -> None:
    assert list(ROWS) == list(program.SCENARIOS)


@pytest.mark.parametrize("row", [row for row in read_rows() if row.misleading], ids=lambda row: row.name)
def test_a_row_that_misses_the_promise_says_so_to_the_user(program: ModuleType, row: Row) -> None:
    assert row.reason
    assert row.says
    scenario, rng = program.SCENARIOS[row.name], np.random.default_rng(7)
    for _ in range(60):
        data = scenario.draw(rng)
        if scenario.looks:
            text = str(program.compare(scenario, data))
        else:
            wrong = program.directly(scenario, data).verdict in ("better", "worse")
            text = str(program.compare(scenario, data)) if wrong or not row.often_false else ""
        if row.says in text:
            return
    pytest.fail(f"no false verdict comes with '{row.says}'")


@pytest.mark.parametrize("row", [row for row in read_rows() if row.wide], ids=lambda row: row.name)
def test_a_row_whose_intervals_are_wide_is_bold_with_its_reason_and_the_page_says_it(row: Row) -> None:
    """They err on the safe side, so no verdict needs a caution; that they cost power is said."""
    from docs.generator.calibration_page import calibration_text

    assert row.why_wide
    lines = calibration_text().splitlines()
    line = next(line for line in lines if line.removeprefix("| ").removeprefix("**").startswith(f"{row.name} |"))
    assert line.split(" | ")[3].startswith(f"**{100 * row.coverage:.1f} ±")
    assert f"- {row.name}, coverage: {row.why_wide}. You read: “{calibration.WIDE.removesuffix(':')} …”." in lines
    assert calibration.sentence(row).endswith(
        f"({row.runs:,} simulated data sets). Intervals are wider than they need be, which errs on the safe side: "
        f"{row.why_wide}."
    )


def test_a_row_that_keeps_its_promise_has_no_such_sentence(program: ModuleType) -> None:
    row = ROWS["one score a run, 2 v 2, six missions"]
    assert row.wide
    assert "wider than they need be" not in calibration.sentence(replace(row, coverage=0.96))
    for name, scenario in program.SCENARIOS.items():
        assert ROWS[name].why_wide == scenario.why_wide


# ---- the row of a comparison ------------------------------------------------------------------------------


def pair(estimand: str, n_a: int | None, n_b: int | None, *, caution: str = "", missions: int = 1) -> PairRecord:
    return PairRecord(
        estimand=estimand, mission="m0", n_missions=missions, policy_a="a", policy_b="b", paired=False, n_a=n_a,
        n_b=n_b, effect_name="d", test="t", caution=caution,
    )  # type: ignore[arg-type]  # fmt: skip


@pytest.mark.parametrize(
    ("record", "episodes", "looks", "name"),
    [
        (pair("recipes", 6, 9), 16, False, "normal, 5 v 5 seeds x 16"),
        (pair("recipes", 60, 40), 20, False, "normal, 50 v 50 seeds x 16"),
        (pair("recipes", None, 9), 32, False, "fixed rival, 10 seeds x 32"),
        (pair("recipes", None, 18, missions=3), 16, False, "fixed rival, 20 seeds x 16, 3 missions"),
        (
            pair("recipes", 12, 12, caution="the scores of the 12 training seeds of one side are skewed, and"),
            1, False, "log-normal v normal, 10 v 10",
        ),
        (pair("checkpoints", 14, 14), 14, False, "normal, 16 episodes"),
        (pair("checkpoints", 60, 60), 60, True, "4 looks to 64, normal"),
        (
            pair("checkpoints", 60, 60, caution="a scored …, and 60 episodes may miss an event that …"),
            60, False, "rare reward 5 % x 20 v steady, 64",
        ),
    ],
)  # fmt: skip
def test_a_comparison_is_like_the_row_of_its_question_kind_and_numbers(
    record: PairRecord, episodes: int, looks: bool, name: str
) -> None:
    assert resembling(record, episodes, looks=looks).name == name


def test_separate_runs_of_a_mission_are_compared_with_rows_of_as_many() -> None:
    """A pair counts the runs of all missions: two on each of six are 12, but nothing like 12 seeds that play all."""
    many, few = pair("recipes", 30, 30, missions=6), pair("recipes", 6, 9, missions=2)
    assert resembling(many, 1, separate=True).name == "one score a run, 5 v 5, six missions"
    assert resembling(replace(many, n_a=12), 1, separate=True).name == "one score a run, 2 v 2, six missions"
    assert resembling(few, 1, separate=True).name == "one score a run, 3 v 3, two missions"
    assert not resembling(many, 1).separate
    assert not resembling(few, 1).separate


@pytest.mark.parametrize("estimand", ["recipes", "checkpoints"])
def test_rows_of_another_quantity_that_decides_are_no_likeness(estimand: str) -> None:
    for primary in ("mean", "iqm", "probability_of_improvement"):
        record = replace(pair(estimand, 10, 10, missions=2), primary=primary)  # type: ignore[arg-type]
        assert resembling(record, 10).primary == primary


def test_kinds_are_those_of_rows() -> None:
    kinds = {row.kind for row in ROWS.values()}
    assert set(calibration.KINDS.values()) <= kinds
    assert {"plain", "fixed rival"} <= kinds


def test_a_page_names_the_row_of_each_question(tmp_path: Path, program: ModuleType) -> None:
    from daf.reporting.comparison_page import render_results

    scenario = program.SCENARIOS["normal, 5 v 5 seeds x 16"]
    results = program.compare(scenario, scenario.draw(np.random.default_rng(3)))
    text = render_results(results, tmp_path / "page.html").read_text()
    for name in ("normal, 5 v 5 seeds x 16", "normal, 16 episodes"):
        row = ROWS[name]
        assert f"row “{name}” of the calibration table: {100 * row.false:.1f} % false verdicts at p ≤ 0.05" in text


def test_a_page_says_that_intervals_are_wide_where_they_are(tmp_path: Path, program: ModuleType) -> None:
    from daf.reporting.comparison_page import render_results

    name = "one score a run, 2 v 2, six missions"
    scenario = program.SCENARIOS[name]
    results = program.compare(scenario, scenario.draw(np.random.default_rng(3)))
    text = render_results(results, tmp_path / "page.html").read_text()
    assert f"row “{name}” of the calibration table" in text
    assert "95 % intervals covered the truth in 97.4 %" in text
    assert "Intervals are wider than they need be, which errs on the safe side: with few runs on a mission, " in text
