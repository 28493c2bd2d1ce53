"""Bounded lag: which results a trial may see, and how they are stored in blocks.

Trial n is proposed from the results of trials 0 … n - lag, whichever finished first. If each of them were a separate
input, a sweep of N trials would have N² / 2 edges. So results are collected in blocks of 16, these in blocks of 256,
and so on: a proposal reads at most 15 files per power of 16, and a sweep of any length has about 20 N edges. Blocks are
always full, so raising the number of trials does not change the input of earlier trials.
"""

from __future__ import annotations

BLOCK = 16


def visible_trials(trial: int, lag: int) -> int:
    """The number of trials that a proposal may see: all from 0 to trial - lag."""
    return max(0, trial - lag + 1)


def blocks_of_history(count: int) -> list[range]:
    """The trials 0 … count - 1 in as few blocks as possible, largest first; a block of length 1 is a result."""
    blocks: list[range] = []
    size = 1
    while size * BLOCK <= count:
        size *= BLOCK
    start = 0
    while start < count:
        while start + size > count:
            size //= BLOCK
        blocks.append(range(start, start + size))
        start += size
    return blocks


def parts_of_block(block: range) -> list[range]:
    """The 16 results or smaller blocks that a block collects."""
    size = len(block) // BLOCK
    return [range(start, start + size) for start in range(block.start, block.stop, size)]


def is_block(first: int, last: int) -> bool:
    """Whether first … last is a block: a power of 16 trials, and a whole number of such blocks before them."""
    size = last - first + 1
    power = BLOCK
    while power < size:
        power *= BLOCK
    return size == power and first % size == 0
