"""The page of an experiment: the same facts as `daf status`, in every state of a run, from files alone."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from daf.reporting import curve_samples
from daf.reporting.curve_samples import SAMPLES, sampled_curve
from daf.reporting.disk_use import DiskUse
from daf.reporting.index_facts import collect, results_of_run, stages_of
from daf.reporting.index_page import Written, cause, lead, render_index, size_in_words
from daf.reporting.sparklines import sparkline
from daf.system.files import json_line, write_json
from daf.system.process_identity import ProcessIdentity
from daf.training import paths
from daf.workflow.run_history import PastRun, changes, read_history
from daf.workflow.run_record import RunRecord, end_run
from daf.workflow.status import read_status
from tests.run_files import OWN, begin, dead, fail, finish, job, page, start

JOBS = [
    job("sweeps/miner/trial-0000"),
    job("sweeps/miner/trial-0001"),
    job("sweeps/miner/describe", "describe_sweep"),
    job("training/hall/seed-1", "train_policy"),
    job("comparisons/main/report", "render_report"),
    job("environment/check", "check_environment", needed=False),
]
ERROR = "2026-11-28T17:52:16.900Z ERROR   run\n  expected: weights\n  found:    no <file>\n  hint:     train again\n"
WRITTEN = Written(at=1_800_000_000.0, by="process 1 on here")


def text_of(html: str) -> str:
    body = html[html.index("<body>") :]
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)))


def rendered(out: Path, written: Written = WRITTEN) -> str:
    return render_index(collect(read_status(out)), written)


# ---- states of a run ------------------------------------------------------------------------------------------


def test_a_run_at_work(tmp_path: Path) -> None:
    begin(tmp_path, JOBS)
    finish(tmp_path, JOBS[0])
    start(tmp_path, JOBS[1], said="x · 5 of 20 agent-steps (25 %) · 3/s · 2 min 05 s left\n")
    fail(tmp_path, JOBS[3], ERROR)
    html = rendered(tmp_path)
    text = text_of(html)
    assert "Running: 1 of 5 jobs done, 1 failed, at least 2 min 05 s left" in text
    assert "Running when this page was written, at" in text
    assert "by process 1 on here." in text
    assert "run_trial miner/trial-0001" in text
    assert "5 of 20 agent-steps (25 %)" in text
    assert "train_policy hall/seed-1 failed : no <file>" in text
    assert "  hint:     train again" in unescape(html)
    assert 'href="logs/training/hall/seed-1.log"' in html
    assert '<meta http-equiv="refresh"' in html
    assert '<meta name="daf-state" content="running">' in html
    assert "Slurm job" not in text
    start(tmp_path, JOBS[1], replace(OWN, slurm_job_id="17"))
    assert f", {replace(OWN, slurm_job_id='17')} starting" in text_of(rendered(tmp_path))  # where it runs
    (environment, sweeps, training, comparisons) = stages_of(read_status(tmp_path))
    assert (environment.name, environment.up_to_date, environment.total) == ("Environment", 1, 0)
    assert (sweeps.name, sweeps.done, sweeps.running, sweeps.left) == ("Sweeps", 1, 1, 1)
    assert (training.name, training.failed) == ("Training", 1)
    assert (comparisons.name, comparisons.left) == ("Comparisons", 1)


def test_a_killed_run_and_the_run_that_continues_it(tmp_path: Path) -> None:
    killed = dead()
    begin(tmp_path, JOBS, killed)
    finish(tmp_path, JOBS[0])
    start(tmp_path, JOBS[1], killed, said="x · 5 of 20 agent-steps (25 %)\n")
    html = rendered(tmp_path)
    assert "Killed: 1 of 5 jobs done" in text_of(html)
    assert "run_trial miner/trial-0001 was stopped : 5 of 20 agent-steps (25 %)" in text_of(html)
    assert "refresh" not in html
    assert "The same command continues it" in text_of(html)
    begin(tmp_path, [replace(JOBS[0], needed=False), *JOBS[1:]])
    text = text_of(rendered(tmp_path))
    assert "Running: 0 of 4 jobs done" in text
    assert "2 more jobs were up to date before." in text
    assert "was stopped" not in text


@pytest.mark.parametrize(
    ("status", "sentence"), [("done", "Finished: 5 of 5 jobs done"), ("failed", "Ended before it was complete: 4 of 5")]
)
def test_the_end_of_a_run(tmp_path: Path, status: str, sentence: str) -> None:
    begin(tmp_path, JOBS)
    for done in JOBS[: 5 if status == "done" else 4]:
        finish(tmp_path, done)
    end_run(tmp_path, "done" if status == "done" else "failed")
    html = rendered(tmp_path)
    assert sentence in text_of(html)
    assert "refresh" not in html
    assert "As of when this page was written" in text_of(html)


def test_the_page_says_what_status_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from daf.command.main import main

    begin(tmp_path, JOBS, began=time.time() - 300)
    finish(tmp_path, JOBS[0])
    start(tmp_path, JOBS[1], said="x · 5 of 20 agent-steps (25 %) · 3/s · 2 min 05 s left\n")
    assert main(["status", str(tmp_path)]) == 0
    answer = capsys.readouterr().out
    text = text_of((tmp_path / "index.html").read_text())
    (time_left,) = re.findall(r"^  time +(.*)$", answer, flags=re.MULTILINE)
    (left,) = re.findall(r"^  left +(.*)$", answer, flags=re.MULTILINE)
    assert f"Time: {time_left}." in text
    assert f"Left: {left}" in text
    assert "1 of 5 jobs" in answer
    assert "Running: 1 of 5 jobs done" in text


def test_the_same_facts_give_the_same_bytes(tmp_path: Path) -> None:
    begin(tmp_path, JOBS)
    finish(tmp_path, JOBS[0])
    fail(tmp_path, JOBS[3], ERROR)
    page(tmp_path, "comparisons/main/report.html", "a wins")
    assert rendered(tmp_path) == rendered(tmp_path)


def test_names_cannot_break_the_page(tmp_path: Path) -> None:
    begin(tmp_path, JOBS, experiment="<script>1</script>", files=["a&b.yaml"])
    fail(tmp_path, JOBS[3], "</pre><script>alert(1)</script>\n")
    html = rendered(tmp_path)
    assert html.count("<script>") == 1  # its own
    assert "&lt;script&gt;alert(1)" in html


@pytest.mark.parametrize(("lines", "expected"), [
    ((), "its log is empty"),
    (("starting", "killed by signal 9"), "killed by signal 9"),
    (tuple(ERROR.splitlines()), "no <file>"),
    (("2026-11-28T17:52:16.900Z ERROR   disk full",), "disk full"),
])  # fmt: skip
def test_why_a_job_failed(lines: tuple[str, ...], expected: str) -> None:
    assert cause(lines) == expected


# ---- results ----------------------------------------------------------------------------------------------------


def test_pages_are_linked_with_their_answers(tmp_path: Path) -> None:
    begin(tmp_path, JOBS)
    page(tmp_path, "comparisons/main/report.html", "an older answer")
    page(tmp_path, "comparisons/other/report.html", "another experiment")
    page(tmp_path, "sweeps/miner/live.html", "trial 3 is the best so far")
    results = collect(read_status(tmp_path)).results
    shown = [(one.name, one.origin, one.sentence) for kind in results.values() for one in kind]
    assert shown == [
        ("main", "outdated", "an older answer"),
        ("other", "other", "another experiment"),
        ("miner", "live", "trial 3 is the best so far"),
    ]
    html = rendered(tmp_path)
    assert '<strong>an older answer</strong> <a href="comparisons/main/report.html">' in html
    assert "<strong>another experiment" not in html  # only what belongs to the run is at the top
    for done in JOBS:
        finish(tmp_path, done)
    page(tmp_path, "sweeps/miner/report.html", "trial 1 is the best")
    results = collect(read_status(tmp_path)).results
    assert [(one.address, one.origin) for one in results["sweeps"]] == [("sweeps/miner/report.html", "current")]
    assert [one.origin for one in results["comparisons"]] == ["current", "other"]


def test_tournaments_are_linked_and_answer_beside_comparisons(tmp_path: Path) -> None:
    jobs = [*JOBS, job("tournaments/cup/report", "render_tournament")]
    begin(tmp_path, jobs)
    (*_, tournaments) = stages_of(read_status(tmp_path))
    assert (tournaments.name, tournaments.left) == ("Tournaments", 1)
    page(tmp_path, "tournaments/cup/report.html", "a is worth more than the pool")
    for done in jobs:
        finish(tmp_path, done)
    (found,) = collect(read_status(tmp_path)).results["tournaments"]
    assert (found.address, found.origin) == ("tournaments/cup/report.html", "current")
    html = rendered(tmp_path)
    assert '<strong>a is worth more than the pool</strong> <a href="tournaments/cup/report.html">' in html
    assert '<h2 id="tournaments">Tournaments</h2>' in html
    assert [one["name"] for one in results_of_run(read_status(tmp_path))] == ["cup"]


def test_a_comparison_without_the_policies_that_failed_takes_the_place_of_the_whole_one(tmp_path: Path) -> None:
    begin(tmp_path, JOBS)
    page(tmp_path, "comparisons/main/partial/report.html", "a wins over b")
    (found,) = collect(read_status(tmp_path)).results["comparisons"]
    assert (found.address, found.origin) == ("comparisons/main/partial/report.html", "partial")
    assert "a wins over b main without the policies that failed" in text_of(rendered(tmp_path))
    finish(tmp_path, JOBS[4])
    page(tmp_path, "comparisons/main/report.html", "c wins")
    (found,) = collect(read_status(tmp_path)).results["comparisons"]
    assert (found.address, found.origin) == ("comparisons/main/report.html", "current")


def test_a_live_page_of_an_earlier_run_does_not_count(tmp_path: Path) -> None:
    page(tmp_path, "sweeps/miner/live.html", "trial 3 is the best so far")
    begin(tmp_path, JOBS, began=time.time() + 60)
    assert [one.origin for one in collect(read_status(tmp_path)).results["sweeps"]] == ["missing"]


def test_every_page_of_results_answers_in_its_head(tmp_path: Path) -> None:
    templates = Path(curve_samples.__file__).parent / "templates"
    for name in ("comparison", "mission", "sweep", "small", "index"):
        text = (templates / f"{name}.html.j2").read_text()
        assert text.index('<meta name="description"') < text.index("</head>"), name
        assert "<style>" not in text[: text.index('<meta name="description"')], name


def test_packages_and_what_became_of_them(tmp_path: Path) -> None:
    begin(tmp_path, JOBS)
    folder = tmp_path / "deployment"
    manifest = {"name": "p", "version": "1.0.0", "mission": "hall", "size_bytes": 2_500_000, "created": "2026"}
    write_json(folder / "p-1.0.0.manifest.json", manifest)
    assert "p 1.0.0 not validated" in text_of(rendered(tmp_path))
    write_json(folder / "p-1.0.0.validation.json", {"is_valid": True})
    write_json(folder / "p-1.0.0.deployed.json", {"endpoint": "registry", "details": {}})
    text = text_of(rendered(tmp_path))
    assert "p 1.0.0 2.5 MB, for hall, loads and plays without DAF; sent to registry" in text
    (folder / "p-1.0.0.validation.json").write_text("{")
    assert "p 1.0.0 not validated" in text_of(rendered(tmp_path))


# ---- curves -----------------------------------------------------------------------------------------------------


def metrics(path: Path, updates: int, ended: Collection[int] | None = None) -> None:
    """Episodes end in the updates `ended`, or in all but the first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ended = range(2, updates + 1) if ended is None else ended
    records = [
        {"update": number, "agent_steps": 10 * number, "episode_reward": number / 10 if number in ended else None}
        for number in range(1, updates + 1)
    ]
    path.write_text("".join(json_line(record) for record in records))


def test_a_curve_grows_next_to_the_state_until_it_is_published(tmp_path: Path) -> None:
    assert (curve_samples.METRICS, curve_samples.STATE) == (paths.METRICS, paths.STATE)
    folder = tmp_path / "training/hall/seed-1"
    assert sampled_curve(folder) is None
    growing = folder / "state/0123/metrics.jsonl"
    metrics(growing, 3)
    with open(growing, "a") as stream:
        stream.write('{"update": 4, "agent_st')  # it is being written
    curve = sampled_curve(folder)
    assert curve is not None
    assert (curve.agent_steps, curve.points) == (30, ((20, 0.2), (30, 0.3)))
    begin(tmp_path, JOBS)
    text = text_of(rendered(tmp_path))
    assert "seed 1, 30 agent-steps, reward per episode 0.3" in text
    assert "Rewards here are measured while policies still explore, on the missions they train on" in text


def test_a_long_curve_is_sampled_from_end_to_end(tmp_path: Path) -> None:
    metrics(tmp_path / "metrics.jsonl", 5000)
    curve = sampled_curve(tmp_path)
    assert curve is not None
    assert len(curve.points) == SAMPLES
    assert (curve.agent_steps, curve.points[-1]) == (50_000, (50_000, 500.0))
    assert curve.points[0] == (20, 0.2)


def test_a_long_curve_keeps_the_few_updates_in_which_episodes_ended(tmp_path: Path) -> None:
    ended = [17, 1501, 1502, 2998, 4123, 4777]
    metrics(tmp_path / "training/hall/seed-1/metrics.jsonl", 5000, ended)
    curve = sampled_curve(tmp_path / "training/hall/seed-1")
    assert curve is not None
    assert (curve.agent_steps, curve.points) == (50_000, tuple((10 * number, number / 10) for number in ended))
    begin(tmp_path, JOBS)
    assert "seed 1, 50,000 agent-steps, reward per episode 477.7" in text_of(rendered(tmp_path))


def test_a_sparkline_has_a_line_per_seed_and_says_its_range(tmp_path: Path) -> None:
    metrics(tmp_path / "a/metrics.jsonl", 4)
    metrics(tmp_path / "b/metrics.jsonl", 2)
    curves = {name: curve for name in "ab" if (curve := sampled_curve(tmp_path / name)) is not None}
    picture = sparkline(curves, "reward")
    assert picture.count("<polyline") == 2
    assert 'aria-label="reward: 0.2 to 0.4 in 40 agent-steps"' in picture
    assert sparkline({}, "reward") == ""


# ---- history, disk --------------------------------------------------------------------------------------------


def run_with(out: Path, config: dict[str, object], began: float, process: ProcessIdentity = OWN) -> RunRecord:
    record = begin(out, JOBS, process, began=began)
    PastRun.begin(record, config, out)
    return record


def test_the_history_tells_what_changed_and_what_came_of_it(tmp_path: Path) -> None:
    run_with(tmp_path, {"training": {"hall": {"num_steps": 10, "lr": 1}}}, 1_700_000_000.0)
    (first,), _ = read_history(tmp_path, 10)
    results = [{"name": "main", "page": "comparisons/main/report.html", "sentence": "a wins"}]
    first.end(replace(read_status(tmp_path), state="done", done=JOBS[:5]), results, tmp_path)
    config = {"training": {"hall": {"num_steps": 20}}, "overrides": {"file": "my.yaml", "keys": {
        "training.hall.num_steps": {"before": 10, "after": 20}}}}  # fmt: skip
    run_with(tmp_path, config, 1_700_000_100.0)
    history, older = read_history(tmp_path, 10)
    assert [past.began for past in history] == [1_700_000_100.0, 1_700_000_000.0]
    assert older == 0
    assert changes(history[1], history[0]) == ["training.hall.lr removed", "training.hall.num_steps: 10 → 20"]
    text = text_of(rendered(tmp_path))
    assert "my.yaml with training.hall.num_steps=20" in text
    assert "training.hall.num_steps: 10 → 20 running, 0 of 5 jobs" in text
    assert "first run of this experiment finished, 5 of 5 jobs main: a wins" in text
    assert read_history(tmp_path, 1)[1] == 1


def test_an_earlier_run_that_left_no_end_was_killed(tmp_path: Path) -> None:
    run_with(tmp_path, {"a": 1}, 1_700_000_000.0, dead())
    run_with(tmp_path, {"a": 1}, 1_700_000_100.0)
    assert re.search(r"nothing running, 0 of 5 jobs .* killed, 0 of 5 jobs", text_of(rendered(tmp_path)))


def test_a_damaged_record_of_an_earlier_run_is_left_out(tmp_path: Path) -> None:
    run_with(tmp_path, {"a": 1}, 1_700_000_000.0)
    (tmp_path / "logs/history/20200101T000000Z-1.json").write_text("{")
    history, others = read_history(tmp_path, 10)
    assert (len(history), others) == (1, 1)


def test_the_size_of_the_folder_is_measured_and_kept(tmp_path: Path) -> None:
    begin(tmp_path, JOBS)
    (tmp_path / "training/hall/seed-1/state").mkdir(parents=True)
    (tmp_path / "training/hall/seed-1/state/x.pt").write_bytes(b"x" * 3_000_000)
    assert DiskUse.last(tmp_path) is None
    measured = DiskUse.measure(tmp_path)
    assert measured.bytes_by_folder["training"] == measured.checkpoint_bytes == 3_000_000
    assert DiskUse.last(tmp_path) == measured
    assert "3.0 MB are checkpoints" in text_of(rendered(tmp_path))


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (123_456_789, "123 MB"), (7e12, "7.0 TB")]
)
def test_sizes_in_words(size: float, words: str) -> None:
    assert size_in_words(size) == words


def test_thousands_of_trials_cost_a_look_at_each_mark_and_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading a result of each trial would take seconds: the page reads those of none."""
    jobs = [job(f"sweeps/miner/trial-{number:04d}") for number in range(4000)]
    begin(tmp_path, jobs)
    for done in jobs[:60]:
        finish(tmp_path, done)
    for begun in jobs[60:80]:
        start(tmp_path, begun, said="x · 5 of 20 agent-steps (25 %)\n")
    opened: list[str] = []
    monkeypatch.setattr("builtins.open", _counting(open, opened))
    html = rendered(tmp_path)
    assert lead(read_status(tmp_path)).startswith("Running: 60 of 4,000 jobs done")
    assert html.count("run_trial miner/trial-") == 12
    assert "And 8 more." in html
    assert len(html) < 60_000
    assert len([path for path in opened if path.startswith(str(tmp_path))]) < 150


def _counting(real, opened):  # type: ignore[no-untyped-def]
    def wrapped(*arguments, **options):  # type: ignore[no-untyped-def]
        opened.append(str(arguments[0]))
        return real(*arguments, **options)

    return wrapped


def test_status_as_json_does_not_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from daf.command.main import main

    begin(tmp_path, JOBS)
    fail(tmp_path, JOBS[3], ERROR)
    assert main(["status", str(tmp_path), "--json"]) == 0
    (failed,) = json.loads(capsys.readouterr().out)["jobs"]
    assert failed["last_line"] == "hint:     train again"
