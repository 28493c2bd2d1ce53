"""The progress of a workflow that runs in a notebook, where the messages of its jobs do not appear."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daf.errors import DafError
from daf.system.live_progress import live_progress
from daf.system.notebooks import in_notebook
from daf.workflow.status import ExperimentStatus, read_status

LOOK_SECONDS = 1.0


@contextmanager
def progress_in_notebook(experiment: str, out: Path, *, dry_run: bool = False) -> Iterator[None]:
    """Show in a notebook how many jobs of the run that starts now are done; elsewhere the run says so itself."""
    if not in_notebook() or dry_run:
        yield
        return
    ended = threading.Event()
    watcher = threading.Thread(target=_show, args=(experiment, out.absolute(), ended), daemon=True, name="progress")
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _show(experiment: str, out: Path, ended: threading.Event) -> None:
    begun = time.time()
    while (found := _status(out, begun)) is None:
        if ended.wait(LOOK_SECONDS):
            return
    total = len(found.done) + len(found.started) + len(found.left)
    with live_progress(experiment, total, "jobs") as progress:
        has_ended = False
        while True:
            found = _status(out, begun) or found
            running = ", ".join(dict.fromkeys(job.job.rule for job in found.jobs("running")))
            progress.update(len(found.done), **({"running": running} if running else {}))
            if has_ended:
                return
            has_ended = ended.wait(LOOK_SECONDS)  # one more look, which misses nothing


def _status(out: Path, begun: float) -> ExperimentStatus | None:
    """The status of a run that began after some time; None if it has not begun."""
    try:
        found = read_status(out)
    except DafError:
        return None
    return found if found.record.began >= begun else None
