"""Jobs that start as copies of a process end with the results of jobs that start in the plain way."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from daf.workflow.forked_jobs import SWITCH, is_possible
from tests.chaos.contents import contents
from tests.chaos.disturbed import messages
from tests.chaos.experiment import PROPOSALS, RESULTS, prepare
from tests.chaos.faults import Run


@pytest.mark.long
@pytest.mark.skipif(not is_possible({}), reason="needs Linux")
def test_results_are_the_same_bytes_however_jobs_start(tmp_path: Path) -> None:
    found = []
    for switch in ("1", "0"):
        folder = tmp_path / switch
        prepare(folder)
        assert Run(folder, RESULTS).start({SWITCH: switch}).wait(600) == 0, messages(folder)
        found.append(contents(folder / "daf_output"))
    assert len(found[0]) > 10
    assert found[0] == found[1]


def is_server(job: psutil.Process) -> bool:
    try:
        return "fork_server" in " ".join(job.cmdline())
    except psutil.NoSuchProcess:  # it has ended since it was listed
        return False


@pytest.mark.slow
@pytest.mark.skipif(not is_possible({}), reason="needs Linux")
def test_a_killed_server_fails_its_job_and_the_next_run_completes(tmp_path: Path) -> None:
    """As if the kernel had killed it for lack of memory: nothing is left, and nothing half-made is taken for done."""
    prepare(tmp_path)
    run = Run(tmp_path, PROPOSALS)
    run.start()
    server = None
    while server is None and run.process.poll() is None:
        server = next((job for job in run.jobs() if is_server(job)), None)
    assert server is not None
    server.kill()
    psutil.wait_procs([server], 60)
    run.process.wait(120)
    if run.process.returncode:  # it was killed with a job, not before one
        assert run.start().wait(120) == 0, messages(tmp_path)
    assert all((tmp_path / path).is_file() for path in PROPOSALS)
    assert run.jobs() == []
