"""Why training failed: causes, the origin among several failures, and the record between processes."""

from __future__ import annotations

import dataclasses
import errno
import pickle
from pathlib import Path

import pytest
import torch

from daf.distributed.failures import (
    Cause,
    Failure,
    TrainingFailedError,
    WrongWorldSizeError,
    cause_of,
    origin,
    read_failures,
    record_failure,
)
from daf.errors import PolicyError
from daf.system.worker_processes import WorkerFailedError


def chained(error: Exception, source: Exception) -> Exception:
    error.__cause__ = source
    return error


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), Cause.DISK_FULL),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), Cause.DISK_FULL),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), Cause.OUT_OF_MEMORY),
        (OSError(errno.EACCES, "Permission denied"), Cause.ERROR),
        (MemoryError(), Cause.OUT_OF_MEMORY),
        (torch.OutOfMemoryError("CUDA out of memory"), Cause.OUT_OF_MEMORY),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), Cause.OUT_OF_MEMORY),
        # Page-locked memory, a context, cuBLAS and cuDNN: none has torch's class.
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported"), Cause.OUT_OF_MEMORY),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"),
            Cause.OUT_OF_MEMORY,
        ),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), Cause.OUT_OF_MEMORY),
        (RuntimeError("NCCL error: unhandled cuda error: Cuda failure 'out of memory'"), Cause.OUT_OF_MEMORY),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), Cause.ERROR),
        (PolicyError("a", "b", "c"), Cause.BAD_INPUT),
        (WrongWorldSizeError("a", "b", "c"), Cause.WRONG_WORLD_SIZE),
        (chained(RuntimeError("checkpoint"), OSError(errno.ENOSPC, "full")), Cause.DISK_FULL),
        (ZeroDivisionError(), Cause.ERROR),
        (WorkerFailedError("killed", 1, "how"), Cause.WORKER_KILLED),
        (WorkerFailedError("stalled", 1, "how"), Cause.WORKER_STALLED),
        (WorkerFailedError("raised", 1, "how"), Cause.WORKER_ERROR),
        (chained(WorkerFailedError("raised", 1, "how"), ValueError("no map")), Cause.WORKER_ERROR),
        (chained(WorkerFailedError("raised", 1, "how"), MemoryError()), Cause.OUT_OF_MEMORY),
        (chained(WorkerFailedError("raised", 1, "how"), OSError(errno.ENOSPC, "full")), Cause.DISK_FULL),
    ],
)
def test_exceptions_have_causes(error: Exception, cause: Cause) -> None:
    assert cause_of(error) is cause


def test_memory_that_torch_cannot_get_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert cause_of(caught.value) is Cause.OUT_OF_MEMORY


@pytest.mark.parametrize(
    ("code", "cause", "words"),
    [
        (-9, Cause.RANK_KILLED, "rank 3 on node7 killed by SIGKILL"),
        (-11, Cause.RANK_KILLED, "SIGSEGV"),
        (69, Cause.WORKER_KILLED, "exit code 69"),
        (72, Cause.WORKER_ERROR, "exit code 72"),
        (74, Cause.WORKER_STALLED, "exit code 74"),
        (70, Cause.RANK_STALLED, "exit code 70"),
        (71, Cause.OUT_OF_MEMORY, "exit code 71"),
        (73, Cause.DISK_FULL, "exit code 73"),
        (2, Cause.BAD_INPUT, "exit code 2"),
        (5, Cause.ERROR, "rank 3 on node7 ended with exit code 5"),
    ],
)
def test_a_rank_that_says_nothing_is_judged_by_its_exit_code(code: int, cause: Cause, words: str) -> None:
    failure = Failure.of_exit_code(code, 3, "node7")
    assert failure.cause is cause
    assert words in failure.reason


def test_the_failure_that_others_follow_from_is_the_origin() -> None:
    lost = Failure(cause=Cause.ERROR, reason="connection closed by peer", rank=0, symptom=True, time=5.0)
    aborted = dataclasses.replace(Failure.of_exit_code(-6, 2, "a"), time=4.0)
    killed = dataclasses.replace(Failure.of_exit_code(-9, 1, "b"), time=6.0)
    later = dataclasses.replace(killed, rank=3, time=7.0)
    assert origin([lost, aborted, later, killed]) is killed
    assert origin([lost, aborted]) is aborted


def test_errors_keep_their_cause_between_processes() -> None:
    error = TrainingFailedError("a", "b", "c", "d", Cause.BAD_INPUT)
    again = pickle.loads(pickle.dumps(error))
    assert (again.expected, again.hint, again.cause, again.exit_code) == ("a", "d", Cause.BAD_INPUT, 2)
    assert TrainingFailedError("a", "b", "c", "d", Cause.DISK_FULL).exit_code == 1


def test_the_record_survives_a_line_that_was_cut_off(tmp_path: Path) -> None:
    assert read_failures(tmp_path) == []
    failure = Failure(cause=Cause.RANK_KILLED, reason="one", rank=1, host="a", update=7, agent_steps=1792, time=0.0)
    record_failure(tmp_path / "state", failure)
    path = tmp_path / "state" / "failures.jsonl"
    path.write_text(path.read_text() + '{"cause": "disk\n')
    record_failure(tmp_path / "state", dataclasses.replace(failure, reason="two"))
    assert [line["reason"] for line in read_failures(tmp_path / "state")] == ["one", "two"]
    assert read_failures(tmp_path / "state")[0] == {
        "cause": "rank_killed", "reason": "one", "rank": 1, "host": "a", "update": 7, "agent_steps": 1792,
        "at": "1970-01-01T00:00:00+00:00",
    }  # fmt: skip
