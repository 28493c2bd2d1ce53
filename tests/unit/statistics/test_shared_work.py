"""A comparison has the same files on any number of cores."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from daf.config import DAFComparisonConfig
from daf.reporting import comparison_page
from daf.statistics import comparison, comparison_file, overall, pairs
from daf.statistics.comparison import compare_episodes
from daf.statistics.pair_table import PairTable
from daf.system import linear_algebra, shares
from daf.system.forked_work import CAN_FORK
from daf.system.shares import at_most
from tests.copies import copies_left

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="processes are copied on Linux only")


@pytest.fixture
def forks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Three cores, even for small comparisons; gives the processes started."""
    monkeypatch.setattr(shares, "usable_cpus", lambda: 3)
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    for module, name in (
        (pairs, "FEW_ROWS"), (overall, "FEW_RANKS"), (comparison, "FEW_CELLS"), (comparison_file, "FEW_ROWS"),
        (comparison_page, "FEW_FIGURES"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, 0)
    return count_forks(monkeypatch)


def count_forks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    started: list[int] = []
    fork: Callable[[], int] = os.fork

    def counted() -> int:
        process = fork()
        started.append(process)
        return process

    monkeypatch.setattr(os, "fork", counted)
    return started


def table(runs: int = 3, episodes: int = 4) -> pd.DataFrame:
    """Three trained policies and a fixed one on three missions; one misses a mission, one fails on another."""
    rng = np.random.default_rng(5)
    rows = [
        (policy, mission, seed, episode, rng.normal(place, 1))
        for place, policy in enumerate(["ant", "bee", "cat", "dog"])
        for mission in ["north", "south", "west"]
        for seed in (range(runs) if policy != "dog" else [None])
        for episode in range(episodes)
        if (policy, mission) != ("bee", "west")
    ]
    frame = pd.DataFrame(rows, columns=["policy", "mission", "train_seed", "env_seed", "mean_reward"])
    frame["checkpoint"] = [f"{row[0]}-{row[2]}" for row in rows]
    frame.loc[(frame["policy"] == "cat") & (frame["mission"] == "south"), "mean_reward"] = np.nan
    return frame


def config(**changed: object) -> DAFComparisonConfig:
    names = {"policies": ["ant", "bee", "cat", "dog"], "missions": ["north", "south", "west"]}
    return DAFComparisonConfig.from_labels(
        names | {"num_resamples": 1000, "equivalence_margin": 0.5} | changed, source="test"
    )


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("runs", "episodes", "changed"),
    [(3, 4, {}), (6, 1, {}), (5, 3, {"primary": "iqm", "recipe_claim": "these_episodes"})],
)
def test_files_are_the_same_on_any_number_of_cores(
    runs: int, episodes: int, changed: dict[str, object], forks: list[int], tmp_path: Path
) -> None:
    for cores in (1, 2, 3):
        with at_most(cores):
            results = compare_episodes(table(runs, episodes), config(**changed))
            (tmp_path / str(cores)).mkdir()
            results.write(tmp_path / str(cores))
        assert bool(forks) == (cores > 1)
    one, two, three = (files_of(tmp_path / str(cores)) for cores in (1, 2, 3))
    assert "comparison.json" in one
    assert one == two == three


def test_rows_of_a_part_are_taken_over_with_their_texts() -> None:
    records = list(compare_episodes(table(), config()).pairs)
    whole, rows = PairTable.blank(len(records)), np.arange(len(records))
    for chosen in (rows[2::3][::-1], rows[::3], rows[1::3]):
        whole.take_over(chosen, PairTable.of([records[row] for row in chosen.tolist()]))
    assert whole == PairTable.of(records)


@pytest.mark.slow
def test_pages_and_figures_are_the_same_on_any_number_of_cores(forks: list[int], tmp_path: Path) -> None:
    results = compare_episodes(table(), config())
    for cores in (1, 3):
        with at_most(cores):
            folder = tmp_path / str(cores)
            comparison_page.render_results(results, folder / "report.html", folder / "figures")
    one, three = (files_of(tmp_path / str(cores)) for cores in (1, 3))
    assert len(one) > 5
    assert one == three


def test_one_policy_has_no_pairs_to_share(forks: list[int]) -> None:
    alone = table().query("policy == 'ant'")
    results = compare_episodes(alone, config(policies=["ant"]))
    assert (len(results.pairs), results.policies) == (0, ["ant"])


def test_small_comparisons_stay_in_one_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shares, "usable_cpus", lambda: 3)
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    started = count_forks(monkeypatch)
    compare_episodes(table(), config()).write(tmp_path)
    assert not started


def test_last_bits_do_not_depend_on_threads_of_linear_algebra(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[int] = [2]
    monkeypatch.setattr(linear_algebra, "_loaded", lambda: [(lambda: used[-1], used.append)])

    def check(*arguments: object) -> None:
        raise LookupError

    monkeypatch.setattr("daf.statistics.checked_episodes.check_episodes", check)
    with pytest.raises(LookupError):
        compare_episodes(table(), config())
    assert used == [2, 1, 2]


def test_an_error_is_that_of_one_process(forks: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError("in a share")

    monkeypatch.setattr("daf.statistics.pairs.checkpoint_pair", fail)
    with pytest.raises(ZeroDivisionError, match="in a share"):
        compare_episodes(table(), config())
    assert copies_left() == []
