"""The interface of a strategy: a small class that answers a `SuggestionRequest` with a point; and shared helpers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from daf.config import Direction
from daf.search.results import TrialResult
from daf.search.space import Space, Value
from daf.system.shown import Shown

if TYPE_CHECKING:
    import numpy as np


def stream_seed(seed: int, trial: int | None, purpose: str) -> int:
    """A separate seed below 2**31 for every (sweep seed, trial, purpose): the first bits of a sha256 digest."""
    text = f"daf/{purpose}/{seed}/{'' if trial is None else trial}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


@dataclass(frozen=True, kw_only=True, repr=False)
class SuggestionRequest(Shown):
    """Everything that a strategy may know.

    Attributes:
        space: what varies.
        seed: of the sweep.
        lag: of the sweep.
        optimize_direction: whether more or less is better.
        trial: number of the proposed trial, from 0.
        results: of trials 0 … trial - lag, in order.
        pending: the proposals of the trials after those, if known.
        prior: finished trials of another sweep that lie in this space.
    """

    space: Space
    seed: int
    lag: int
    optimize_direction: Direction
    trial: int
    results: tuple[TrialResult, ...] = ()
    pending: tuple[Mapping[str, Value], ...] = ()
    prior: tuple[TrialResult, ...] = ()


class Strategy(Protocol):
    """Chooses points. It keeps no state: the same request gets the same answer."""

    @property
    def adaptive(self) -> bool:
        """Whether results change suggestions; if not, trials do not wait for each other."""
        ...

    def suggest(self, request: SuggestionRequest) -> dict[str, Value]:
        """Return a value for every active parameter."""
        ...


def quasi_random_points(space: Space, seed: int, count: int) -> list[dict[str, Value]]:
    """The first `count` points of a scrambled Sobol sequence (Owen 1998); a longer call begins with the same points."""
    if not space.free or count == 0:
        return [space.complete({})] * count
    import numpy as np
    from scipy.stats import qmc

    rng = np.random.default_rng(stream_seed(seed, None, "design"))
    # In one call and with a power of two: single draws would repeat the sequence, and other lengths lose balance.
    sequence = qmc.Sobol(len(space.free), scramble=True, rng=rng)
    points: np.ndarray = sequence.random_base2(max(1, (count - 1).bit_length()))
    return [space.from_unit(point) for point in points[:count].tolist()]
