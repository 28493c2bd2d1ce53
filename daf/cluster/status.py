"""The status program of the cluster-generic profile: whether a Slurm job has succeeded, failed, or is running.

python -m daf.cluster.status JOB_ID
"""

from __future__ import annotations

import sys

from daf.cluster.inventory import ask
from daf.cluster.states import ENDED
from daf.errors import UnfitEnvironmentError


def job_status(job_id: str) -> str:
    """Return success, failed or running (which includes waiting, and unknown while Slurm does not answer).

    squeue forgets a job some minutes after its end; accounting, if the cluster has it, does not.
    """
    try:
        state = ask("squeue", "--noheader", "--states=all", "--format=%T", f"--jobs={job_id}").strip()
    except UnfitEnvironmentError as error:
        if "Invalid job id" not in error.found:
            return "running"
        state = ""
    if not state:
        try:
            state = ask(
                "sacct", "--allocations", "--noheader", "--parsable2", "--format=State", f"--jobs={job_id}"
            ).strip()
        except UnfitEnvironmentError:
            state = "FORGOTTEN"
    word = state.split()[0] if state else "FORGOTTEN"  # "CANCELLED by 1000"
    if word == "COMPLETED":
        return "success"
    return "failed" if word in ENDED or word == "FORGOTTEN" else "running"


if __name__ == "__main__":
    print(job_status(sys.argv[1]))
