"""The device a network runs on, and sharing a machine's GPUs between local jobs.

A lease is a lock on a file per GPU; the kernel releases it when the process ends, however it ends. On a cluster the
scheduler assigns GPUs, and no lease is needed.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from daf.errors import BadInputError, UnfitEnvironmentError
from daf.system.private_folders import require_own_folder

DEVICES = ("auto", "cpu", "cuda")


def resolve_device(device: str = "auto") -> str:
    """Resolve `auto` to cuda if there is a usable GPU, else to cpu.

    Raises:
        BadInputError: not a device.
        UnfitEnvironmentError: cuda, or a GPU of this number, was requested but is not available.
    """
    kind, _, index = device.partition(":")
    if kind not in DEVICES or (index and not (kind == "cuda" and index.isdigit())):
        raise BadInputError("auto, cpu, cuda or cuda:<index>", f"'{device}'", "device")
    if kind == "cpu":
        return "cpu"
    available = cuda_available()
    if kind == "auto":
        return "cuda" if available else "cpu"
    if not available:
        hint = "use device: auto or cpu, or run where a GPU is visible (see nvidia-smi and CUDA_VISIBLE_DEVICES)"
        raise UnfitEnvironmentError("a CUDA device", "none that torch can use", "device", hint)
    if index and int(index) >= (count := _num_gpus()):
        hint = "see CUDA_VISIBLE_DEVICES, or leave the number out"
        raise UnfitEnvironmentError(f"GPU {index}", f"{count} visible, numbered from 0", "device", hint)
    return device


def _num_gpus() -> int:
    import torch

    return torch.cuda.device_count()


def cuda_available() -> bool:
    """Whether torch sees a GPU. Torch is imported only if the driver is there, since the import takes seconds."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "unset").strip() in ("", "-1"):
        return False
    if not any(Path(path).exists() for path in ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")):
        return False
    import torch

    return torch.cuda.is_available()


def visible_devices() -> list[str]:
    """Names of the GPUs this process may use, as CUDA_VISIBLE_DEVICES spells them (indices, or UUIDs)."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        names = [name.strip() for name in listed.split(",")]
        # CUDA ignores everything from the first invalid entry on.
        end = next((place for place, name in enumerate(names) if name in ("", "-1")), len(names))
        return names[:end]
    try:
        command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return result.stdout.split() if result.returncode == 0 else []


def inside_allocation(environment: Mapping[str, str]) -> bool:
    """Whether a scheduler has assigned this job's GPUs, so that none need to be leased.

    Devices of other jobs may have the same names, since each job counts from 0.
    """
    return "SLURM_JOB_ID" in environment and "CUDA_VISIBLE_DEVICES" in environment


def lease_folder() -> Path:
    """Where this user's jobs on this machine keep their leases: not in TMPDIR, which may differ between jobs."""
    return Path("/tmp") / f"daf-gpus-{os.getuid()}"  # nosec B108  # owner, mode and links are checked


@contextmanager
def lease_devices(
    count: int,
    lock_dir: str | Path,
    *,
    devices: Sequence[str | int] | None = None,
    timeout_s: float | None = None,
    poll_s: float = 1.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[list[str]]:
    """Hold `count` of the machine's GPUs; yields their names for a child's CUDA_VISIBLE_DEVICES.

    Sets nothing global. Takes either all or none, so that two jobs that each want two never deadlock. Waits until
    enough are free.

    Args:
        count: number of GPUs; 0 leases nothing.
        lock_dir: folder for the lock files; on a local disk of this machine, shared by its jobs.
        devices: the GPUs to choose from; default: those visible to this process.
        timeout_s: give up after this time; None waits forever.

    Raises:
        BadInputError: a negative count.
        UnfitEnvironmentError: fewer than `count` GPUs exist, not enough became free in time, or `lock_dir` is not
            this user's alone.
    """
    if count < 0:
        raise BadInputError("a number of devices of at least 0", str(count), "lease_devices")
    if count == 0:
        yield []
        return
    names = [str(device) for device in (visible_devices() if devices is None else devices)]
    if len(set(names)) < count:
        hint = "request fewer GPUs, or check CUDA_VISIBLE_DEVICES"
        found = f"{len(set(names))}: {', '.join(names) or 'none'}"
        raise UnfitEnvironmentError(f"{count} visible GPUs", found, "lease_devices", hint)
    folder = Path(lock_dir)
    require_own_folder(folder)
    deadline = None if timeout_s is None else clock() + timeout_s
    while True:
        with ExitStack() as held:
            taken = _take(list(dict.fromkeys(names)), count, folder, held)
            if taken is not None:
                yield taken
                return
        if deadline is not None and clock() >= deadline:
            hint = f"other jobs hold the locks in {folder}; run fewer jobs at once or wait longer"
            raise UnfitEnvironmentError(f"{count} free GPUs", f"none within {timeout_s:g} s", "lease_devices", hint)
        sleep(poll_s)


def _no_links(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _take(names: list[str], count: int, folder: Path, held: ExitStack) -> list[str] | None:
    """Lock `count` devices or none; the gate lets one process choose at a time."""
    taken: list[str] = []
    with open(folder / "gate.lock", "a", opener=_no_links) as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        for name in names:
            # Python opens files close-on-exec: a child that outlives us does not keep the lease.
            lock = open(folder / f"gpu-{name.replace('/', '_')}.lock", "a", opener=_no_links)  # noqa: SIM115
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            held.enter_context(lock)
            taken.append(name)
            if len(taken) == count:
                return taken
        held.close()
    return None
