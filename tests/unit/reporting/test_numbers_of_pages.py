"""Every number in the tables and charts of a comparison's page against the CSV files beside it."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from daf.reporting.comparison_page import render_results
from daf.statistics.results import ComparisonResults
from tests.unit.reporting.comparisons import compared

pytestmark = pytest.mark.slow  # a page draws about ten figures

SETTINGS: dict[str, dict[str, Any]] = {
    "rewards": {"means": {"mynet": 1.0, "expert": 140.0, "random": -2.0}, "equivalence_margin": 0.5},
    "normalized scores of training seeds": {
        "means": {"low": 10.0, "mid": 20.0, "high": 30.0}, "seeds": (1, 2, 3, 4, 5), "n": 6,
        "normalization": {"low": "low", "high": "high"},
    },
}  # fmt: skip
OVERALL_WORDS = {"all missions": "overall"}
NUMBER = r"(−?[\d,]*\.?\d+(?:e−?\d+)?)"


class Page:
    """The page of a comparison, and its tables."""

    def __init__(self, results: ComparisonResults, folder: Path) -> None:
        self.results, self.text = results, render_results(results, results.write(folder) / "report.html").read_text()
        self.csv = {name: pd.read_csv(folder / f"{name}.csv") for name in ("summary", "pairwise", "ranks")}

    def rows(self, table: str) -> list[dict[str, str]]:
        """The rows of a table: by heading, the text of the cell."""
        found = re.search(rf'<table[^>]*id="{table}".*?</table>', self.text, re.S)
        assert found
        head, body = found.group().split("</thead>")
        names = [plain(cell) for cell in re.findall(r"<th[ >].*?</th>", head, re.S)]
        rows = [re.findall(r"<t[hd][ >].*?</t[hd]>", row, re.S) for row in re.findall(r"<tr.*?</tr>", body, re.S)]
        assert all(len(row) == len(names) for row in rows)
        return [dict(zip(names, map(plain, row), strict=True)) for row in rows]

    def chart(self, name: str) -> list[dict[str, Any]]:
        """The rows of a chart as the page's script has them."""
        found = re.search(rf'id="chart-{name}".*?class="chart-data">(.*?)</script>', self.text, re.S)
        assert found
        columns = json.loads(found.group(1))["data"]["rows"]
        return [
            dict(zip(columns, values, strict=True)) for values in zip(*map(unpacked, columns.values()), strict=True)
        ]


def unpacked(column: Any) -> list[Any]:
    if isinstance(column, list):
        return column
    return (
        [column["levels"][code] for code in column["codes"]] if "codes" in column else [column["all"]] * column["count"]
    )


def plain(cell: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", cell))).strip()


def agrees(text: str, *values: float) -> bool:
    """Whether the numbers in a text are these values, rounded to the digits that it shows, without unknown ones."""
    shown = re.findall(NUMBER, text.split(" no")[0])  # "no interval", and "none" with its reason
    known = [value for value in values if not math.isnan(value)]
    return len(shown) == len(known) and all(map(is_rounded, shown, known, [" %" in text] * len(known)))


def is_rounded(shown: str, value: float, is_share: bool) -> bool:
    number, _, power = shown.replace("−", "-").replace(",", "").partition("e")
    last = 10.0 ** (int(power or 0) - len(number.partition(".")[2])) / (100 if is_share else 1)
    return abs(float(f"{number}e{power or 0}") / (100 if is_share else 1) - value) <= 0.5 * last * (1 + 1e-9)


@pytest.fixture(scope="module", params=SETTINGS)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Page:
    settings = SETTINGS[request.param]
    return Page(compared(**settings), tmp_path_factory.mktemp("page"))


def record(table: pd.DataFrame, **keys: str) -> Mapping[str, Any]:
    for key, value in keys.items():
        table = table[table[key] == value]
    assert len(table) == 1
    return {str(name): value for name, value in table.iloc[0].items()}


def place(row: Mapping[str, str]) -> str:
    return OVERALL_WORDS.get(row["Mission"], row["Mission"])


def test_all_scores_are_those_of_summary_csv(page: Page) -> None:
    rows = page.rows("summary-table")
    assert len(rows) == len(page.csv["summary"])
    for row in rows:
        known = record(page.csv["summary"], policy=row["Policy"], mission=place(row))
        assert agrees(row["Mean, 95 % interval"], known["mean"], known["interval_low"], known["interval_high"])
        for heading, columns in {
            "Median": ("median",), "IQM": ("iqm",), "SD": ("sd",), "Lowest to highest": ("min", "max"),
            "Failed": ("failures",), "Timeouts": ("timeouts",),
        }.items():  # fmt: skip
            assert agrees(row[heading], *(known[column] for column in columns)), (row, heading)
        assert agrees(row["Episodes"].partition(" each averaged")[0], known["n_episodes"])
        if "Interval over training seeds" in row:
            assert agrees(row["Interval over training seeds"], known["recipe_low"], known["recipe_high"])
            assert agrees(row["SD of seeds, range"], known["seed_sd"], known["seed_min"], known["seed_max"])


def test_all_tests_are_those_of_pairwise_csv(page: Page) -> None:
    rows = page.rows("pairs-table")
    assert len(rows) == len(page.csv["pairwise"])
    for row in rows:
        a, b = row["Pair"].split(" − ")
        table = page.csv["pairwise"]
        flipped = table[(table["policy_a"] == a) & (table["policy_b"] == b)].empty
        keys = {"policy_a": b, "policy_b": a} if flipped else {"policy_a": a, "policy_b": b}
        known = record(table, estimand=row["About"], mission=place(row), **keys)
        sign, ends = (-1, ("high", "low")) if flipped else (1, ("low", "high"))
        bounds = [sign * known[f"interval_{end}"] for end in ends]
        assert agrees(row["Difference, interval"], sign * known["difference"], *bounds)
        chance = [known[f"p_improvement{end}"] for end in ("", *(f"_{end}" for end in ends))]
        shown = row["P(better), interval"]
        if not math.isnan(chance[1]):
            assert agrees(shown, *(1 - value if flipped else value for value in chance)), row
        raw = row["p adjusted, alone"].replace("< 0.001", "0.0005").split()
        assert all(abs(float(text) - known[key]) <= 0.005 for text, key in zip(raw, ("p_holm", "p"), strict=True))


def test_all_ranks_are_those_of_ranks_csv(page: Page) -> None:
    rows = page.rows("ranks-table")
    assert len(rows) == len(page.csv["ranks"])
    for row in rows:
        known = record(page.csv["ranks"], policy=row["Policy"], estimand=row["About"], mission=place(row))
        assert agrees(row["Mean rank"], known["mean_rank"])
        assert agrees(row["95 % interval"], known["rank_low"], known["rank_high"])
        assert agrees(row["P(first)"], known["p_first"])


def cells(page: Page, kind: str) -> dict[tuple[str, str], str]:
    """What the table of scores shows for one position of its switch, by policy and mission."""
    body = page.text[page.text.index('id="scores-table"') :].split("</table>")[0].split("</thead>")[1]
    found = {}
    for row in re.findall(r"<tr.*?</tr>", body, re.S):
        policy = plain(row.split("</th>")[0])
        texts = [
            plain(text) for text in re.findall(rf'<span class="{kind}"[^>]*>(.*?)</span>(?=<span|</td>)', row, re.S)
        ]
        found |= {(policy, mission): text for mission, text in zip(("overall", "m", "k"), texts, strict=True)}
    return found


def test_scores_by_mission_are_those_of_summary_csv(page: Page) -> None:
    shown = cells(page, "score")
    assert len(shown) == len(page.csv["summary"])
    for (policy, mission), cell in shown.items():
        known = record(page.csv["summary"], policy=policy, mission=mission)
        assert agrees(cell, known["mean"], known["interval_low"], known["interval_high"]), (policy, mission, cell)


def test_the_switch_shows_the_rewards_of_a_comparison_without_a_scale(tmp_path: Path) -> None:
    settings = dict(SETTINGS["normalized scores of training seeds"])
    page = Page(compared(**settings), tmp_path)
    settings.pop("normalization")
    rewards = {(record.policy, record.mission): record for record in compared(**settings).summary}
    shown = cells(page, "raw")
    assert shown.keys() == rewards.keys()
    for key, cell in shown.items():
        assert agrees(cell, rewards[key].mean, rewards[key].interval_low, rewards[key].interval_high), (key, cell)


def test_the_charts_hold_the_numbers_of_the_files(page: Page) -> None:
    for row in page.chart("intervals-overall"):
        known = record(page.csv["summary"], policy=row["label"], mission="overall")
        numbers = known["mean"], known["interval_low"], known["interval_high"]
        shown = [math.nan if row[key] is None else row[key] for key in ("value", "low", "high")]
        assert shown == pytest.approx(numbers, rel=1e-6, nan_ok=True)
        assert agrees(row["text"], *numbers)
    ranks = page.csv["ranks"]
    for row in page.chart("ranks-checkpoints"):
        known = record(ranks, policy=row["label"], estimand="checkpoints", mission="overall")
        assert row["value"] == pytest.approx(known["mean_rank"])
