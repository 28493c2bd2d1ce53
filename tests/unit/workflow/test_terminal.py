"""What a run says: a line per job, what it waits for, and last words."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest

from daf.logging_config import create_daf_logger
from daf.system.files import write_json
from daf.system.job_states import JobState, state_path
from daf.workflow.closing import closing_text, failed_text, stopped_text
from daf.workflow.run_record import PlannedJob
from daf.workflow.terminal import RunMessages


class Spoken:
    """The messages of a run with two trials and a merge, on a simulated clock."""

    def __init__(self, folder: Path, first_estimate_s: float | None = None) -> None:
        self.now, self.logs, self.stream = 1_000_000.0, folder, io.StringIO()
        self.jobs = {
            number: PlannedJob(
                rule=rule,
                name=name,
                log=f"{rule}-{number}.log",
                benchmark=None,
                threads=1,
                needed=rule != "old",
                first_estimate_s=first_estimate_s,
            )
            for number, (rule, name) in enumerate([("trial", "s/0"), ("trial", "s/1"), ("merge", ""), ("old", "x")])
        }
        self.messages = RunMessages(
            "exp", self.jobs, folder, parallel=2,
            logger=create_daf_logger("test-of-messages", stream=self.stream), clock=lambda: self.now,
        )  # fmt: skip

    def wrote(self, number: int, text: str = "said") -> None:
        log = self.logs / self.jobs[number].log
        log.write_text(f"# session x\n2026 INFO {text}")
        os.utime(log, (self.now, self.now))

    def lines(self) -> list[str]:
        """What was said since the last call."""
        text = self.stream.getvalue()
        self.stream.truncate(0)
        self.stream.seek(0)
        return [line.split(maxsplit=2)[2] for line in text.splitlines()]

    def waits(self, seconds: float) -> list[str]:
        for _ in range(int(seconds)):
            self.now += 1
            self.messages.look()
        return self.lines()


@pytest.fixture
def spoken(tmp_path: Path) -> Spoken:
    return Spoken(tmp_path)


def test_each_job_that_ends_is_a_line_with_the_state_of_the_experiment(spoken: Spoken) -> None:
    spoken.messages.started(0)
    spoken.now += 30
    spoken.messages.finished(0)
    spoken.messages.finished(7)  # a rule without a log
    assert spoken.lines() == ["trial s/0 · done in 30 s · 1 of 3 jobs"]  # no merge has ended, so no time is known
    spoken.messages.started(2)
    spoken.now += 4
    spoken.messages.finished(2)
    assert spoken.lines() == ["merge · done in 4.0 s · 2 of 3 jobs, about 30 s left"]
    spoken.messages.started(1)
    spoken.now += 10
    assert spoken.waits(1) == ["waiting for trial s/1 (11 s) · 2 of 3 jobs, about 24 s left"]
    spoken.messages.finished(1)
    assert spoken.lines() == ["trial s/1 · done in 11 s · 3 of 3 jobs"]
    assert spoken.waits(4) == ["waiting for the last pages · 3 of 3 jobs"]


def test_silence_ends_before_five_seconds_and_after_a_minute_less_often(spoken: Spoken) -> None:
    assert spoken.waits(4) == ["waiting for Snakemake to choose jobs · 0 of 3 jobs"]
    spoken.messages.started(0)
    spoken.messages.started(1)
    assert spoken.waits(4) == ["waiting for trial s/0 (4.0 s), trial s/1 (4.0 s) · 0 of 3 jobs"]
    assert len(spoken.waits(52)) == 13
    assert spoken.waits(7) == []
    assert len(spoken.waits(1 + 16 + 32 + 64 + 64)) == 5


def test_a_job_that_speaks_is_not_interrupted(spoken: Spoken) -> None:
    spoken.messages.started(0)
    for _ in range(5):
        spoken.wrote(0)
        assert spoken.waits(3) == []
    assert spoken.waits(1) == ["waiting for trial s/0 (16 s) · 0 of 3 jobs"]


def test_the_time_left_is_a_first_estimate_until_jobs_of_each_kind_have_ended(tmp_path: Path) -> None:
    spoken = Spoken(tmp_path, first_estimate_s=20.0)
    assert spoken.waits(4)[-1].endswith("0 of 3 jobs, about 30 s left (a first estimate)")
    for number in (0, 2):
        spoken.messages.started(number)
        spoken.now += 8
        spoken.messages.finished(number)
    assert spoken.lines()[-1].endswith("2 of 3 jobs, about 8.0 s left")


def test_what_a_job_says_of_its_time_left_counts_more_than_the_estimate(tmp_path: Path) -> None:
    """A line about the experiment must not promise less than the line of a job beside it."""
    spoken = Spoken(tmp_path, first_estimate_s=20.0)
    spoken.messages.started(0)
    spoken.wrote(0, "trial 0 · 5 of 10 agent-steps (50 %) · 2/s · 1 min 40 s left · reward 3")
    spoken.now += 10
    assert spoken.waits(1)[-1].endswith("0 of 3 jobs, about 1 min 49 s left (a first estimate)")  # 89 + (20 + 20) / 2


def test_the_header_of_a_log_is_not_speech(spoken: Spoken) -> None:
    spoken.messages.started(0)
    (spoken.logs / spoken.jobs[0].log).write_text("# session x\n")
    assert spoken.waits(4) == ["waiting for trial s/0 (4.0 s) · 0 of 3 jobs"]


@pytest.mark.parametrize(
    ("exit_code", "how"),
    [(1, ""), (2, ""), (-9, ": killed by SIGKILL"), (137, ": killed by SIGKILL"), (3, ": exit code 3")],
)
def test_a_failed_job_is_named_with_what_it_could_not_say_itself(spoken: Spoken, exit_code: int, how: str) -> None:
    spoken.messages.started(0)
    log = spoken.logs / spoken.jobs[0].log
    JobState.begin("trial", state_path(log)).end(state_path(log), exit_code, interrupted=False)
    spoken.now += 12
    spoken.messages.failed(0)
    assert spoken.lines() == [f"trial s/0 · failed after 12 s{how} · see {log}"]
    written = log.read_text() if log.exists() else ""
    assert (written.partition("ERROR   ")[2] == f"trial s/0{how}\n") if how else not written
    spoken.messages.retried(0)
    spoken.messages.started(0)
    spoken.now += 2
    spoken.messages.finished(0)
    assert spoken.lines() == ["trial s/0 · done in 2.0 s · 1 of 3 jobs, 1 failed"]


def test_an_interrupted_job_has_said_so_itself(spoken: Spoken) -> None:
    spoken.messages.started(0)
    spoken.messages.interrupted()
    assert spoken.lines() == ["interrupted · waiting for jobs to save what they have: trial s/0"]
    spoken.messages.failed(0)
    assert spoken.lines() == []


def test_an_interrupted_run_promises_no_time(tmp_path: Path) -> None:
    spoken = Spoken(tmp_path, first_estimate_s=20.0)
    spoken.messages.started(0)
    spoken.messages.interrupted()
    spoken.lines()
    assert spoken.waits(4) == ["waiting for trial s/0 (4.0 s) · 0 of 3 jobs"]


def pair(a: str, b: str, verdict: str, mission: str = "overall", estimand: str = "checkpoints") -> dict[str, Any]:
    return {"policy_a": a, "policy_b": b, "verdict": verdict, "mission": mission, "estimand": estimand}


def test_the_last_words_name_verdicts_and_pages(tmp_path: Path) -> None:
    out = tmp_path
    pairs = [
        pair("a", "b", "better"), pair("a", "c", "worse"), pair("b", "c", "inconclusive"),
        pair("a", "b", "worse", mission="one"), pair("a", "b", "better", estimand="recipes"),
        pair("a", "c", "insufficient data", estimand="recipes"),
    ]  # fmt: skip
    write_json(out / "comparisons" / "main" / "comparison.json", {"pairwise": pairs})
    (out / "comparisons" / "main" / "comparison.json").with_name("damaged").mkdir()
    write_json(out / "comparisons" / "few" / "comparison.json", {"pairwise": [pair("a", "b", "insufficient data")]})
    names = [f"comparisons/{name}/comparison.json" for name in ("few", "main", "gone")]
    names.append("comparisons/main/report.html")
    names += [f"reports/missions/m{number}.html" for number in range(6)] + [
        "deployment/a-1.0.0.zip",
        "sweeps/s/best.json",
        "tournaments/cup/results.json",
        "tournaments/cup/report.html",
        "tournaments/damaged/results.json",
    ]
    write_json(out / "tournaments" / "cup" / "results.json", {"answer": "a is worth more than the pool."})
    write_json(out / "tournaments" / "damaged" / "results.json", {"answer": None})
    text = closing_text("exp", out, {f"{out}/{name}" for name in names}, num_jobs=12, seconds=95)
    rule, head, *rows, end = text.splitlines()
    assert set(rule) == {"─"} == set(end)
    assert head == "exp · done · 12 jobs in 1 min 35 s"
    assert [row.strip() for row in rows] == [
        "few: too little data for a verdict, see its report",
        "main: a beats b",
        "main: c beats a",
        "main: b and c: undecided",
        "main: the recipe of a beats that of b",
        "cup: a is worth more than the pool",
        f"report   {out}/comparisons/main/report.html",
        f"report   {out}/tournaments/cup/report.html",
        *(f"mission  {out}/reports/missions/m{number}.html" for number in range(4)),
        f"and 2 more below {out}/reports/missions/",
        f"package  {out}/deployment/a-1.0.0.zip",
    ]


def test_an_interrupted_run_says_how_to_go_on() -> None:
    text = stopped_text("exp", num_done=3, total=9, seconds=70)
    assert text == "exp · stopped after 1 min 10 s · 3 of 9 jobs are done; the same command continues"


def test_a_run_with_failed_jobs_ends_with_their_names_and_logs(spoken: Spoken) -> None:
    for number in (0, 1):
        spoken.messages.started(number)
        spoken.messages.failed(number)
    spoken.messages.retried(0)
    spoken.messages.started(0)
    spoken.messages.finished(0)
    (failure,) = spoken.messages.failures()
    assert failure == f"trial s/1, see {spoken.logs}/trial-1.log"
    text = failed_text("exp", Path("o"), ["o/sweeps/s/report.html"], [failure] * 8, num_done=1, total=3, seconds=70)
    _, head, *rows, end, _ = text.splitlines()
    assert head == "exp · failed after 1 min 10 s · 1 of 3 jobs are done"
    assert rows[:6] == [f"  failed   {failure}"] * 6
    assert rows[6:] == ["           and 2 more, see `daf status`", "  sweep    o/sweeps/s/report.html"]
    assert end == "  The same command tries them again, and makes what is left."
