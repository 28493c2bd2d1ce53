"""The global random generators; torch's of a GPU without a GPU, by its functions."""

from __future__ import annotations

import pytest
import torch

from daf.engine.random_state import capture_random_state, random_state_kept


def refuse() -> None:
    raise AssertionError("a process that uses no GPU has occupied one")


def test_a_gpu_that_the_process_does_not_use_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking torch for its generator starts CUDA: half a gigabyte of the GPU, for each process of an evaluation."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state", refuse)
    monkeypatch.setattr(torch.cuda, "set_rng_state", refuse)
    assert "cuda" not in capture_random_state()
    with random_state_kept():
        torch.rand(3)


def test_the_generator_of_a_gpu_in_use_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    states = [torch.tensor([1], dtype=torch.uint8)]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda: states[-1])
    monkeypatch.setattr(torch.cuda, "set_rng_state", states.append)
    with random_state_kept():
        states.append(torch.tensor([2], dtype=torch.uint8))
    assert [int(state) for state in states] == [1, 2, 1]


def test_a_gpu_first_used_meanwhile_begins_with_the_seed_it_would_have_had(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeds.append)
    with random_state_kept():
        torch.manual_seed(11)
        before = seeds.copy()
        with random_state_kept():
            torch.manual_seed(23)
            monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
            monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        assert seeds[len(before) + 1 :] == [11]
