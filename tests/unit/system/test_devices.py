"""Device names, and leases that hold between processes."""

import multiprocessing
import os
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from daf.errors import BadInputError, UnfitEnvironmentError
from daf.system import devices
from daf.system.devices import inside_allocation, lease_devices, resolve_device, visible_devices


@pytest.mark.parametrize(("asked", "there", "expected"), [
    ("auto", True, "cuda"), ("auto", False, "cpu"), ("cpu", True, "cpu"),
    ("cuda", True, "cuda"), ("cuda:1", True, "cuda:1"),
])  # fmt: skip
def test_resolution(monkeypatch: pytest.MonkeyPatch, asked: str, there: bool, expected: str) -> None:
    monkeypatch.setattr(devices, "cuda_available", lambda: there)
    monkeypatch.setattr(devices, "_num_gpus", lambda: 2)
    assert resolve_device(asked) == expected


def test_asking_for_a_missing_gpu_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "cuda_available", lambda: False)
    with pytest.raises(UnfitEnvironmentError, match="auto or cpu"):
        resolve_device("cuda")
    with pytest.raises(BadInputError):
        resolve_device("gpu")


def test_asking_for_one_gpu_too_many_is_an_error_in_four_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not one of CUDA's, once training has begun."""
    monkeypatch.setattr(devices, "cuda_available", lambda: True)
    monkeypatch.setattr(devices, "_num_gpus", lambda: 2)
    with pytest.raises(UnfitEnvironmentError) as caught:
        resolve_device("cuda:2")
    error = caught.value
    assert (error.expected, error.found, error.where) == ("GPU 2", "2 visible, numbered from 0", "device")
    assert "CUDA_VISIBLE_DEVICES" in error.hint


@pytest.mark.parametrize(("listed", "expected"), [
    ("0,2", ["0", "2"]), ("", []), ("-1", []), ("GPU-ab, GPU-cd", ["GPU-ab", "GPU-cd"]), ("1,-1,2", ["1"]),
])  # fmt: skip
def test_visible_devices_follow_cuda(monkeypatch: pytest.MonkeyPatch, listed: str, expected: list[str]) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    assert visible_devices() == expected


def test_leases_do_not_overlap_and_are_given_back(tmp_path: Path) -> None:
    before = dict(os.environ)
    with lease_devices(2, tmp_path, devices=["0", "1", "2"]) as first:
        assert first == ["0", "1"]
        with lease_devices(1, tmp_path, devices=[0, 1, 2]) as second:
            assert second == ["2"]
        with (
            pytest.raises(UnfitEnvironmentError, match="none within 0 s"),
            lease_devices(2, tmp_path, devices=["0", "1", "2"], timeout_s=0),
        ):
            pass
        # The failed attempt has let go of the one device it could have had.
        with lease_devices(1, tmp_path, devices=["0", "1", "2"], timeout_s=0) as third:
            assert third == ["2"]
    with lease_devices(3, tmp_path, devices=["0", "1", "2"], timeout_s=0) as again:
        assert again == ["0", "1", "2"]
    assert dict(os.environ) == before


def test_waiting_ends_when_another_lease_does(tmp_path: Path) -> None:
    holder = lease_devices(1, tmp_path, devices=["0"])
    holder.__enter__()
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        holder.__exit__(None, None, None)

    with lease_devices(1, tmp_path, devices=["0"], poll_s=3.0, sleep=sleep) as taken:
        assert taken == ["0"]
    assert waits == [3.0]


def _hold(folder: Path, pipe: Connection) -> None:
    with lease_devices(1, folder, devices=["0", "1"]) as taken:
        pipe.send(taken)
        pipe.recv()
        os._exit(9)  # as good as a kill: no clean-up runs


def test_a_dead_process_holds_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_hold, args=(tmp_path, theirs))
    process.start()
    assert ours.recv() == ["0"]
    with lease_devices(1, tmp_path, devices=["0", "1"], timeout_s=0) as taken:
        assert taken == ["1"]
    ours.send("go")
    process.join(10)
    assert process.exitcode == 9
    with lease_devices(2, tmp_path, devices=["0", "1"], timeout_s=0) as taken:
        assert taken == ["0", "1"]


def test_impossible_requests(tmp_path: Path) -> None:
    with pytest.raises(UnfitEnvironmentError, match="2 visible GPUs"), lease_devices(2, tmp_path, devices=["0"]):
        pass
    with pytest.raises(BadInputError), lease_devices(-1, tmp_path, devices=["0"]):
        pass
    with lease_devices(0, tmp_path / "untouched", devices=[]) as taken:
        assert taken == []
    assert not (tmp_path / "untouched").exists()


@pytest.mark.parametrize(("environment", "expected"), [
    ({}, False), ({"CUDA_VISIBLE_DEVICES": "0"}, False), ({"SLURM_JOB_ID": "1"}, False),
    ({"SLURM_JOB_ID": "1", "CUDA_VISIBLE_DEVICES": "0"}, True),
])  # fmt: skip
def test_a_scheduler_that_hands_out_gpus_makes_leases_needless(environment: dict[str, str], expected: bool) -> None:
    assert inside_allocation(environment) is expected
