"""What a training starts from: weights of another run of the experiment, or of a file, instead of random ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from daf.config.strict_model import FrozenModel
from daf.errors import BadInputError, did_you_mean
from daf.system.files import known_sha256

_SUFFIX = ".safetensors"


class Run(Protocol):
    """What matters here of a training run."""

    seeds: list[int]
    sweep: str | None
    start_from: str | None


class Sweep(Protocol):
    """What matters here of a sweep."""

    warm_start: str | None
    start_from: str | None


type Runs = Mapping[str, Run]  # of an experiment, by name


class StartRecipe(FrozenModel):
    """The weights that a training starts from. Once they exist, their content alone identifies them.

    Attributes:
        training: the run that trains them, before it has ended.
        seed: its training seed.
        weights_sha256: digest of the file.
    """

    training: str | None = None
    seed: int | None = None
    weights_sha256: str | None = None


def start_recipe(start_from: str | None, seed: int | None, runs: Runs | None) -> StartRecipe | None:
    """What `start_from` refers to: one of the runs, with the same training seed or else its first, or a file."""
    if start_from is None:
        return None
    if not runs or start_from not in runs:
        return StartRecipe(weights_sha256=known_sha256(start_from))
    seeds = runs[start_from].seeds
    return StartRecipe(training=start_from, seed=seed if seed in seeds else seeds[0])


def broken_start(start_from: str | None, others: set[str], where: str) -> BadInputError | None:
    """What is wrong with a `start_from` that names neither one of the other runs nor a file of weights."""
    if start_from is None or start_from in others:
        return None
    path = Path(start_from)
    if path.suffix != _SUFFIX:
        expected = f"another training run of this file, or the path of a {_SUFFIX} file"
        return BadInputError(expected, f"'{start_from}'", where, did_you_mean(start_from, others))
    if path.is_file():
        return None
    near = [other.name for other in path.parent.glob(f"*{_SUFFIX}")] if path.parent.is_dir() else []
    return BadInputError(
        "a file of weights", f"'{start_from}', which does not exist", where, did_you_mean(path.name, near)
    )


def circular_starts(
    training: Runs, sweeps: Mapping[str, Sweep], others: Mapping[str, Mapping[str, str]], source: str
) -> Iterator[BadInputError]:
    """Runs and sweeps whose `start_from`, teacher or partner leads back to themselves, by way of others or directly.

    Args:
        others: `training.<name>` or `sweeps.<name>` → the runs that train its teacher and its partners, or that it may
            start from, by their keys.
    """
    runs = {f"training.{name}": {"start_from": run.start_from} for name, run in training.items()}
    runs |= {f"sweeps.{name}": {"start_from": sweep.start_from} for name, sweep in sweeps.items()}
    for name, needed_by_key in others.items():
        runs[name] |= needed_by_key
    searches = {f"training.{name}": run.sweep for name, run in training.items()}
    searches |= {f"sweeps.{name}": sweep.warm_start for name, sweep in sweeps.items()}
    before = {
        key: [f"training.{run}" for run in needed.values() if run in training]
        + [f"sweeps.{sweep}" for sweep in [searches[key]] if sweep in sweeps]
        for key, needed in runs.items()
    }
    for key, needed in runs.items():
        for what, run in needed.items():
            if run in training and (way := _way(f"training.{run}", key, before)):
                kind = {"teacher": "teacher", "partners": "partner"}.get(what.partition(".")[0], "start_from")
                expected = f"a {kind} that does not need this one first"
                yield BadInputError(expected, " → ".join([key, *way]), f"{source}: {key}.{what}")


def _way(begin: str, end: str, before: Mapping[str, list[str]]) -> list[str] | None:
    """The shortest way from one run or sweep to another, through what each needs first; None if there is none."""
    ways, known = [[begin]], {begin}
    for way in ways:
        if way[-1] == end:
            return way
        ways += [[*way, other] for other in before[way[-1]] if other not in known]
        known |= set(before[way[-1]])
    return None
