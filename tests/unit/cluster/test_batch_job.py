"""Training as a Slurm job, with stand-ins for Slurm's programs: what is submitted, and what its states mean."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daf.cluster.batch_job import SlurmError, SlurmOptions, SlurmProcess, batch_script, submit, submit_command
from daf.distributed_training import TrainingError, daf_launch_distributed_training
from daf.errors import BadInputError, UnfitEnvironmentError
from daf.training.options import TrainingSpec

Programs = Callable[..., Path]


def calls(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


# ---- what is submitted ------------------------------------------------------------------------------------


def test_the_submit_line() -> None:
    script = Path("/data/100% mine/seed-1/slurm.sh")
    assert submit_command(script, "run-seed-1", 2, 4, SlurmOptions()) == [
        "sbatch", "--parsable", "--job-name=daf-run-seed-1", "--nodes=2", "--ntasks-per-node=1", "--cpus-per-task=4",
        "--time=60", "--signal=B:USR1@120", "--requeue", "--open-mode=append",
        "--output=/data/100%% mine/seed-1/processes.log", "/data/100% mine/seed-1/slurm.sh",
    ]  # fmt: skip
    assert "--cpus-per-task=16" in submit_command(script, "run", 1, 2, SlurmOptions(gpus_per_node=2))  # of the profile
    options = SlurmOptions(
        partition="gpu", account="lab", time_minutes=720, gpus_per_node=4, cpus_per_task=16, memory_mb=64000
    )
    assert submit_command(script, "run", 8, 4, options)[3:11] == [
        "--nodes=8", "--ntasks-per-node=1", "--cpus-per-task=16", "--gpus-per-node=4", "--mem=64000M",
        "--partition=gpu", "--account=lab", "--time=720",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "words"),
    [({"partion": "gpu"}, "did you mean 'partition'"), ({"time_minutes": 4}, "more than 4 minutes")],
)
def test_wrong_options_are_refused(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=words):
        daf_launch_distributed_training(output_dir=tmp_path, slurm=options)
    assert list(tmp_path.iterdir()) == []


def test_a_training_is_submitted_whole(tmp_path: Path, programs: Programs) -> None:
    log = programs(sbatch="echo '4711;mini'", squeue="echo PENDING")
    job = daf_launch_distributed_training(
        "training_facility_1", num_steps=256, num_machines=2, output_dir=tmp_path, slurm={"partition": "gpu"}
    )
    folder = tmp_path / "training" / "run" / "seed-1"
    (line,) = calls(log)
    assert line.startswith("sbatch --parsable --job-name=daf-run-seed-1 --nodes=2 ")
    assert line.endswith(f"--output={folder}/processes.log {folder}/slurm.sh")
    assert (folder / "slurm.sh").read_text() == batch_script(folder / "job.json")
    assert TrainingSpec.read(folder / "job.json").options.num_machines == 2
    assert isinstance(job._process, SlurmProcess)
    assert job._process.job_id == "4711"
    assert job.status().state == "queued"


def test_what_slurm_refuses_is_said(tmp_path: Path, programs: Programs) -> None:
    programs(sbatch="echo 'sbatch: error: invalid partition specified: gpux' >&2; exit 1")
    with pytest.raises(SlurmError, match="invalid partition specified: gpux"):
        submit(tmp_path / "job.json", "run", 2, 1, SlurmOptions(partition="gpux"))


def test_without_slurm_nothing_can_be_submitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnfitEnvironmentError, match="sbatch"):
        submit(tmp_path / "job.json", "run", 2, 1, SlurmOptions())


# ---- the script -------------------------------------------------------------------------------------------

LAUNCHER = """
import signal, sys, threading
got = []
for name in ("SIGTERM", "SIGUSR1"):
    signal.signal(getattr(signal, name), lambda number, frame: got.append(signal.Signals(number).name))
open({ready!r}, "w").close()
while not got:
    signal.pause()
open({said!r}, "w").write(got[0])
sys.exit(75)
"""


def run_script(folder: Path, python: str, send: signal.Signals | None) -> subprocess.CompletedProcess[bytes]:
    """Run the batch script with a stand-in for the launcher (a program of Python), signalled once it is ready."""
    ready, said = folder / "ready", folder / "said"
    (folder / "launcher.py").write_text(python.format(ready=str(ready), said=str(said)))
    launcher = f"{sys.executable} -m daf.training.launch --job '{folder / 'job.json'}'"
    script = batch_script(folder / "job.json").replace("sleep 60", "true")
    assert launcher.replace("'", "") in script
    script = script.replace(launcher.replace("'", ""), f"{sys.executable} {folder / 'launcher.py'}")
    (folder / "slurm.sh").write_text(script)
    process = subprocess.Popen(["bash", str(folder / "slurm.sh")], env={**os.environ, "SLURM_JOB_ID": "4711"})
    if send is not None:
        while not ready.exists():
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.02)
        process.send_signal(send)
    return subprocess.CompletedProcess([], process.wait(60))


@pytest.mark.parametrize("code", [0, 1, 2])
def test_the_script_passes_the_end_on(code: int, tmp_path: Path, programs: Programs) -> None:
    log = programs(scontrol="")
    assert run_script(tmp_path, f"raise SystemExit({code})", None).returncode == code
    assert (tmp_path / "slurm-exit-code").read_text() == f"{code}\n"
    assert calls(log) == []


def test_a_warning_saves_and_puts_the_job_back(tmp_path: Path, programs: Programs) -> None:
    log = programs(scontrol="")
    assert run_script(tmp_path, LAUNCHER, signal.SIGUSR1).returncode == 75
    assert (tmp_path / "said").read_text() == "SIGUSR1"
    assert calls(log) == ["scontrol requeue 4711"]
    assert not (tmp_path / "slurm-exit-code").exists()  # the job is not over


def test_a_cancelled_job_saves_and_is_over(tmp_path: Path, programs: Programs) -> None:
    log = programs(scontrol="")
    assert run_script(tmp_path, LAUNCHER, signal.SIGTERM).returncode == 75
    assert (tmp_path / "said").read_text() == "SIGTERM"
    assert calls(log) == []
    assert (tmp_path / "slurm-exit-code").read_text() == "75\n"


def test_a_job_that_cannot_go_back_says_that_it_was_interrupted(tmp_path: Path, programs: Programs) -> None:
    programs(scontrol="exit 1")
    assert run_script(tmp_path, LAUNCHER, signal.SIGUSR1).returncode == 75
    assert (tmp_path / "slurm-exit-code").read_text() == "75\n"


# ---- states -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("squeue", "said", "code"),
    [
        ("echo PENDING", None, None),
        ("echo RUNNING", None, None),
        ("echo COMPLETING", None, None),
        ("echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1", None, None),
        ("echo CANCELLED", None, 75),
        ("echo TIMEOUT", None, 75),
        ("echo NODE_FAIL", None, 75),
        ("echo OUT_OF_MEMORY", None, 1),
        ("echo COMPLETED", "0\n", 0),
        ("echo FAILED", "2\n", 2),
        ("echo COMPLETED", None, 0),
        ("echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1", None, 1),
        ("echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1", "0\n", 0),
        ("true", "0\n", 0),
    ],
)
def test_states(squeue: str, said: str | None, code: int | None, tmp_path: Path, programs: Programs) -> None:
    log = programs(squeue=squeue)
    if said is not None:
        (tmp_path / "slurm-exit-code").write_text(said)
    assert SlurmProcess("4711", tmp_path).poll() == code
    assert calls(log) == ["squeue --noheader --states=all --format=%T --jobs=4711"]


def test_a_job_that_runs_is_asked_to_save(tmp_path: Path, programs: Programs) -> None:
    log = programs(squeue="echo RUNNING", scancel="")
    job = SlurmProcess("4711", tmp_path)
    job.send_signal(signal.SIGTERM)
    job.kill()
    assert calls(log)[1:] == ["scancel --batch --signal=TERM 4711", "scancel 4711"]


def test_a_job_in_the_queue_is_removed(tmp_path: Path, programs: Programs) -> None:
    log = programs(squeue="echo PENDING", scancel="")
    SlurmProcess("4711", tmp_path).send_signal(signal.SIGTERM)
    assert calls(log)[1:] == ["scancel 4711"]


def test_a_job_that_slurm_ended_says_how(tmp_path: Path, programs: Programs) -> None:
    programs(sbatch="echo 4711", squeue="echo OUT_OF_MEMORY")
    job = daf_launch_distributed_training("training_facility_1", num_steps=256, output_dir=tmp_path, slurm={})
    with pytest.raises(TrainingError, match="Slurm says OUT_OF_MEMORY"):
        job.wait_for_completion()
    assert job.status().state == "failed"
