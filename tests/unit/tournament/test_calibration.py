"""Short versions of benchmarks/tournament_intervals.py: intervals cover, and equal candidates are found equal."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "tournament_intervals.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tournament_intervals", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_interval_of_real_episodes_is_the_one_of_the_records(benchmark: ModuleType) -> None:
    line_ups, rewards = benchmark.read_episodes()
    assert len(line_ups) == rewards.shape[1] == 16
    benchmark.check_whole_way(line_ups, rewards[:6])


def test_intervals_cover(benchmark: ModuleType) -> None:
    rng = np.random.default_rng(1)
    row = benchmark.coverage_row("normal", 16, 400, rng.normal(0, 1, 5_000), rng)
    assert 0.92 <= row["coverage"] <= 0.98


def test_equal_candidates_keep_all_ranks(benchmark: ModuleType) -> None:
    rows = benchmark.false_ranks(3, np.random.default_rng(2), candidates=3)
    assert sum(row["false"] for row in rows) <= 1
