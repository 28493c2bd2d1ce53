"""Random streams, one per figure."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from daf.config import DAFComparisonConfig
from daf.statistics.records import Estimand

# Part of the names of streams: a different name draws different numbers and so changes resampled results.
ESTIMAND_KEYS: Mapping[Estimand, str] = {"checkpoints": "A", "recipes": "B"}


def stream(config: DAFComparisonConfig, *key: str) -> np.random.Generator:
    """The random stream of one result, named by its subject.

    Adding a policy or a mission therefore does not change any other estimate, interval or raw p-value, except that
    small p-values in large families use more draws.
    """
    return np.random.default_rng([config.seed, *(zlib.crc32(part.encode()) for part in key)])


def environment_streams(config: DAFComparisonConfig, missions: Sequence[str]) -> list[np.random.Generator]:
    """For each mission the stream of what other environment seeds would do, which all policies share."""
    return [stream(config, "environments", mission) for mission in missions]
