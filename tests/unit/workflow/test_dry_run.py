"""What `daf run -n` prints: jobs by step, why they run, and how long that takes."""

from __future__ import annotations

from daf.workflow.dry_run import JobToRun, dry_run_text
from daf.workflow.run_record import PlannedJob


def to_run(rule: str, name: str, why: str = "new", first_estimate_s: float | None = None) -> JobToRun:
    job = PlannedJob(
        rule=rule, name=name, log="", benchmark=None, threads=1, needed=True, first_estimate_s=first_estimate_s
    )
    return JobToRun(job=job, why=why)


def test_jobs_of_a_step_with_one_reason_are_a_line() -> None:
    jobs = [to_run("run_trial", f"s/{number}") for number in range(5)]
    jobs += [to_run("select_best", "s", "its inputs are made again"), to_run("check_evaluations", "")]
    text = dry_run_text(
        "exp", jobs, num_up_to_date=3, durations={"run_trial": 60.0, "select_best": 2.0, "check_evaluations": 2.0},
        parallel=2, notes=["helper.py changed"],
    )  # fmt: skip
    assert text.splitlines() == [
        "exp · a dry-run: nothing is made · 7 jobs to run, 3 up to date",
        "",
        "     5  run_trial          new: s/0, s/1, s/2 and 2 more",
        "     1  select_best        its inputs are made again: s",
        "     1  check_evaluations  new",
        "",
        "time    about 2 min 32 s with 2 at once, by what earlier jobs took",
        "helper.py changed",
    ]


def test_time_is_a_first_estimate_or_unknown_without_earlier_jobs() -> None:
    first = dry_run_text("e", [to_run("a", "x", first_estimate_s=9.0)], num_up_to_date=0, durations={}, parallel=2)
    assert first.splitlines()[-1] == (
        "time    about 9.0 s with 2 at once, a first estimate until such jobs have run here"
    )
    partly = [to_run("a", "x", first_estimate_s=9.0), to_run("b", "x")]
    assert "time    at least 9.0 s" in dry_run_text("e", partly, num_up_to_date=0, durations={}, parallel=2)
    unknown = dry_run_text("e", [to_run("b", "x")], num_up_to_date=0, durations={}, parallel=2)
    assert unknown.splitlines()[-1] == "time    unknown: no such job has run here"


def test_nothing_to_do() -> None:
    text = dry_run_text("e", [], num_up_to_date=41, durations={}, parallel=2)
    assert text == "e · nothing to do, 41 jobs up to date"
