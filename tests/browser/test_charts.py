"""Charts in a real browser: alive with scripts, still without, inert whatever their names, and kept by readers."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from daf.charts import interactive
from daf.charts.model import Chart
from tests.browser.tools import faults, opened, unfold
from tests.unit.charts import examples

pytestmark = pytest.mark.browser
CHARTS = examples.one_of_each()


def write_page(path: Path, *charts: Chart) -> Path:
    figures = "".join(interactive.figure_html(chart) for chart in charts)
    path.write_text(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>charts</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{interactive.CONTENT_SECURITY_POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<style>body{background:var(--chart-bg);color:var(--chart-fg);font-family:sans-serif}main{padding:12px}"
        f"{interactive.STYLE}</style></head>"
        f"<body><main><h1>Charts</h1>{figures}</main>{interactive.scripts()}</body></html>"
    )
    return path


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(tmp_path_factory.mktemp("charts") / "page.html", *CHARTS.values())


def live(page: Page, name: str) -> None:
    """Bring a chart near the window and wait until it lives."""
    page.locator(f"#chart-{name}").scroll_into_view_if_needed()
    page.wait_for_selector(f"#chart-{name}.is-live")


def test_every_chart_lives_and_nothing_is_wrong_with_the_page(browser: Browser, page: Path) -> None:
    assert faults(browser, page) == []
    with opened(browser, page) as visit:
        visit.page.on("dialog", lambda dialog: visit.console.append(f"dialog: {dialog.message}"))
        for name in CHARTS:
            live(visit.page, name)
        assert visit.page.locator("main script:not([type])").count() == 0
        assert visit.page.evaluate("typeof alert.called") == "undefined"
        shown = visit.page.locator("#chart-means .chart-live svg text").all_text_contents()
        assert set(examples.NAMES[:3]) <= set(shown)
        assert visit.console == []


def test_without_scripts_the_pictures_are_there(browser: Browser, page: Path) -> None:
    with opened(browser, page, scripts=False) as visit:
        stills = visit.page.locator(".chart-still svg")
        assert stills.count() == len(CHARTS)
        assert all(still.bounding_box()["height"] > 80 for still in stills.all())
        assert not visit.page.locator(".chart-tools").first.is_visible()


def test_a_chart_that_cannot_be_drawn_keeps_its_picture(browser: Browser, page: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    broken.write_text(page.read_text().replace('"mark":{"type":"rule"', '"mark":{"type":"no such mark"', 1))
    with opened(browser, broken) as visit:
        unfold(visit.page)
        live(visit.page, "curves")
        assert visit.page.locator("#chart-means .chart-still svg").is_visible()
        assert any("stays a picture" in text for text in visit.console)


def test_hovering_tells_name_value_interval_and_seed(browser: Browser, page: Path) -> None:
    with opened(browser, page) as visit:
        live(visit.page, "means")
        marks = visit.page.locator("#chart-means .mark-symbol path")
        told = []
        for mark in (marks.first, marks.last):
            mark.hover(force=True)
            visit.page.wait_for_selector("#vg-tooltip-element.visible")
            told.append(visit.page.locator("#vg-tooltip-element").inner_text())
        assert examples.NAMES[0] in told[0]
        assert "seed" in told[0]
        assert examples.LONG in told[1]
        assert "0.5 to 2" in told[1]
        assert visit.page.locator("#vg-tooltip-element script").count() == 0


def test_the_shapes_of_a_legend_have_no_dashed_outline(browser: Browser, page: Path) -> None:
    with opened(browser, page) as visit:
        live(visit.page, "curves")
        symbols = visit.page.locator(
            "#chart-curves .role-legend-symbol path, #chart-curves .mark-symbol.role-legend-symbol path"
        )
        assert symbols.count() >= 2
        for symbol in symbols.all():
            assert float(symbol.get_attribute("stroke-width") or 0) == 0
            assert symbol.get_attribute("fill") not in (None, "transparent", "none")


def test_a_chart_fits_its_place_and_follows_it(browser: Browser, page: Path) -> None:
    with opened(browser, page, width=1280) as visit:
        live(visit.page, "means")
        for width in (1280, 760, 390):
            visit.page.set_viewport_size({"width": width, "height": 800})
            inside = f"""() => {{
                const svg = document.querySelector("#chart-means .chart-live svg").getBoundingClientRect();
                const room = document.querySelector("#chart-means").clientWidth;
                return Math.abs(svg.width - room) < 3 && svg.right <= {width};
            }}"""
            visit.page.wait_for_function(inside)
        texts = visit.page.locator("#chart-means .chart-live svg text").all_text_contents()
        assert "4 (interval)" in texts  # below the name, where there is no room beside the plot


def colour_of(page: Page) -> str:
    mark = page.locator("#chart-curves .chart-live .mark-line path").first
    return str(mark.evaluate("element => getComputedStyle(element).stroke"))


def test_colours_follow_the_reader_into_the_dark_and_onto_paper(browser: Browser, page: Path) -> None:
    with opened(browser, page) as visit:
        live(visit.page, "curves")
        assert colour_of(visit.page) == "rgb(0, 103, 165)"
        visit.page.emulate_media(color_scheme="dark")
        stroke = "getComputedStyle(document.querySelector('#chart-curves .mark-line path')).stroke"
        visit.page.wait_for_function(f"() => {stroke} === 'rgb(108, 182, 255)'")
        visit.page.emulate_media(media="print", color_scheme="dark")
        still = visit.page.locator("#chart-curves .chart-still svg")
        assert still.is_visible()
        strokes = still.evaluate("svg => [...svg.querySelectorAll('path')].map(p => getComputedStyle(p).stroke)")
        assert "rgb(0, 103, 165)" in strokes


def test_arrow_keys_read_one_row_after_the_other(browser: Browser, page: Path) -> None:
    with opened(browser, page) as visit:
        live(visit.page, "means")
        visit.page.locator("#chart-means .chart-live").focus()
        told = []
        for key in ("ArrowRight", "ArrowRight", "End", "ArrowRight", "Home"):
            visit.page.keyboard.press(key)
            told.append(visit.page.locator("#chart-means .chart-told").inner_text())
        names = [examples.NAMES[index] for index in (0, 1, 3, 3, 0)]
        assert told == [f"{name}, {4 - examples.NAMES.index(name)} (interval)" for name in names]


def test_who_comes_to_a_chart_by_keyboard_stays_on_it_while_it_is_drawn(browser: Browser, page: Path) -> None:
    with opened(browser, page) as visit:
        still = visit.page.locator("#chart-ranks .chart-still")
        assert not visit.page.locator("#chart-ranks.is-live").count()  # below the window
        still.focus()
        visit.page.wait_for_selector("#chart-ranks.is-live")
        assert visit.page.evaluate("document.activeElement.className").startswith("chart-live")
        visit.page.keyboard.press("ArrowDown")
        assert visit.page.locator("#chart-ranks .chart-told").inner_text()


def test_data_and_pictures_can_be_kept(browser: Browser, page: Path) -> None:
    with opened(browser, page) as visit:
        live(visit.page, "curves")
        kept = {}
        for name in ("Save SVG", "Save PNG", "Save data (CSV)"):
            button = visit.page.locator("#chart-curves .chart-tools button", has_text=name)
            button.focus()
            with visit.page.expect_download() as download:
                visit.page.keyboard.press("Enter")
            kept[download.value.suggested_filename] = Path(download.value.path()).read_bytes()
        assert kept["curves.png"].startswith(b"\x89PNG")
        assert b"Curves" in kept["curves.svg"]
        assert b"#0067a5" in kept["curves.svg"]
        assert b"var(" not in kept["curves.svg"]
        rows = list(csv.DictReader(io.StringIO(kept["curves.csv"].decode("utf-8-sig"))))
        data = [row for row in rows if row["part"] == "rows"]
        assert [(row["line"], float(row["x"]), float(row["y"])) for row in data] == [
            (row["line"], row["x"], row["y"]) for row in examples.lines().rows
        ]
        assert {row["seeds"] for row in data} == {"5"}
        assert [row["text"] for row in rows if row["part"] == "marks"] == ["published"]


def test_a_name_that_is_a_formula_is_kept_as_text(browser: Browser, tmp_path: Path) -> None:
    rows = [{"label": "=1+1", "series": "=1+1", "value": 1, "low": 0, "high": 2, "text": "1"}]
    path = write_page(tmp_path / "page.html", examples.intervals(rows=rows, points=(), series=("=1+1",)))
    with opened(browser, path) as visit:
        live(visit.page, "means")
        with visit.page.expect_download() as download:
            visit.page.locator("button", has_text="CSV").click()
        assert "'=1+1" in Path(download.value.path()).read_text()


def test_a_brush_on_an_axis_keeps_the_rows_inside(browser: Browser, page: Path) -> None:
    with opened(browser, page) as visit:
        live(visit.page, "trials")
        visit.page.locator("#chart-trials").scroll_into_view_if_needed()
        axis = visit.page.locator("#chart-trials .mark-rule line[stroke='#1b1f24']").first.bounding_box()
        x = axis["x"] + axis["width"] / 2
        visit.page.mouse.move(x, axis["y"] + 2)
        visit.page.mouse.down()
        visit.page.mouse.move(x, axis["y"] + axis["height"] * 0.4, steps=4)
        visit.page.mouse.up()
        told = visit.page.locator("#chart-trials .chart-told")
        assert told.inner_text() == "2 of 4 kept"
        shown = "document.querySelectorAll('#chart-trials .mark-rule line[opacity=\"0.75\"]').length"
        visit.page.wait_for_function(f"() => {shown} === 4")  # two segments a row
        visit.page.locator("button", has_text="Clear brushes").click()
        assert told.inner_text() == ""


def test_the_wheel_scrolls_the_page_and_zooms_with_ctrl_alone(browser: Browser, page: Path) -> None:
    with opened(browser, page, height=500) as visit:
        live(visit.page, "curves")
        plot = visit.page.locator("#chart-curves .chart-live svg").bounding_box()
        visit.page.mouse.move(plot["x"] + plot["width"] / 2, plot["y"] + plot["height"] / 2)
        before = visit.page.evaluate("scrollY")
        visit.page.mouse.wheel(0, 120)
        visit.page.wait_for_function(f"() => scrollY > {before}")
        ticks = visit.page.locator("#chart-curves .role-axis-label text").all_text_contents()
        visit.page.keyboard.down("Control")
        plot = visit.page.locator("#chart-curves .chart-live svg").bounding_box()
        visit.page.mouse.move(plot["x"] + plot["width"] / 2, max(20, plot["y"] + plot["height"] / 2))
        visit.page.mouse.wheel(0, -600)
        visit.page.wait_for_function(
            "before => [...document.querySelectorAll('#chart-curves .role-axis-label text')]"
            ".map(text => text.textContent).join() !== before",
            arg=",".join(ticks),
        )
