"""Blocks of old results: every result once, none too new, and few files."""

import pytest

from daf.config import DAFSweepConfig
from daf.errors import BadInputError
from daf.search.history import blocks_of_history, is_block, parts_of_block
from daf.search.plan import SweepPlan

SPACE = {"learning_rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True}}


def plan(**changes):
    return SweepPlan(DAFSweepConfig(search_space=SPACE, **changes), {})


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 255, 256, 300, 4095, 4096, 5000])
def test_blocks_cover_the_history_once_in_order(count):
    blocks = blocks_of_history(count)
    assert [trial for block in blocks for trial in block] == list(range(count))
    assert all(len(block) == 1 or is_block(block[0], block[-1]) for block in blocks)


def test_a_block_is_made_of_sixteen_parts_down_to_single_results():
    waiting, singles = [range(0, 4096)], []
    while waiting:
        block = waiting.pop(0)
        if len(block) == 1:
            singles.append(block[0])
            continue
        parts = parts_of_block(block)
        assert len(parts) == 16
        waiting += parts
    assert singles == list(range(4096))


def test_no_proposal_waits_for_more_than_its_lag_allows():
    """A block is read only when all of it may be seen; else 16 trials would wait for one."""
    sweep = plan(num_trials=600, lag=5)
    for trial in range(600):
        last = sweep.results_files(trial)[-1:] if trial >= 5 else []
        seen = {"trial-": lambda name: int(name[6:10]), "histor": lambda name: int(name.split("-")[1][:4])}
        assert [seen[name[:6]](name) for name in last] == ([trial - 5] if trial >= 5 else [])


def test_edges_grow_about_linearly():
    edges = {
        count: sum(len(plan(num_trials=count).results_files(n)) for n in range(count)) for count in (250, 1000, 4000)
    }
    assert edges[1000] < 20 * 1000
    assert edges[4000] < 25 * 4000
    assert edges[4000] / edges[1000] < 6  # all-previous-results would be 16


@pytest.mark.parametrize(("first", "last"), [(0, 14), (8, 23), (16, 47), (0, 511), (48, 63)])
def test_what_is_no_block_of_the_sweep_is_refused(first, last):
    with pytest.raises(BadInputError, match="a block of 16"):
        plan(num_trials=60).parts_of_block(first, last)


def test_batches_hold_every_trial_once_and_none_reads_another_of_its_batch():
    sweep = plan(num_trials=21, lag=6)
    for asked, sizes in ((1, [1] * 21), (4, [4] * 5 + [1]), (50, [6, 6, 6, 3])):  # at most the lag
        batches = sweep.batches(asked)
        assert [len(batch.trials) for batch in batches] == sizes
        assert [trial for batch in batches for trial in batch.trials] == list(range(21))
        for batch in batches:
            assert batch.results_files == sweep.results_files(batch.last)
            assert max(0, batch.last - 6 + 1) <= batch.first  # what the last one sees ends before the batch
    assert [len(batch.trials) for batch in plan(num_trials=21, strategy="random").batches(50)] == [21]
    with pytest.raises(BadInputError, match="at least 1"):
        sweep.batches(0)
