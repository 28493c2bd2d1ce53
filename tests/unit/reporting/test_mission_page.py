"""A mission's page: visits against a count by hand, keyframes and players against positions, and what the page says."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html
import json
import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("cogames")

from daf.charts import interactive
from daf.charts.model import IntervalChart
from daf.evaluation.mission import analyze_episodes
from daf.evaluation.traces import TracedEpisode
from daf.reporting import animation, maps, player
from daf.reporting.mission_charts import Shown, mission_charts
from daf.reporting.mission_page import PageSetting
from daf.statistics import intervals
from daf.statistics.sentences import number, span
from tests.mission_pages import METADATA, episodes, traced, walk, write_page


def frames_of(rule: str, style: str) -> list[tuple[float, list[float]]]:
    """(percent of the loop, numbers) of a keyframes rule."""
    body = re.search(rf"@keyframes {re.escape(rule)}\{{((?:[^{{}}]*\{{[^{{}}]*\}})*)\}}", style)
    assert body
    found = []
    for times, declaration in re.findall(r"([^{}]*)\{([^{}]*)\}", body.group(1)):
        values = [float(number) for number in re.findall(r"-?[\d.]+", declaration.split(":", 1)[1])]
        found += [(100.0 if time == "to" else float(time.rstrip("%")), values) for time in times.split(",")]
    return found


def between(keyframes: list[tuple[float, list[float]]], percent: float) -> list[float]:
    """Where CSS's linear timing puts the values at a moment of the loop."""
    times, values = zip(*keyframes, strict=True)
    return [float(np.interp(percent, times, column)) for column in zip(*values, strict=True)]


def cells_of(path: str) -> Counter[tuple[int, int]]:
    """(row, column) of the cells that a path of rectangles covers."""
    covered: Counter[tuple[int, int]] = Counter()
    for x, y, width, height, back in re.findall(r"M(\d+) (\d+)h(\d+)v(\d+)h-(\d+)z", path):
        assert width == back
        rows, columns = range(int(y), int(y) + int(height)), range(int(x), int(x) + int(width))
        covered.update((row, column) for row in rows for column in columns)
    return covered


# ---- maps ------------------------------------------------------------------------------------------------------


def test_visits_against_a_count_by_hand() -> None:
    traces = [walk(1, steps=60), walk(2, steps=35)]
    expected: Counter[tuple[int, int]] = Counter()
    for trace in traces:
        for step in trace.positions.tolist()[1:]:
            expected.update((row, column) for row, column in step)
    counts = maps.visit_counts(traces)
    assert {(row, column): int(counts[row, column]) for row, column in np.argwhere(counts).tolist()} == expected
    assert counts.sum() == 3 * (60 + 35)


def test_a_colour_covers_the_cells_whose_count_its_legend_says() -> None:
    trace = walk(3, steps=900)
    counts, window = maps.visit_counts([trace]), maps.map_window([trace])
    most = int(counts.max())
    bounds = maps.heat_bounds(most)
    svg, keys = maps.heat_map(counts, bounds, most, window, "", "a title")
    shown = re.findall(r'fill="(var\(--h\d\))" d="([^"]+)"><title>([^<]+)</title>', svg)
    assert len(shown) >= 4
    legend = {re.search(r'fill="(.*?)"', key.mark).group(1): key.name for key in keys}
    for colour, path, title in shown:
        assert legend[colour] == title
        low, _, high = title.replace(",", "").partition(" to ")
        inside = (counts >= int(low)) & (counts <= int(high or low))
        assert cells_of(path) == Counter(map(tuple, np.argwhere(inside).tolist()))
    assert sum(cells_of(path).total() for _, path, _ in shown) == (counts > 0).sum()
    assert keys[-1].name.endswith(f" to {most}")


@pytest.mark.parametrize(
    ("most", "bounds"),
    [
        (1, [1]),
        (2, [1]),
        (3, [1, 3]),
        (1000, [1, 3, 10, 30, 100, 300, 1000]),
        (3000, [1, 10, 100, 1000]),
        (80_000, [1, 10, 100, 1000, 10_000]),
    ],
)
def test_classes_of_colour(most: int, bounds: list[int]) -> None:
    assert maps.heat_bounds(most) == bounds


def test_cells_are_drawn_once_each_and_nothing_else() -> None:
    cells = np.random.default_rng(5).random((17, 23)) < 0.6
    window = maps.Window(row=4, column=9, rows=17, columns=23, cut=False)
    expected = Counter({(row + 4, column + 9): 1 for row, column in np.argwhere(cells).tolist()})
    assert cells_of(maps.cells_path(cells, window)) == expected
    block = maps.cells_path(np.ones((17, 23), dtype=bool), window)
    assert block == "M9 4h23v17h-23z"


def test_solid_wall_around_a_map_is_left_out() -> None:
    trace = walk(1, steps=20)
    trace.walls[:6] = True
    window = maps.map_window([trace])
    assert (window.row, window.column, window.rows, window.columns) == (5, 0, 15, 20)
    assert not window.cut


def test_a_large_map_is_cut_to_where_agents_went() -> None:
    traces = [walk(seed, steps=40, side=200) for seed in (1, 2)]
    visited = np.concatenate([trace.positions.reshape(-1, 2) for trace in traces])
    window = maps.map_window(traces)
    top, left = np.maximum(visited.min(axis=0) - maps.MARGIN, 0)
    bottom, right = np.minimum(visited.max(axis=0) + maps.MARGIN, 199)
    assert (window.row, window.column) == (top, left)
    assert (window.row + window.rows - 1, window.column + window.columns - 1) == (bottom, right)
    assert window.cut
    ground, _ = maps.ground(traces[0], window, maps.object_types(traces), "g")
    rows, columns = zip(*cells_of(ground), strict=True)
    assert (min(rows), max(rows), min(columns), max(columns)) == (top, bottom, left, right)


def test_objects_look_the_same_on_every_map_and_are_counted() -> None:
    trace = walk(4, steps=1, objects=10)
    fewer = walk(5, steps=1, objects=2)
    types = maps.object_types([trace, fewer])
    assert types == ["kind_0", "kind_1", "kind_2", "kind_3"]
    svg, keys = maps.ground(trace, maps.map_window([trace]), types, "g")
    assert [(key.name, key.count) for key in keys] == [
        ("wall", None), ("kind 0", 3), ("kind 1", 3), ("kind 2", 2), ("kind 3", 2),
    ]  # fmt: skip
    for kind in types:
        path = re.search(rf'd="([^"]+)"><title>{kind.replace("_", " ")}</title>', svg).group(1)
        places = [(int(row), int(column)) for column, row in re.findall(r"M(\d+) (\d+)", path)]
        assert places == sorted((one.row, one.column) for one in trace.objects if one.type_name == kind)
    _, same = maps.ground(fewer, maps.map_window([fewer]), types, "g")
    assert {key.name: key.mark for key in same}.items() <= {key.name: key.mark for key in keys}.items()


# ---- animation -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "frames", "per_frame"), [(1, 2, 1), (150, 151, 1), (250, 251, 1), (251, 127, 2), (10_000, 251, 40)]
)
def test_frames(steps: int, frames: int, per_frame: int) -> None:
    drawn = animation.frame_steps(steps)
    assert (len(drawn), drawn[0], drawn[-1]) == (frames, 0, steps)
    assert animation.steps_per_frame(steps) == per_frame
    assert animation.seconds(steps) <= 25.0
    assert set(np.diff(drawn)[:-1]) <= {per_frame}


@pytest.mark.parametrize("steps", [7, 250, 1001])
def test_marks_are_where_agents_were_at_every_frame(steps: int) -> None:
    trace = walk(6, steps=steps)
    style = animation.episode_style(trace, "e5")
    loop = animation.seconds(steps) + animation.HOLD_SECONDS
    assert f"animation-duration:{loop:g}s" in style
    for lag, delay in re.findall(r"\.e5 \.g(\d)\{animation-delay:(.*?)s\}", style):  # a ghost is some frames behind
        assert float(delay) + loop == pytest.approx(int(lag) / animation.FRAMES_PER_SECOND, abs=0.01)
    for agent in range(3):
        keyframes = frames_of(f"e5-a{agent}", style)
        for step in animation.frame_steps(steps):
            percent = 100 * (step / steps) * animation.seconds(steps) / loop
            row, column = trace.positions[step, agent].tolist()
            assert between(keyframes, percent) == pytest.approx([column, row], abs=0.1), (agent, step)
        assert keyframes[-1] == (100.0, trace.positions[-1, agent].tolist()[::-1])
        assert keyframes[-2][1] == keyframes[-1][1]  # the end stays


def test_an_agent_that_stands_still_costs_two_keyframes() -> None:
    trace = walk(6, steps=200)
    trace.positions[:] = trace.positions[0]
    style = animation.episode_style(trace, "e")
    row, column = trace.positions[0, 1].tolist()
    assert [values for _, values in frames_of("e-a1", style)] == [[column, row]] * 3  # start, end, end of the loop


def test_the_mark_of_the_reward_follows_the_mean_over_agents() -> None:
    trace = walk(7, steps=500)
    keyframes = frames_of("e-here", animation.episode_style(trace, "e"))
    chart = animation.reward_chart(trace, "e", "a title")
    means = trace.rewards.mean(axis=1)
    low, high = between(keyframes, 0)[0], between(keyframes, 100)[0]  # percent from the top
    assert low > high
    play = animation.seconds(500) / (animation.seconds(500) + animation.HOLD_SECONDS)
    for step in (0, 2, 100, 346, 498, 500):  # from 0 the mark rises in proportion to the mean
        level = between(keyframes, 100 * play * step / 500)[0]
        assert (low - level) / (low - high) == pytest.approx(means[step] / means[-1], abs=0.005), step
    assert f'e-here" style="top:{high:g}%"' in chart
    line = re.search(r'class="track all" points="([^"]+)"', chart).group(1)
    assert line.split()[-1] == f"500,{high * 10:g}"


def test_a_way_has_every_step_between_cells_once() -> None:
    places = walk(9, steps=700, agents=1).positions[:, 0]
    places = np.concatenate([places, [[3, 3], [9, 14], [9, 13], [9, 14]]])  # moved by force, then on foot
    pairs = zip(places.tolist(), places.tolist()[1:], strict=False)
    walked = {frozenset([tuple(a), tuple(b)]) for a, b in pairs if a != b}
    drawn: Counter[frozenset[tuple[int, int]]] = Counter()
    for x, y, kind, first, second in re.findall(r"M(\d+) (\d+)([hvL])(\d+) ?(\d*)", animation.way_path(places)):
        row, column = int(y), int(x)
        if kind == "L":
            drawn[frozenset([(row, column), (int(second), int(first))])] += 1
            continue
        down, across = (1, 0) if kind == "v" else (0, 1)
        for _ in range(int(first)):
            drawn[frozenset([(row, column), (row + down, column + across)])] += 1
            row, column = row + down, column + across
    assert drawn == Counter(walked)
    assert animation.way_path(places[:1].repeat(5, axis=0)) == ""
    there = np.array([[2, 4], [2, 3], [2, 2], [3, 2], [4, 2], [4, 3], [4, 4], [4, 3]])
    assert animation.way_path(there) == "M2 2h2M2 4h2M2 2v2"


# ---- the page --------------------------------------------------------------------------------------------------


def test_the_same_traces_give_the_same_bytes(tmp_path: Path) -> None:
    pages = [write_page(tmp_path / name, {"a": walk(1, steps=300), "b": walk(2, steps=30)}) for name in ("1", "2")]
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_pictures_are_well_formed_and_refer_only_to_each_other(tmp_path: Path) -> None:
    text = write_page(tmp_path / "p.html", {"a <b> & c": walk(1, steps=300), "d": walk(2, steps=30)}).read_text()
    text = re.sub(r"<script.*?</script>", "", text, flags=re.S)
    for forbidden in ("https://", "url(http", "<image", "<animate"):
        assert forbidden not in text
    pictures = [
        ElementTree.fromstring(svg)
        for svg in re.findall(r'<svg class="(?:map|figure|key)".*?</svg>(?!</svg>)', text, re.S)
    ]
    assert sum("aria-label" in picture.attrib for picture in pictures) == 2 * (1 + 2)
    assert all("aria-label" in picture.attrib or picture.get("aria-hidden") == "true" for picture in pictures)
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(ids)
    assert set(re.findall(r'for="([^"]+)"', text)) <= set(ids)
    assert set(re.findall(r"animation-name:([\w-]+)", text)) == set(re.findall(r"@keyframes ([\w-]+)", text))


def test_only_the_pages_own_scripts_may_run(tmp_path: Path) -> None:
    text = write_page(tmp_path / "p.html", {"a": walk(1, steps=30)}).read_text()
    scripts = re.findall(r"<script>(.*?)</script>", text, re.S)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text).group(1)
    allowed = re.search(r"script-src ([^;]+);", policy).group(1).split()
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert allowed == [f"'sha256-{digest}'" for digest in hashes]
    assert len(scripts) == 3  # Vega, the charts' and the player's
    assert policy.startswith("default-src 'none'")


def test_where_the_numbers_come_from_is_told_in_words(tmp_path: Path) -> None:
    record = {"host": {"slurm_job_id": None}, "git": {"dirty": False}, "code": {"unfollowed": []}}
    text = write_page(tmp_path / "p.html", {"a": walk(1, steps=5)}, provenance=record).read_text()
    assert "<dt>Machine: Slurm job</dt><dd>–</dd>" in text
    assert "<dt>Source code: Uncommitted changes</dt><dd>no</dd>" in text
    assert "unfollowed" not in text


def test_captions_say_what_is_drawn(tmp_path: Path) -> None:
    text = " ".join(write_page(tmp_path / "p.html", {"a": walk(1, steps=300)}).read_text().split())
    assert "Steps that all 3 agents together spent on each cell, in 1 of 4 episodes, the median;" in text
    assert "; the others have other maps." in text
    trace = walk(1, steps=300)
    for kind in range(4):
        assert f"</svg>kind {kind} <span" in text
    visited, things = np.unique(trace.positions[1:].reshape(-1, 2), axis=0), len(trace.objects)
    assert f"visited {len(visited)} of the {(~trace.walls).sum() - things} cells" in text
    assert "Episode 0 (seed 0), the median of 4 by mean reward" in text


def test_a_policy_that_never_finished_an_episode_is_said_to(tmp_path: Path) -> None:
    text = write_page(tmp_path / "p.html", {"broken": None, "fine": walk(1, steps=30)}).read_text()
    assert "All 4 episodes failed, so there is nothing to draw." in text
    assert "ValueError: a bad &lt;action&gt;" in text
    assert text.count('class="map"') == 2
    alone = write_page(tmp_path / "alone.html", {"broken": None}).read_text()
    assert "All 4 episodes failed" in alone
    assert 'class="map"' not in alone


def test_a_page_of_three_policies_on_maps_as_large_as_machina_1_stays_small(tmp_path: Path) -> None:
    long = {
        name: tuple(walk(place + number, steps=2000, agents=8, side=98, walls=0.35, objects=300) for number in range(3))
        for place, name in enumerate("abc")
    }
    page = write_page(tmp_path / "p.html", long)
    assert 300_000 < page.stat().st_size - len(interactive.scripts().encode()) < 1_100_000


def test_a_map_that_all_episodes_share_is_drawn_once(tmp_path: Path) -> None:
    one = walk(1, steps=30)
    same = write_page(tmp_path / "same.html", {"a": (one, one, one)}).read_text()
    assert re.findall(r'<g id="([^"]+)"><path class="wall"', same) == ["e0-map"]
    assert same.count('<use href="#e0-map"/>') == 3
    other = write_page(tmp_path / "other.html", {"a": (walk(2, steps=30), one, walk(3, steps=30))}).read_text()
    assert sorted(re.findall(r'<g id="([^"]+)"><path class="wall"', other)) == ["e0-0-map", "e0-2-map", "e0-map"]


# ---- the player --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 7, 1000, 1001, 2500])
def test_the_player_has_the_place_of_every_agent_at_every_frame(steps: int) -> None:
    trace = walk(6, steps=steps)
    text = player.scene_data(trace)
    assert "<" not in text
    data = json.loads(text)
    assert (data["steps"], data["seconds"]) == (steps, animation.seconds(steps))
    frames = animation.frame_steps(steps, player.MAX_FRAMES)
    assert len(frames) <= player.MAX_FRAMES + 1
    assert frames[:-1] == list(range(0, steps, data["each"]))
    for agent in range(3):
        rows, columns = ([ord(one) - player.OFFSET for one in data[axis][agent]] for axis in "yx")
        assert [list(place) for place in zip(rows, columns, strict=True)] == trace.positions[frames, agent].tolist()


def test_coordinates_of_the_largest_maps_survive_as_characters() -> None:
    trace = walk(6, steps=3)
    trace.positions[:] = [[[0, 1999]] * 3, [[25, 26]] * 3, [[57, 58]] * 3, [[1999, 0]] * 3]  # " and \\ and < among them
    text = player.scene_data(trace)
    assert "<" not in text
    data = json.loads(text)
    assert [ord(one) - player.OFFSET for one in data["x"][2]] == [1999, 26, 58, 0]
    assert [ord(one) - player.OFFSET for one in data["y"][2]] == [0, 25, 57, 1999]


def test_an_episode_that_is_several_of_best_median_and_worst_is_offered_once() -> None:
    trace = walk(1, steps=3)
    alike = TracedEpisode(
        ranks=("best", "median", "worst"), episode=3, env_seed=3, mean_reward=0, success=None, trace=trace
    )
    two = dataclasses.replace(alike, ranks=("median", "worst"))
    assert player.ranks_in_words(alike, traced("a", trace, episodes=(alike,))) == "all alike"
    assert player.ranks_in_words(alike, traced("a", trace, episodes=(alike,), num_played=1)) == "the only one"
    assert player.ranks_in_words(two, traced("a", trace, episodes=(alike, two))) == "median and worst"


def test_a_reward_that_never_changes_has_a_sentence_and_no_flat_curve(tmp_path: Path) -> None:
    trace = walk(1, steps=30)
    trace.rewards[:] = 0
    text = write_page(tmp_path / "p.html", {"a": trace}).read_text()
    assert 'class="reward-curve"' not in text
    assert "No agent's reward changed in this episode." in text
    assert 'class="reward-curve"' in write_page(tmp_path / "q.html", {"a": walk(7, steps=300)}).read_text()


# ---- answer, failures and commands -------------------------------------------------------------------------------


def test_the_page_starts_with_the_answer(tmp_path: Path) -> None:
    text = write_page(tmp_path / "p.html", {"a": walk(1, steps=30), "b": walk(2, steps=30)}).read_text()
    rewards = np.array([0, 1, 2, 4.5])
    low, high = intervals.mean_interval([rewards]).low, intervals.mean_interval([rewards]).high
    values = f"{number(rewards.mean())} reward per agent ({span(low, high)})"
    sentence = f"a {values}, b {values.replace(' reward per agent', '')}: the same for both."
    assert f'<p class="lead"><span>{sentence}</span></p>' in text
    assert text.index('class="lead"') < text.index('id="charts"') < text.index('id="policies"')


def test_a_failed_policy_is_the_headline_and_a_line_of_every_chart(tmp_path: Path) -> None:
    text = write_page(tmp_path / "p.html", {"mynet": None, "fine": walk(1, steps=30)}).read_text()
    flat = " ".join(text.split())
    assert "<strong>mynet: 4 of 4 episodes failed</strong>: <code>ValueError: a bad &lt;action&gt;</code>" in flat
    assert flat.index("mynet: 4 of 4") < flat.index('class="lead"')
    frames = {"mynet": episodes("mynet", [None] * 4), "fine": episodes("fine", [0, 1, 2, 4.5])}
    shown = [
        Shown(name=name, series=name, analysis=analyze_episodes(frame, METADATA), episodes=frame)
        for name, frame in frames.items()
    ]
    charts = mission_charts(shown, ("mynet", "fine"), "m")
    assert [row["label"] for row in charts["rewards"].rows] == ["mynet (failed)", *["fine"] * 4]
    row, other = charts["reward"].rows
    assert (row["label"], row["value"], row["status"]) == ("mynet", None, "failed")
    assert row["text"] == "failed in every episode"
    assert (other["label"], other["value"]) == ("fine", 1.875)
    alone = write_page(tmp_path / "q.html", {"mynet": None}).read_text()
    assert "No policy has a result: every episode failed." in alone
    assert 'class="chart"' not in alone  # axes without anything on them


def test_charts_hold_what_the_records_say() -> None:
    frame = episodes("a", [0, 1, 2, 4.5])
    frame["success"] = [True, False, False, False]
    shown = Shown(name="a, seed 1", series="a", analysis=analyze_episodes(frame, METADATA), episodes=frame)
    charts = mission_charts([shown], ("other", "a"), "m")
    assert list(charts) == ["success", "reward", "rewards"]
    (success,), (reward,) = charts["success"].rows, charts["reward"].rows
    analysis = shown.analysis
    assert (success["value"], (success["low"], success["high"])) == (0.25, analysis.success_interval)
    assert success["text"] == "25 % (5 to 70 %)"
    assert (reward["value"], (reward["low"], reward["high"])) == (1.875, analysis.reward_interval)
    chart = charts["reward"]
    assert isinstance(chart, IntervalChart)
    assert {(point["seed"], point["value"]) for point in chart.points} == {(0, 0), (1, 1), (2, 2), (3, 4.5)}
    bars = charts["rewards"].rows
    assert [bar["count"] for bar in bars] == [1, 1, 1, 1]
    assert sum(bar["share"] for bar in bars) == 1
    for bar, value in zip(bars, (0, 1, 2, 4.5), strict=True):
        assert bar["low"] <= value <= bar["high"]
    assert {row["series"] for one in charts.values() for row in one.rows} == {"a"}
    assert {row["label"] for one in charts.values() for row in one.rows} == {"a, seed 1"}


def test_values_that_are_all_equal_have_no_histogram() -> None:
    frame = episodes("a", [2.0] * 4)
    shown = Shown(name="a", series="a", analysis=analyze_episodes(frame, METADATA), episodes=frame)
    assert list(mission_charts([shown], ("a",), "m")) == ["reward"]


def test_a_failure_mode_has_a_command_or_a_link_to_a_replay(tmp_path: Path) -> None:
    out = tmp_path / "out"
    tables = {name: out / "evaluations" / name / "m" / "episodes.parquet" for name in ("a b", "bad")}
    setting = PageSetting(report=out / "reports" / "missions" / "m.json", episodes=tables)
    traces = {"a b": walk(1, steps=30), "bad": None}
    page = out / "reports" / "missions" / "m.html"
    text = html.unescape(write_page(page, traces, setting).read_text())
    report = out / "reports" / "missions" / "m.json"
    assert f"<code>python -m daf.evaluation.replays {report} 'a b' 0</code>" in text  # the one without reward
    assert f"<code>cat {out}/logs/evaluations/bad/m/episodes-*.log</code>" in text
    linked = html.unescape(write_page(page, traces, dataclasses.replace(setting, replays=("worst",))).read_text())
    assert 'href="../../replays/a b/m/worst.json.z">replay of the worst episode, seed 0</a>' in linked
    assert "daf.evaluation.replays" not in linked
    assert "daf.evaluation.replays" not in write_page(page, traces).read_text()


def test_members_of_a_team_are_named(tmp_path: Path) -> None:
    team = traced("team", walk(1, steps=3), agent_policies=["left", "right", "left"])
    keys = animation.agent_keys(team.agent_policies)
    assert [key.name for key in keys] == ["left", "right", "left"]
    assert [re.search(r">(\d)</text>", key.mark).group(1) for key in keys] == ["0", "1", "2"]


def test_a_number_after_a_name_from_right_to_left_stays_behind_it(tmp_path: Path) -> None:
    page = write_page(
        tmp_path / "m.html", {"\u0634\u0639\u0627\u0631 \u0645\u062a": walk(1, steps=5), "<b>": walk(2, steps=5)}
    )
    text = page.read_text()
    lead = text[text.index('<p class="lead">') :].partition("</p>")[0]
    assert "<bdi>\u0634\u0639\u0627\u0631 \u0645\u062a</bdi> 1.88 reward per agent" in lead
    assert "&lt;b&gt; 1.88" in lead


def test_of_one_agent_and_one_step_the_page_speaks_in_the_singular(tmp_path: Path) -> None:
    text = write_page(tmp_path / "m.html", {"a": walk(1, steps=1, agents=1, side=6, objects=0)}).read_text()
    assert "per agent in 1 step." in text
    assert "Steps that the agent spent on each cell" in text
