"""`daf status`: what files say, believed only of processes that live."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daf.command import logs
from daf.command.main import main
from daf.logging_config import DAFLogger
from daf.system.job_records import JobRecord, record_path
from daf.system.job_states import JobState, state_path
from daf.system.process_identity import ProcessIdentity
from daf.workflow import status_words
from daf.workflow.run_record import RUN, SILENT_SECONDS, PlannedJob, RunRecord, begin_run, end_run
from daf.workflow.status import ExperimentStatus, read_status
from daf.workflow.submission import Submission
from tests.clocks import set_clock

OWN = ProcessIdentity.own()


def dead() -> ProcessIdentity:
    """A process that has ended, on this machine."""
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    return replace(OWN, pid=child.pid)


def elsewhere(slurm_job_id: str | None = None) -> ProcessIdentity:
    return replace(OWN, host="another", slurm_job_id=slurm_job_id)


def planned(name: str, rule: str = "run_trial", *, needed: bool = True) -> PlannedJob:
    return PlannedJob(
        rule=rule, name=name, log=f"{rule}/{name}.log", benchmark=f"benchmarks/{rule}/{name}.jsonl", threads=1,
        needed=needed,
    )  # fmt: skip


def begin(out: Path, jobs: list[PlannedJob], process: ProcessIdentity = OWN, parallel: int = 2) -> None:
    record = RunRecord(
        experiment="small", files=["my.yaml"], folder=str(out), process=process, began=time.time(), parallel=parallel,
        submits=False, jobs=jobs,
    )  # fmt: skip
    begin_run(record, out)


def finish(out: Path, job: PlannedJob, seconds: float = 10.0) -> None:
    log = out / "logs" / job.log
    JobRecord(rule=job.rule, inputs={}, outputs={}).write(record_path(log))
    assert job.benchmark is not None
    benchmark = out / "logs" / job.benchmark
    benchmark.parent.mkdir(parents=True, exist_ok=True)
    benchmark.write_text(json.dumps({"s": seconds}) + "\n")


def start(out: Path, job: PlannedJob, process: ProcessIdentity = OWN, said: str = "", **changes: Any) -> None:
    log = out / "logs" / job.log
    JobState(rule=job.rule, process=process, began=time.time(), **changes).write(state_path(log))
    log.write_text(said)


def summary(found: ExperimentStatus) -> tuple[str, list[str], dict[str, str], list[str]]:
    started = {status.job.name: status.where for status in found.started}
    return found.state, [job.name for job in found.done], started, [job.name for job in found.left]


JOBS = [planned("a"), planned("b"), planned("c"), planned("d"), planned("e", needed=False)]


def test_a_run_at_work(tmp_path: Path) -> None:
    begin(tmp_path, JOBS)
    assert summary(read_status(tmp_path)) == ("running", [], {}, ["a", "b", "c", "d"])
    finish(tmp_path, JOBS[0])
    start(tmp_path, JOBS[1], said="x · 5 of 20 agent-steps (25 %) · 3/s · 2 min 05 s left\nmore\n")
    start(tmp_path, JOBS[2], dead(), status="failed", ended=time.time(), exit_code=1, said="why\nit failed\n")
    found = read_status(tmp_path)
    assert summary(found) == ("running", ["a"], {"b": "running", "c": "failed"}, ["d"])
    assert found.num_done_before == 1
    running, failed = found.started
    assert (running.progress, running.last_line, running.seconds_left) == ("5 of 20 agent-steps (25 %)", "more", 125)
    assert failed.last_line == "it failed"
    # Left: c and d, 10 s each on two cores, after what b says itself.
    assert found.remaining.seconds == 10 + 125
    assert found.remaining.unknown == {}


def test_a_job_that_died_alone_has_failed_and_with_its_run_it_was_stopped(tmp_path: Path) -> None:
    begin(tmp_path, JOBS[:1])
    start(tmp_path, JOBS[0], dead())
    assert summary(read_status(tmp_path))[2] == {"a": "failed"}
    begin(tmp_path, JOBS[:1], dead())
    start(tmp_path, JOBS[0], dead())
    assert summary(read_status(tmp_path)) == ("killed", [], {"a": "stopped"}, [])


def test_a_job_that_outlives_its_run_is_running(tmp_path: Path) -> None:
    begin(tmp_path, JOBS[:2], dead())
    start(tmp_path, JOBS[0])
    assert summary(read_status(tmp_path)) == ("killed", [], {"a": "running"}, ["b"])


def test_a_killed_run_whose_jobs_all_finished_is_done(tmp_path: Path) -> None:
    begin(tmp_path, JOBS[:1], dead())
    finish(tmp_path, JOBS[0])
    assert summary(read_status(tmp_path)) == ("done", ["a"], {}, [])


def test_what_earlier_runs_left_is_not_taken_for_this_one(tmp_path: Path) -> None:
    """A job to be made again is not done because it once was, nor stopped because it once was."""
    finish(tmp_path, JOBS[0])
    start(tmp_path, JOBS[1], dead())
    begin(tmp_path, JOBS[:2])
    assert summary(read_status(tmp_path)) == ("running", [], {}, ["a", "b"])
    finish(tmp_path, JOBS[0])
    assert summary(read_status(tmp_path)) == ("running", ["a"], {}, ["b"])


@pytest.mark.parametrize(("status", "state"), [("done", "done"), ("failed", "failed")])
def test_the_end_of_a_run(tmp_path: Path, status: Any, state: str) -> None:
    begin(tmp_path, JOBS[:1])
    if status == "done":
        finish(tmp_path, JOBS[0])
    end_run(tmp_path, status)
    assert read_status(tmp_path).state == state


def test_slurm_says_whether_processes_on_other_nodes_live(tmp_path: Path) -> None:
    begin(tmp_path, JOBS[:3], elsewhere("7"))
    start(tmp_path, JOBS[0], elsewhere("8"))
    start(tmp_path, JOBS[1], elsewhere("9"))
    calls: list[None] = []

    def queue(*jobs: str) -> Callable[[], set[str]]:
        return lambda: calls.append(None) or set(jobs)

    assert summary(read_status(tmp_path, queue("7", "8"))) == ("running", [], {"a": "running", "b": "failed"}, ["c"])
    assert len(calls) == 1
    assert summary(read_status(tmp_path, queue()))[0:3:2] == ("killed", {"a": "stopped", "b": "stopped"})


def test_without_slurm_a_run_elsewhere_lives_while_its_heart_beats(tmp_path: Path) -> None:
    begin(tmp_path, JOBS[:1], elsewhere())
    assert read_status(tmp_path).state == "running"
    past = time.time() - SILENT_SECONDS - 1
    os.utime(tmp_path / RUN, (past, past))
    assert read_status(tmp_path).state == "killed"


def test_the_command_prints_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin(tmp_path, JOBS)
    finish(tmp_path, JOBS[0])
    start(tmp_path, JOBS[1], said="x · 5 of 20 agent-steps (25 %)\n")
    start(tmp_path, JOBS[2], dead(), status="failed", said="2026-11-29T00:59:52.102Z ERROR   it failed\n")
    assert main(["status", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"small · {tmp_path} · running"
    assert lines[2] == "  done     1 of 4 jobs; 1 more was up to date"
    assert lines[3].startswith("  running  run_trial b · ")
    assert lines[3].endswith("s · 5 of 20 agent-steps (25 %)")
    assert lines[4:6] == ["  failed   run_trial c", f"           {tmp_path}/logs/run_trial/c.log: it failed"]
    assert lines[6] == "  left     1 job (1 trial)"
    assert lines[7].startswith("  time     about ")
    assert main(["status", str(tmp_path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["state"], answer["done"], answer["left"]) == ("running", 1, {"run_trial": 1})
    assert {job["name"]: job["state"] for job in answer["jobs"]} == {"b": "running", "c": "failed"}


def test_time_that_no_earlier_job_tells_is_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin(tmp_path, JOBS)
    assert main(["status", str(tmp_path)]) == 0
    assert "  time     unknown for 4 trials: none has finished here before" in capsys.readouterr().out


def test_time_that_earlier_jobs_tell_in_part_is_a_lower_bound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(tmp_path, [*JOBS[:2], planned("e", "train_policy")])
    finish(tmp_path, JOBS[0])
    assert main(["status", str(tmp_path)]) == 0
    answer = capsys.readouterr().out
    assert "  time     at least " in answer
    assert "unknown for 1 training run" in answer


def test_every_rule_has_words(repository: Path) -> None:
    files = [*(repository / "workflow" / "rules").glob("*.smk"), repository / "Snakefile"]
    parts = [part for file in files for part in re.split(r"(?m)^rule ", file.read_text())[1:]]
    rules = {part.partition(":")[0] for part in parts if "script:" in part or "shell:" in part}
    assert len(rules) > 20
    assert rules - {"verify"} <= status_words.STEPS.keys()  # what a person asks for by its name, alone


def test_what_is_left_is_in_words() -> None:
    left = [planned(str(place), rule) for place, rule in enumerate(["run_trial"] * 1200 + ["run_trials_s_0", "mine"])]
    assert status_words.by_step(left) == "1,202 jobs (1,200 trials, 1 batch of trials, 1 mine)"


def test_time_before_the_first_run_is_called_a_first_estimate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(tmp_path, [replace(job, first_estimate_s=60.0) for job in JOBS[:2]])
    assert main(["status", str(tmp_path)]) == 0
    answer = capsys.readouterr().out
    assert " left, a first estimate, until jobs of each kind have finished here" in answer
    assert main(["status", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["first_estimate_for"], told["no_estimate_for"]) == ({"run_trial": 2}, {})


def test_the_header_of_a_log_is_nothing_that_its_job_says(tmp_path: Path) -> None:
    begin(tmp_path, JOBS[:1])
    start(tmp_path, JOBS[0])
    DAFLogger("run_trial", log_file=tmp_path / "logs" / JOBS[0].log)
    assert [job.last_line for job in read_status(tmp_path).started] == [""]


def test_a_submitted_run_waits_in_the_queue(
    tmp_path: Path, programs: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    Submission(slurm_job_id="12", submitted=time.time(), command=["x"], log="run-12.log").write(out)
    programs(squeue="echo 12")
    assert main(["status", str(out)]) == 0
    assert capsys.readouterr().out == f"Slurm job 12, which is the run itself, is queued or starting: {out}\n"
    programs(squeue="echo 13")
    assert main(["status", str(out)]) == 0
    assert "ended before the run began" in capsys.readouterr().out


def test_where_nothing_ran_an_error_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(tmp_path)]) == 2
    assert "expected: the record of a run" in capsys.readouterr().err
    assert main(["status", str(tmp_path / "absent")]) == 2
    assert "found:    no such folder" in capsys.readouterr().err


def test_thousands_of_jobs(tmp_path: Path) -> None:
    jobs = [planned(f"{number:04d}") for number in range(4000)]
    begin(tmp_path, jobs)
    (tmp_path / "logs" / "run_trial").mkdir()
    for job in jobs[:3]:
        finish(tmp_path, job)
    found = read_status(tmp_path)
    assert (len(found.done), len(found.left)) == (3, 3997)


# ---- logs -----------------------------------------------------------------------------------------------------


def test_logs_are_those_of_what_runs_then_of_what_failed_then_the_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(tmp_path, JOBS)
    assert main(["logs", str(tmp_path)]) == 1
    assert "found:    none yet" in capsys.readouterr().err
    finish(tmp_path, JOBS[0])
    (tmp_path / "logs" / JOBS[0].log).write_text("finished\n")
    assert main(["logs", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"run_trial a · done · {tmp_path}/logs/run_trial/a.log\n  finished\n"
    start(tmp_path, JOBS[1], dead(), status="failed", ended=time.time(), exit_code=1, said="why\nit failed\n")
    assert main(["logs", str(tmp_path), "--lines", "1"]) == 0
    assert capsys.readouterr().out == f"run_trial b · failed · {tmp_path}/logs/run_trial/b.log\n  it failed\n"
    start(tmp_path, JOBS[2], said="".join(f"line {number}\n" for number in range(1_000)))
    assert main(["logs", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("run_trial c · running")
    assert lines[1:] == [f"  line {number}" for number in range(980, 1_000)]
    assert main(["logs", str(tmp_path), "--job", "trial b"]) == 0
    assert "it failed" in capsys.readouterr().out


def test_logs_of_a_job_are_followed_until_it_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(tmp_path, JOBS)
    start(tmp_path, JOBS[1], said="first\n")
    start(tmp_path, JOBS[2], said="another\n")
    assert main(["logs", str(tmp_path), "--follow"]) == 2
    error = capsys.readouterr().err
    assert "expected: one job to follow\n  found:    run_trial b, run_trial c" in error

    def meanwhile(seconds: float) -> None:
        with open(tmp_path / "logs" / JOBS[1].log, "a") as log:
            log.write("second\n")
        finish(tmp_path, JOBS[1])

    set_clock(monkeypatch, logs, sleep=meanwhile)
    assert main(["logs", str(tmp_path), "--follow", "--job", "trial b"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["first", "second"]


@pytest.mark.parametrize(
    ("arguments", "expected", "found"),
    [
        (["--job", "absent"], "a job with a log", "none with 'absent' in its name"),
        (["--lines", "0"], "at least 1", "0"),
    ],
)
def test_logs_that_cannot_be_shown(
    arguments: list[str], expected: str, found: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(tmp_path, JOBS)
    start(tmp_path, JOBS[1], said="first\n")
    assert main(["logs", str(tmp_path), *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[1:3] == [f"  expected: {expected}", f"  found:    {found}"]


# ---- stop -----------------------------------------------------------------------------------------------------


def test_stop_says_how_the_last_run_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin(tmp_path, JOBS[:1])
    finish(tmp_path, JOBS[0])
    end_run(tmp_path, "done")
    for _ in range(2):
        assert main(["stop", str(tmp_path)]) == 1
        assert "found:    no run is at work: the last one has finished\n" in capsys.readouterr().err
    begin(tmp_path, JOBS[1:2], dead())
    assert main(["stop", str(tmp_path)]) == 1
    assert "found:    no run is at work: the last one was killed\n" in capsys.readouterr().err


def test_stop_names_the_machine_of_a_run_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin(tmp_path, JOBS, elsewhere())
    assert main(["stop", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert f"found:    process {OWN.pid} on another\n  hint:     run `daf stop` on another\n" in error


def test_every_key_of_the_json_answer_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from daf.command.status_answer import JobAnswer, StatusAnswer

    with pytest.raises(SystemExit):
        main(["status", "--help"])
    text = capsys.readouterr().out
    assert [key for answer in (StatusAnswer, JobAnswer) for key in answer.__annotations__ if key not in text] == []
    begin(tmp_path, JOBS)
    start(tmp_path, JOBS[1], said="first\n")
    assert main(["status", str(tmp_path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer.keys() == StatusAnswer.__annotations__.keys()
    assert answer["jobs"][0].keys() == JobAnswer.__annotations__.keys()
