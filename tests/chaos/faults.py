"""What can happen to a run. Every fault gets the running workflow and a seeded generator."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from tests.chaos.experiment import start

A_DAY = 86_400


class Run:
    """A workflow that may be running in a folder."""

    def __init__(self, folder: Path, targets: tuple[str, ...]) -> None:
        self.folder, self.targets = folder, targets
        self.started: list[subprocess.Popen[bytes]] = []

    @property
    def out(self) -> Path:
        return self.folder / "daf_output"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        return self.started[-1]

    def start(self, more: dict[str, str] | None = None, *, most_bytes: int | None = None) -> subprocess.Popen[bytes]:
        self.started.append(start(self.folder, self.targets, more, most_bytes=most_bytes))
        return self.process

    def jobs(self) -> list[psutil.Process]:
        """The processes of the jobs: those that Snakemake has started, at any depth."""
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.process.pid).children(recursive=True)
        return []

    def kill_all(self) -> None:
        for process in self.started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def wait_for_orphans(self) -> None:
        """Wait for what outlived its Snakemake, which still writes."""
        for process in self.started:
            process.wait()
            members = [other for other in psutil.process_iter(["pid"]) if _group(other.pid) == process.pid]
            psutil.wait_procs(members, timeout=120)

    def files(self) -> list[Path]:
        return sorted(path for path in self.out.rglob("*") if path.is_file() and "logs" not in path.parts)


def _group(pid: int) -> int | None:
    with suppress(ProcessLookupError):
        return os.getpgid(pid)
    return None


Fault = Callable[[Run, random.Random], None]


def _signalled(name: signal.Signals) -> Fault:
    def fault(run: Run, _: random.Random) -> None:
        run.process.send_signal(name)
        run.process.wait(timeout=120)

    return fault


def _job_signalled(name: signal.Signals) -> Fault:
    def fault(run: Run, rng: random.Random) -> None:
        if jobs := run.jobs():
            with suppress(psutil.NoSuchProcess):
                rng.choice(jobs).send_signal(name)

    return fault


def kill_everything(run: Run, _: random.Random) -> None:
    run.kill_all()


def interrupt_everything(run: Run, _: random.Random) -> None:
    """Ctrl-C, which reaches all processes of the terminal."""
    with suppress(ProcessLookupError):
        os.killpg(run.process.pid, signal.SIGINT)
    run.process.wait(timeout=120)


def stop_a_job_for_a_while(run: Run, rng: random.Random) -> None:
    if jobs := run.jobs():
        job = rng.choice(jobs)
        with suppress(psutil.NoSuchProcess):
            job.suspend()
            time.sleep(rng.uniform(0.2, 1.5))
            job.resume()


def stop_and_kill_snakemake(run: Run, _: random.Random) -> None:
    run.process.send_signal(signal.SIGSTOP)
    time.sleep(0.3)
    run.process.kill()
    run.process.wait()


def start_a_second_run(run: Run, rng: random.Random) -> None:
    """Two runs at once; the first is killed later, alone."""
    first = run.process
    run.start()
    time.sleep(rng.uniform(1, 4))
    first.kill()
    first.wait()


def fill_the_disk(run: Run, rng: random.Random) -> None:
    run.kill_all()
    run.start({"DAF_CHAOS_FULL": "0.5", "DAF_CHAOS_SEED": str(rng.random())})
    with suppress(subprocess.TimeoutExpired):
        run.process.wait(timeout=rng.uniform(4, 10))
    run.kill_all()


def limit_files(run: Run, rng: random.Random) -> None:
    """A quota: larger files cannot be written."""
    run.kill_all()
    run.start(most_bytes=rng.choice([1_000, 20_000, 600_000]))
    with suppress(subprocess.TimeoutExpired):
        run.process.wait(timeout=rng.uniform(4, 10))
    run.kill_all()


def delete_files(run: Run, rng: random.Random) -> None:
    run.kill_all()
    for path in _some(run, rng):
        path.unlink()


def delete_a_folder(run: Run, rng: random.Random) -> None:
    run.kill_all()
    if folders := sorted({path.parent for path in run.files()} - {run.out}):
        shutil.rmtree(rng.choice(folders))


def forget_what_snakemake_knows(run: Run, _: random.Random) -> None:
    run.kill_all()
    shutil.rmtree(run.folder / ".snakemake" / "metadata", ignore_errors=True)


def truncate_files(run: Run, rng: random.Random) -> None:
    run.kill_all()
    for path in _some(run, rng):
        os.truncate(path, rng.randrange(max(1, path.stat().st_size)))


def flip_bits(run: Run, rng: random.Random) -> None:
    run.kill_all()
    for path in _some(run, rng):
        if content := bytearray(path.read_bytes()):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
            path.write_bytes(content)


def jump_the_clock(run: Run, rng: random.Random) -> None:
    """Files of a machine whose clock is a day ahead, or behind."""
    run.kill_all()
    for path in _some(run, rng):
        then = time.time() + rng.choice([-A_DAY, A_DAY])
        os.utime(path, (then, then))


def leave_rubbish(run: Run, rng: random.Random) -> None:
    """Temporary and lock files of writers that no longer exist."""
    run.kill_all()
    for path in _some(run, rng):
        (path.parent / f".{path.name}.99999-0.tmp{path.suffix}").write_bytes(b"half")
        (path.parent / f".{path.name}.lock").write_text("99999 on elsewhere")


def make_read_only(run: Run, rng: random.Random) -> None:
    """A run in a folder that is read-only for a while; as root, a file in its place."""
    run.kill_all()
    folders = sorted({path.parent for path in run.files()} - {run.out})
    if not folders:
        return
    folder, aside = rng.choice(folders), run.folder / "aside"
    if os.getuid() == 0:
        folder.rename(aside)
        folder.write_text("in the way")
    else:
        folder.chmod(0o500)
    run.start()
    with suppress(subprocess.TimeoutExpired):
        run.process.wait(timeout=rng.uniform(3, 8))
    run.kill_all()
    if os.getuid() == 0:
        folder.unlink() if folder.is_file() else shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)
    else:
        folder.chmod(0o700)


def _some(run: Run, rng: random.Random) -> list[Path]:
    files = run.files()
    return rng.sample(files, min(len(files), rng.randint(1, 3)))


FAULTS: dict[str, Fault] = {
    "kill -9 of Snakemake": _signalled(signal.SIGKILL),
    "kill -9 of a job": _job_signalled(signal.SIGKILL),
    "kill -9 of everything": kill_everything,
    "SIGTERM to Snakemake": _signalled(signal.SIGTERM),
    "SIGTERM to a job": _job_signalled(signal.SIGTERM),
    "Ctrl-C": interrupt_everything,
    "SIGSTOP, SIGCONT of a job": stop_a_job_for_a_while,
    "SIGSTOP, kill of Snakemake": stop_and_kill_snakemake,
    "two runs at once": start_a_second_run,
    "disk full (ENOSPC)": fill_the_disk,
    "file size limit (EFBIG)": limit_files,
    "files deleted": delete_files,
    "a folder deleted": delete_a_folder,
    "Snakemake's records deleted": forget_what_snakemake_knows,
    "files truncated": truncate_files,
    "bits flipped": flip_bits,
    "clock jumps": jump_the_clock,
    "rubbish of dead writers": leave_rubbish,
    "folder not writable": make_read_only,
}
AT_REST = {
    "files deleted", "a folder deleted", "Snakemake's records deleted", "files truncated", "bits flipped",
    "clock jumps", "rubbish of dead writers", "folder not writable", "disk full (ENOSPC)", "file size limit (EFBIG)",
}  # fmt: skip
