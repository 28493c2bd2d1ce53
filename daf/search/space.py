"""Search spaces: what a sweep varies, as dimensions that map [0, 1) to values.

This module has the space of a sweep's configuration, its checks, its grid, and its number of trials;
`daf.search.proposers` chooses the next point. It imports nothing heavy, so that a workflow can use it at parse time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from daf.config import CategoricalParameter, DAFSweepConfig, FloatParameter, Hyperparameters, IntParameter
from daf.config.recipes import INIT_KWARGS_PREFIX
from daf.config.sweep import DEFAULT_TRIALS
from daf.config.trial_training import START_FROM, section_keys
from daf.errors import BadInputError, ConfigError, did_you_mean

type Value = bool | int | float | str | None

LARGEST_GRID = 100_000  # a larger grid is considered a mistake, and a larger range of integers is not listed
_SIGNIFICANT_DIGITS = 7


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One searched parameter: listed `values`, or a range between `low` and `high`, both included.

    Attributes:
        ordered: whether neighbouring values are similar: true for every range, and for listed numbers that rise or
            fall.
        when: the conditions under which the parameter applies: (name of another parameter, its values).
    """

    name: str
    values: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    integer: bool = False
    ordered: bool = True
    when: tuple[tuple[str, tuple[Value, ...]], ...] = ()

    @property
    def size(self) -> int | None:
        """Number of distinct values; None for a continuous range."""
        if self.values:
            return len(self.values)
        if self.integer:
            return int(self.high) - int(self.low) + 1
        return 1 if self.low == self.high else None

    def at(self, index: int) -> Value:
        """The value at a position of the grid, 0 ≤ index < size."""
        if self.values:
            return self.values[index]
        return int(self.low) + index if self.integer else self.low

    def from_unit(self, u: float) -> Value:
        """The value at `u` in [0, 1): uniform `u` gives uniform values (of the logarithm, if `log`)."""
        if self.values:
            return self.values[min(int(u * len(self.values)), len(self.values) - 1)]
        # Each integer covers half a unit on either side, so that both ends are as likely as the rest.
        margin = 0.5 if self.integer else 0.0
        low, high = self.low - margin, self.high + margin
        return self.tidy(low * math.exp(u * math.log(high / low)) if self.log else low + u * (high - low))

    def to_unit(self, value: Value) -> float:
        """The position of a value in [0, 1]: (approximately) the middle of all `u` that `from_unit` maps to it."""
        if self.values:
            return (self.index(value) + 0.5) / len(self.values)
        number = float(value)  # type: ignore[arg-type]
        if self.low == self.high:
            return 0.5
        if self.log:
            return math.log(number / self.low) / math.log(self.high / self.low)
        return (number - self.low) / (self.high - self.low)

    def tidy(self, value: float) -> Value:
        """The nearest value in a range, with floats rounded to a millionth of themselves.

        Seventeen digits of a learning rate are meaningless, and fewer hide last bits in which machines may differ.
        """
        if self.integer:
            return int(min(max(math.floor(value + 0.5), self.low), self.high))
        if self.log:
            value = float(f"{value:.{_SIGNIFICANT_DIGITS - 1}e}")
        elif self.high > self.low:
            value = round(value, _SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(self.high - self.low)))
        return min(max(value, self.low), self.high)

    def index(self, value: Value) -> int:
        """The position of a listed value, where `True` is not 1; raises ValueError if it is not listed."""
        for place, listed in enumerate(self.values):
            if listed == value and isinstance(listed, bool) == isinstance(value, bool):
                return place
        raise ValueError(f"{value!r} is not one of {list(self.values)}")

    def __contains__(self, value: object) -> bool:
        if self.values:
            return _among(value, self.values)  # type: ignore[arg-type]
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return self.low <= value <= self.high and (not self.integer or float(value).is_integer())


@dataclass(frozen=True, kw_only=True)
class Space:
    """Dimensions in order of name, so that the order of keys in a file has no effect."""

    dimensions: tuple[Dimension, ...]

    @property
    def free(self) -> tuple[Dimension, ...]:
        """The dimensions with more than one value."""
        return tuple(dimension for dimension in self.dimensions if dimension.size != 1)

    @property
    def mostly_numeric(self) -> bool:
        return 2 * sum(dimension.ordered for dimension in self.free) >= len(self.free)

    @property
    def conditional(self) -> bool:
        return any(dimension.when for dimension in self.dimensions)

    def from_unit(self, point: Sequence[float]) -> dict[str, Value]:
        """The values at a point of the unit cube, shape (number of free dimensions,)."""
        return self.complete({d.name: d.from_unit(float(u)) for d, u in zip(self.free, point, strict=True)})

    def complete(self, free_values: Mapping[str, Value]) -> dict[str, Value]:
        """The active parameters, in order: the given ones, and dimensions with only one value."""
        values = {d.name: free_values[d.name] if d.name in free_values else d.at(0) for d in self.dimensions}
        applying = self.applying(values)
        return {name: value for name, value in values.items() if name in applying}

    def applying(self, values: Mapping[str, Value]) -> set[str]:
        """The parameters whose conditions hold: each other parameter is active and has one of the values."""
        by_name = {dimension.name: dimension for dimension in self.dimensions}

        def applies(name: str) -> bool:
            return all(
                other in values and applies(other) and _among(values[other], allowed)
                for other, allowed in by_name[name].when
            )

        return {name for name in by_name if applies(name)}

    def grid_size(self) -> int:
        """Number of points of the grid.

        Raises:
            BadInputError: a dimension is continuous, or the grid is larger than `LARGEST_GRID`.
        """
        count = 1
        for dimension in self.dimensions:
            if dimension.size is None:
                raise BadInputError(
                    "parameters with countable values, for strategy 'grid'",
                    f"a float from {dimension.low:g} to {dimension.high:g} without a step",
                    f"search_space.{dimension.name}",
                    "give it a `step`, list its values, or use strategy 'random' or 'bayesian'",
                )
            count *= dimension.size
        if count > LARGEST_GRID:
            sizes = ", ".join(f"{dimension.name}: {dimension.size}" for dimension in self.dimensions)
            raise BadInputError(
                f"a grid of at most {LARGEST_GRID:,} points",
                f"{count:,} points ({sizes})",
                "search_space",
                "give ranges a larger `step`, or use strategy 'random' or 'bayesian'",
            )
        return len(self._distinct_points) if self.conditional else count

    def grid_point(self, index: int) -> dict[str, Value]:
        """The point of the grid with this number; the last name varies fastest."""
        if self.conditional:
            return dict(self._distinct_points[index])
        return self._product_point(index)

    @cached_property
    def _distinct_points(self) -> list[dict[str, Value]]:
        """The grid of a space with conditions: points that differ only in inactive parameters count once."""
        points: dict[str, dict[str, Value]] = {}
        for index in range(math.prod(dimension.size or 1 for dimension in self.dimensions)):
            point = self.complete(self._product_point(index))
            points.setdefault(repr(point), point)
        return list(points.values())

    def _product_point(self, index: int) -> dict[str, Value]:
        places: list[int] = []
        for dimension in reversed(self.dimensions):
            size = dimension.size
            if size is None:
                self.grid_size()  # raises with the reason
                raise AssertionError("unreachable")
            index, place = divmod(index, size)
            places.append(place)
        return {d.name: d.at(place) for d, place in zip(self.dimensions, reversed(places), strict=True)}

    def check(self, hyperparameters: Mapping[str, Any], where: str) -> None:
        """Raise BadInputError unless exactly the active parameters have values, all within this space."""
        hint = "was the search space changed?"
        known = [dimension.name for dimension in self.dimensions]
        for name in hyperparameters:
            if name not in known:
                raise BadInputError("a parameter of the search space", f"'{name}'", where, did_you_mean(name, known))
        applying = self.applying(hyperparameters)
        for dimension in self.dimensions:
            name = dimension.name
            if (name in hyperparameters) != (name in applying):
                expected, found = f"a value of '{name}'", "none"
                if name in hyperparameters:
                    expected, found = f"no value for '{name}' here", repr(hyperparameters[name])
                raise BadInputError(expected, found, where, hint)
            if name in applying and hyperparameters[name] not in dimension:
                listed = dimension.values
                expected = f"one of {list(listed)}" if listed else f"{dimension.low:g} … {dimension.high:g}"
                found = f"{name} = {hyperparameters[name]!r}"
                raise BadInputError(expected, found, where, hint)

    def holds(self, hyperparameters: Mapping[str, Any]) -> bool:
        """Whether a trial of another search lies in this space."""
        try:
            self.check(hyperparameters, "")
        except BadInputError:
            return False
        return True


def _among(value: Value, listed: Sequence[Value]) -> bool:
    """Whether a value is listed, where `True` is not 1."""
    return any(item == value and isinstance(item, bool) == isinstance(value, bool) for item in listed)


def build_space(config: DAFSweepConfig, *, any_name: bool = False) -> Space:
    """The space of a sweep.

    Args:
        config: the sweep.
        any_name: allow parameters that are not hyperparameters of DAF (for your own objective function).

    Raises:
        ConfigError: with one problem for every parameter that does not exist or does not accept its values.
    """
    dimensions: list[Dimension] = []
    problems: list[BadInputError] = []
    for name in sorted(config.search_space):
        where = f"sweep '{config.name}': search_space.{name}"
        try:
            dimension = _dimension(name, config.search_space[name], where)
            if not any_name:
                _check_hyperparameter(dimension, where, of_run=config.training is not None)
            dimensions.append(dimension)
        except BadInputError as problem:
            problems.append(problem)
    problems += _wrong_conditions(config, dimensions)
    if problems:
        raise ConfigError(problems)
    return Space(dimensions=tuple(dimensions))


def _wrong_conditions(config: DAFSweepConfig, dimensions: Sequence[Dimension]) -> list[BadInputError]:
    """Report conditions on unknown parameters or values, and circular conditions."""
    problems: list[BadInputError] = []
    by_name = {dimension.name: dimension for dimension in dimensions}
    parents = {dimension.name: [other for other, _ in dimension.when] for dimension in dimensions}
    for dimension in dimensions:
        where = f"sweep '{config.name}': search_space.{dimension.name}.when"
        for other, values in dimension.when:
            if other not in config.search_space:
                hint = did_you_mean(other, set(by_name) - {dimension.name})
                problems.append(BadInputError("a parameter of this search space", f"'{other}'", where, hint))
            elif other in by_name:
                parent = by_name[other]
                wrong = [value for value in values if value not in parent]
                expected = f"values of '{other}'" + (f", {list(parent.values)}" if parent.values else "")
                problems += [BadInputError(expected, repr(value), f"{where}.{other}") for value in wrong]
        if _leads_back(dimension.name, parents):
            problems.append(BadInputError("conditions without a cycle", f"a cycle through '{dimension.name}'", where))
    return problems


def _leads_back(name: str, parents: Mapping[str, Sequence[str]]) -> bool:
    seen: set[str] = set()
    waiting = list(parents[name])
    while waiting:
        other = waiting.pop()
        if other == name:
            return True
        if other not in seen:
            seen.add(other)
            waiting += parents.get(other, ())
    return False


def searched_arguments(names: Iterable[str]) -> list[str]:
    """The keyword arguments of the policy class among a search space's names."""
    return [name.removeprefix(INIT_KWARGS_PREFIX) for name in names if name.startswith(INIT_KWARGS_PREFIX)]


def num_trials_effective(config: DAFSweepConfig) -> int:
    """The number of trials a sweep runs.

    A grid runs each of its points once; other strategies run `num_trials`.

    Raises:
        BadInputError: strategy 'grid' on a continuous parameter, on more than `LARGEST_GRID` points, or on more than
            `num_trials`: its first points would be a corner of the space.
    """
    if config.strategy != "grid":
        return config.num_trials or DEFAULT_TRIALS
    size = build_space(config, any_name=True).grid_size()
    if config.num_trials is not None and config.num_trials < size:
        raise BadInputError(
            f"num_trials of at least {size:,}, the number of points of the grid",
            f"{config.num_trials:,}",
            f"sweep '{config.name}': num_trials",
            "leave num_trials out to try every point, list fewer values, or use strategy 'quasi_random', which "
            "spreads any number of trials over the space",
        )
    return size


def _dimension(name: str, parameter: FloatParameter | IntParameter | CategoricalParameter, where: str) -> Dimension:
    when = tuple((other, tuple(values)) for other, values in sorted(parameter.when.items()))
    if isinstance(parameter, CategoricalParameter):
        ordered = _monotonic(parameter.choices)
        dimension = Dimension(name=name, values=tuple(parameter.choices), ordered=ordered, when=when)
        for place, choice in enumerate(parameter.choices):
            if dimension.index(choice) != place:
                raise BadInputError("distinct choices", f"{choice!r} twice", where)
        return dimension
    if parameter.step is not None:
        values = _steps(parameter.low, parameter.high, parameter.step, where)
        return Dimension(name=name, values=tuple(map(type(parameter.low), values)), when=when)
    return Dimension(
        name=name,
        low=parameter.low,
        high=parameter.high,
        log=parameter.log,
        integer=isinstance(parameter, IntParameter),
        when=when,
    )


def _steps(low: float, high: float, step: float, where: str) -> list[Decimal]:
    """low, low + step, … up to high, in decimal arithmetic: 0.1 + 2 · 0.1 is exactly 0.3, and `high` can be reached."""
    start, width = Decimal(repr(low)), Decimal(repr(step))
    count = int((Decimal(repr(high)) - start) / width) + 1
    if count > LARGEST_GRID:
        found = f"{count:,} steps of {step:g}" if count < 10**15 else f"{Decimal(count):.2g} steps of {step:g}"
        raise BadInputError(f"at most {LARGEST_GRID:,} values", found, where, "give it a larger `step`, or none")
    return [start + i * width for i in range(count)]


def _monotonic(choices: Sequence[Value]) -> bool:
    """True for at least two numbers in rising or falling order."""
    numbers = [choice for choice in choices if isinstance(choice, int | float) and not isinstance(choice, bool)]
    if len(numbers) != len(choices) or len(numbers) < 2:
        return False
    return numbers in (sorted(numbers), sorted(numbers, reverse=True))


def _check_hyperparameter(dimension: Dimension, where: str, *, of_run: bool) -> None:
    """Check the values of one dimension; those of sections of a run (`of_run`) are checked with the experiment."""
    name = dimension.name
    if section_keys([name]) and of_run:
        return
    if section_keys([name]):
        hint = "name the run whose sections it searches: `training: <name>`"
        raise BadInputError("a sweep with `training`, for a key in a section", f"'{name}'", where, hint)
    if name.startswith(INIT_KWARGS_PREFIX):
        if not name.removeprefix(INIT_KWARGS_PREFIX).isidentifier():
            raise BadInputError("init_kwargs.<name of a keyword argument>", f"'{name}'", where)
        return
    known = Hyperparameters.model_fields
    if name == START_FROM:
        if not dimension.values or not all(value is None or isinstance(value, str) for value in dimension.values):
            raise BadInputError("a list of training runs, paths of weights, or null", "others, or a range", where)
        return
    if name not in known:
        hint = did_you_mean(name, known)
        if not hint.startswith("did you mean"):
            hint = f"for a keyword argument of the policy class write '{INIT_KWARGS_PREFIX}{name}'; {hint}"
        raise BadInputError("a key of `hyperparameters`, or init_kwargs.<name>", f"'{name}'", where, hint)
    # Check inner points, too: 8.0 passes as an integer, but 8.37 does not.
    inner = () if dimension.values else (dimension.from_unit(0.37),)
    samples = dimension.values or (dimension.tidy(dimension.low), dimension.tidy(dimension.high), *inner)
    for value in samples:
        try:
            Hyperparameters.from_dict({name: value})
        except ConfigError as error:
            problem = error.problems[0]
            hint = problem.hint
            if problem.expected == "an integer" and isinstance(value, float):
                hint = "use `type: int`"
            raise BadInputError(problem.expected, problem.found, where, hint) from None
