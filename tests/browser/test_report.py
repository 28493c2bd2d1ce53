"""The comparison report in a real browser: it renders without network, sorts and filters, and fits a phone."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from daf.config import DAFComparisonConfig
from daf.reporting.comparison_page import render_results
from daf.statistics.comparison import compare_episodes
from tests.browser.tools import browse, fits_a_phone, seen, with_script

pytestmark = pytest.mark.browser


@pytest.fixture
def report(tmp_path: Path) -> Path:
    rows = [
        {"policy": policy, "mission": mission, "env_seed": seed, "mean_reward": base + ((seed * 7) % 5) * step}
        for policy, base, step in (("trained", 8.0, 0.7), ("random", 1.0, 0.3), ("starter", -0.25, 0.0))
        for mission in ("tutorial.miner", "training_facility_1")
        for seed in range(24)
    ]
    missions = ["tutorial.miner", "training_facility_1"]
    config = DAFComparisonConfig(policies=["trained", "random", "starter"], missions=missions, num_resamples=500)
    return render_results(compare_episodes(pd.DataFrame(rows), config), tmp_path / "report.html")


def test_the_page_renders_and_is_drawn(report: Path, tmp_path: Path) -> None:
    dom = browse(report, tmp_path / "profile", "--dump-dom")
    assert "trained beats random over 2 missions by" in dom
    assert dom.count('<svg class="figure"') >= 6
    assert '<div class="filter" id="filter">' in dom  # shown by the script, hidden without it
    for width in (1280, 500):
        picture = tmp_path / f"{width}.png"
        browse(report, tmp_path / "profile", f"--window-size={width},2000", f"--screenshot={picture}")
        assert picture.stat().st_size > 20_000


def test_tables_sort_by_number_and_unknown_comes_last(report: Path, tmp_path: Path) -> None:
    script = """
      var table = document.getElementById("summary-table"), b = table.querySelectorAll("th button")[2];
      function first() { return [].map.call(table.tBodies[0].rows, function (r) { return r.cells[2].dataset.value; }); }
      b.click(); var down = first().map(Number); b.click(); var up = first().map(Number);
      var i = table.querySelectorAll("th button")[3]; i.click();
      var last = table.tBodies[0].rows[table.tBodies[0].rows.length - 1].cells[3].dataset.value;
      function falls(v) { return v.every(function (x, k) { return k === 0 || v[k - 1] >= x; }); }
      document.title = [falls(down), falls(up.slice().reverse()), last === "",
        i.parentNode.getAttribute("aria-sort")].join("|");
    """
    dom = browse(with_script(report, "sort.html", script), tmp_path / "p", "--dump-dom")
    assert seen(dom) == "true|true|true|descending"


def test_the_mission_filter_hides_the_others(report: Path, tmp_path: Path) -> None:
    script = """
      var s = document.getElementById("mission"); s.value = "tutorial.miner"; s.dispatchEvent(new Event("change"));
      var all = [].slice.call(document.querySelectorAll("main [data-mission]"));
      var shown = all.filter(function (e) { return !e.hidden; });
      document.title = (shown.length > 0) + "|" + (shown.length < all.length) + "|" +
        shown.every(function (e) { return e.dataset.mission === "tutorial.miner"; });
    """
    assert seen(browse(with_script(report, "filter.html", script), tmp_path / "p", "--dump-dom")) == "true|true|true"


def test_a_phone_needs_no_sideways_scrolling(report: Path, tmp_path: Path) -> None:
    assert fits_a_phone(report, tmp_path / "p")
