"""torchrun, and a report on how its ranks ended.

This is `torchrun` with its options, except that the exit codes of failed ranks, which only their parent sees, go to a
file that the launcher reads: python -m daf.distributed.elastic_agent REPORTS [torchrun's options] …
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypedDict

from daf.distributed.failures import Cause, Failure, host_name, origin
from daf.system.files import write_json
from daf.system.process_state import die_with_parent, end_without_search
from daf.system.validated import read_record

_OF_STOPS = ("Received %s death signal", "Sending process %s closing signal")  # how torchrun's messages begin


def main(arguments: list[str]) -> int:
    """Run the agent; the exit code encodes the cause of the ranks' failure."""
    die_with_parent()
    end_without_search()
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous import RendezvousTimeoutError
    from torch.distributed.run import parse_args, run

    keep_quiet_about_stops()
    # torchrun stops its ranks after SIGTERM; srun passes SIGUSR1 on, but not SIGTERM.
    signal.signal(signal.SIGUSR1, lambda number, frame: os.kill(os.getpid(), signal.SIGTERM))
    reports, *options = arguments
    try:
        run(parse_args(options))
    except ChildFailedError as error:
        failures = [
            _failure(rank, failure.exitcode, failure.error_file_data.get("daf"))
            for rank, failure in error.failures.items()
        ]
    except RendezvousTimeoutError:
        reason = "not all machines of the job joined in time"
        failures = [Failure(cause=Cause.WRONG_WORLD_SIZE, reason=reason, host=host_name(), time=time.time())]
    except SignalException as stopped:  # it has already stopped its ranks
        return 128 + stopped.sigval
    else:
        return 0
    try:
        write_reports(Path(reports), failures)
    except OSError as error:  # a full disk
        print(f"cannot report why the ranks ended: {error}", file=sys.stderr)
    return origin(failures).exit_code


class _StopsAreNoWarnings(logging.Filter):
    """Drops what torchrun says when it passes a signal on to its ranks: the launcher says how they ended."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(_OF_STOPS)


def keep_quiet_about_stops() -> None:
    """Leave it to the launcher to say that Ctrl-C, or the failure of a rank, has stopped the ranks."""
    for name in ("agent.server.api", "multiprocessing.api"):
        logging.getLogger(f"torch.distributed.elastic.{name}").addFilter(_StopsAreNoWarnings())


def _failure(rank: int, exit_code: int, report: dict[str, object] | None) -> Failure:
    """The failure of a rank, from the rank's own report, if any."""
    host = host_name()
    if report is None:
        return Failure.of_exit_code(exit_code, rank, host)
    failure = Failure.from_dict(report)
    # A stalled rank's watchdog names the rank that blocked it.
    return failure if failure.rank is not None else replace(failure, rank=rank, host=host)


class _Report(TypedDict):
    """What an agent writes about its ranks."""

    failures: list[Failure]


def write_reports(folder: Path, failures: list[Failure]) -> None:
    write_json(
        folder / f"agent-{host_name()}-{os.getpid()}.json", {"failures": [asdict(failure) for failure in failures]}
    )


def read_reports(folder: Path) -> list[Failure]:
    """The failures that the agents of the last start reported."""
    paths = sorted(folder.glob("agent-*.json"))
    return [failure for path in paths for failure in read_record(path, _Report)["failures"]]


def clear_reports(folder: Path) -> None:
    for path in folder.glob("agent-*.json"):
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
