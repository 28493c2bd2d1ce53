"""Brent's method for many equations at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from daf.statistics.intervals import Array

Members = NDArray[np.intp]
MOST_STEPS = 100


def brent_roots(
    function: Callable[[Array, Members], Array],
    numbers: Members,
    ends: tuple[Array, Array],
    values: tuple[Array, Array],
    *,
    xtol: float,
    rtol: float,
) -> Array:
    """Roots between two ends, with the steps of `scipy.optimize.brentq`.

    Args:
        function: values at points, each of the equation of this number.
        numbers: of the equations to solve.
        values: of the function at the ends, with different signs.
    """
    roots = np.where(values[0] == 0, *ends)
    members = np.flatnonzero((values[0] != 0) & (values[1] != 0))
    state = _State(*(end[members] for end in ends), *(value[members] for value in values))
    for _ in range(MOST_STEPS):
        if not members.size:
            break
        state.bracket()
        delta = (xtol + rtol * np.abs(state.xcur)) / 2
        bisection = (state.xblk - state.xcur) / 2
        done = (state.fcur == 0) | (np.abs(bisection) < delta)
        roots[members[done]] = state.xcur[done]
        state.keep(~done)
        members, delta, bisection = members[~done], delta[~done], bisection[~done]
        state.step(delta, bisection)
        state.fcur = function(state.xcur, numbers[members])
    roots[members] = state.xcur
    return roots


class _State:
    """The points and steps of every equation, by the names of scipy's C code."""

    def __init__(self, xpre: Array, xcur: Array, fpre: Array, fcur: Array) -> None:
        self.xpre, self.xcur, self.fpre, self.fcur = xpre, xcur, fpre, fcur
        self.xblk, self.fblk, self.spre, self.scur = (np.zeros(xpre.size) for _ in range(4))

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        for name, values in vars(self).items():
            setattr(self, name, values[chosen])

    def bracket(self) -> None:
        """Let the current point be the better one of two that enclose the root."""
        new = (self.fpre != 0) & (self.fcur != 0) & (np.signbit(self.fpre) != np.signbit(self.fcur))
        self.xblk = np.where(new, self.xpre, self.xblk)
        self.fblk = np.where(new, self.fpre, self.fblk)
        self.spre = np.where(new, self.xcur - self.xpre, self.spre)
        self.scur = np.where(new, self.spre, self.scur)
        swapped = np.abs(self.fblk) < np.abs(self.fcur)
        self.xpre, self.fpre = np.where(swapped, self.xcur, self.xpre), np.where(swapped, self.fcur, self.fpre)
        self.xcur, self.fcur = np.where(swapped, self.xblk, self.xcur), np.where(swapped, self.fblk, self.fcur)
        self.xblk, self.fblk = np.where(swapped, self.xpre, self.xblk), np.where(swapped, self.fpre, self.fblk)

    def step(self, delta: Array, bisection: Array) -> None:
        """Move the current point by interpolation, or by bisection where that gains less."""
        with np.errstate(divide="ignore", invalid="ignore"):
            secant = -self.fcur * (self.xcur - self.xpre) / (self.fcur - self.fpre)
            dpre = (self.fpre - self.fcur) / (self.xpre - self.xcur)
            dblk = (self.fblk - self.fcur) / (self.xblk - self.xcur)
            quadratic = -self.fcur * (self.fblk * dblk - self.fpre * dpre) / (dblk * dpre * (self.fblk - self.fpre))
            tried = np.where(self.xpre == self.xblk, secant, quadratic)
            limit = np.minimum(np.abs(self.spre), 3 * np.abs(bisection) - delta)
            good = (np.abs(self.spre) > delta) & (np.abs(self.fcur) < np.abs(self.fpre)) & (2 * np.abs(tried) < limit)
        self.spre = np.where(good, self.scur, bisection)
        self.scur = np.where(good, tried, bisection)
        self.xpre, self.fpre = self.xcur, self.fcur
        least = np.where(bisection > 0, delta, -delta)
        self.xcur = self.xcur + np.where(np.abs(self.scur) > delta, self.scur, least)
