"""Sweeps whose trials train as a run of the experiment does, and search the keys of its sections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from daf.config.partners import PartnersConfig
from daf.config.strict_model import StrictModel
from daf.config.sweep import CategoricalParameter, DAFSweepConfig, FloatParameter, IntParameter, SearchParameter
from daf.errors import BadInputError, ConfigError, did_you_mean

INIT_KWARGS = "init_kwargs"
START_FROM = "start_from"
# What a sweep says itself, unless its file leaves it to the run.
_TAKEN = ("mission", "policy_class_path", "start_from", "objective_metric", "optimize_direction")


def like_its_run(sweep: DAFSweepConfig, run: Any) -> DAFSweepConfig:
    """A sweep with the values of its run, a DAFTrainingConfig, for what its file leaves out."""
    taken = {key: getattr(run, key) for key in _TAKEN if key not in sweep.model_fields_set}
    same_class = taken.get("policy_class_path", sweep.policy_class_path) == run.policy_class_path
    arguments = {**(run.init_kwargs if same_class else {}), **sweep.init_kwargs}
    own = sweep.hyperparameters
    changed = {key: getattr(own, key) for key in own.model_fields_set}
    hyperparameters = run.hyperparameters.model_copy(update=changed)
    return sweep.model_copy(update={**taken, "init_kwargs": arguments, "hyperparameters": hyperparameters})


def section_keys(names: Any) -> list[str]:
    """The names of a search space that are keys in sections of a training run, such as `teacher.coef`."""
    return [name for name in names if "." in name and not name.startswith(f"{INIT_KWARGS}.")]


def with_sections(content: dict[str, Any], values: Mapping[str, Any], source: str) -> dict[str, Any]:
    """A training recipe as plain data with other values in its sections, whose keys are those of the configuration.

    Raises:
        BadInputError: it has no such section or key.
    """
    for name, value in values.items():
        section: Any = content
        *path, leaf = name.split(".")
        for key in path:
            section = section.get(key) if isinstance(section, dict) else None
        if not isinstance(section, dict) or leaf not in section:
            hint = "it decides more than one value of the training, so it cannot be searched: make a sweep for each"
            raise BadInputError("a key in a section of this training run", f"'{name}'", source, hint)
        section[leaf] = value
    return content


def broken_sections(sweep: DAFSweepConfig, run: Any, where: str) -> Iterator[BadInputError]:
    """Searched keys that the run does not have, or whose values it does not accept.

    Args:
        where: of the search space.
    """
    for name in section_keys(sweep.search_space):
        for value in _samples(sweep.search_space[name]):
            if problem := _broken_value(run, name, value, f"{where}.{name}"):
                yield problem
                break


def most_partners(partners: PartnersConfig, sweep: DAFSweepConfig) -> PartnersConfig:
    """The partners of a run with the largest share that a sweep tries."""
    parameter = sweep.search_space.get("partners.share")
    if parameter is None:
        return partners
    shares = parameter.choices if isinstance(parameter, CategoricalParameter) else [parameter.high]
    return partners.model_copy(update={"share": max(share for share in shares if isinstance(share, float | int))})


def searched_starts(sweep: DAFSweepConfig) -> list[str]:
    """The weights among which a sweep chooses, in their order; empty if it does not search `start_from`."""
    parameter = sweep.search_space.get(START_FROM)
    choices = parameter.choices if isinstance(parameter, CategoricalParameter) else []
    return [str(choice) for choice in choices if choice is not None]


def starts_of(sweep: DAFSweepConfig) -> list[str]:
    """All weights from which trials of a sweep may start."""
    return searched_starts(sweep) or ([] if sweep.start_from is None else [sweep.start_from])


def broken_use(run: Any, sweep: DAFSweepConfig, where: str) -> Iterator[BadInputError]:
    """What a sweep searches, and the run that takes its best values cannot."""
    if START_FROM in sweep.search_space:
        hint = "name the weights that it found best under the run's `start_from`, and leave out `sweep`"
        yield BadInputError("a sweep that does not search start_from", f"'{sweep.name}'", where, hint)
    for name in section_keys(sweep.search_space):
        if problem := _missing(run, name, where):
            yield problem


def _missing(run: Any, name: str, where: str) -> BadInputError | None:
    section: Any = run
    *path, leaf = name.split(".")
    for number, key in enumerate([*path, leaf]):
        known = type(section).model_fields if isinstance(section, StrictModel) else {}
        if key not in known:
            place = ".".join(path[:number]) or "a training run"
            return BadInputError(f"a key of {place}", f"'{name}'", where, did_you_mean(key, known))
        if (section := getattr(section, key)) is None and number < len(path):
            found = f"'{name}', and no `{'.'.join(path[: number + 1])}` in the run"
            return BadInputError("a section of the training run", found, where, "add it to the run")
    if isinstance(section, StrictModel | Mapping | list):
        return BadInputError("a key with a single value", f"'{name}', a section or list", where)
    return None


def _broken_value(run: Any, name: str, value: Any, where: str) -> BadInputError | None:
    if problem := _missing(run, name, where):
        return problem
    content = run.to_dict()
    section = content
    *path, leaf = name.split(".")
    for key in path:
        section = section[key]
    section[leaf] = value
    try:
        type(run).from_dict(content)
    except ConfigError as error:
        first = error.problems[0]
        whole = first.expected == "an integer" and isinstance(value, float)
        return BadInputError(first.expected, first.found, where, "use `type: int`" if whole else first.hint)
    return None


def _samples(parameter: SearchParameter) -> list[Any]:
    """Values that show whether the key accepts all: the choices, or the ends of a range and a point between them."""
    if isinstance(parameter, FloatParameter | IntParameter):
        between = parameter.low + 0.37 * (parameter.high - parameter.low)
        inner = [between] if isinstance(parameter, FloatParameter) and parameter.step is None else []
        return [parameter.low, parameter.high, *inner]
    return list(parameter.choices)
