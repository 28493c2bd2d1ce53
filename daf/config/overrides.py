"""`daf run --set key=value`: keys of an experiment's file, overridden on the command line.

The result is a configuration file like any other, which Snakemake reads in place of the original one. So jobs on a
cluster read the same values, and a run without the overrides plans what differs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daf.config.experiment import ExperimentConfig
from daf.config.strict_model import read_mapping
from daf.errors import BadInputError, ConfigError, did_you_mean
from daf.system.files import digest, write_text
from daf.system.yaml_files import parse_yaml

OPTION = "--set"
FOLDER = Path("logs") / "experiments"  # in the output folder
KEY = "overrides"


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """One `--set key=value`.

    Attributes:
        text: as written.
        keys: the path to the value; a name of a mission or policy may hold dots, so it is one key.
        value: as YAML reads it.
    """

    text: str
    keys: tuple[str, ...]
    value: Any

    @property
    def where(self) -> str:
        return f"{OPTION} {self.text}"

    @property
    def key(self) -> str:
        return ".".join(self.keys)


def with_overrides(path: str | Path, texts: Sequence[str]) -> tuple[ExperimentConfig, dict[str, Any]]:
    """The experiment of a file with `key=value` texts on top, and its content as plain data.

    Raises:
        ConfigError: the file or an override is wrong; each problem names the `--set` that causes it.
    """
    content = read_mapping(path)
    assignments = _assignments(content, texts, str(path))
    changed = deepcopy(content)
    for assignment in assignments:
        _assign(changed, assignment)
    try:
        experiment = ExperimentConfig.from_dict(changed, source=str(path))
    except ConfigError as error:
        raise ConfigError([_blamed(problem, assignments, str(path)) for problem in error.problems]) from None
    before, after = _values_before(content, str(path)), experiment.to_dict()
    keys = {
        assignment.key: {"before": _look_up(before, assignment.keys), "after": _look_up(after, assignment.keys)}
        for assignment in assignments
    }
    changed[KEY] = {"file": str(path), "keys": keys}
    return ExperimentConfig.from_dict(changed, source=str(path)), changed


def effective_file(path: str | Path, texts: Sequence[str], folder: Path | None = None) -> Path:
    """The configuration file to run: this one or, with overrides, a file of their common content.

    Its name holds a digest of the content, so that it never changes under jobs that are still to read it.

    Args:
        folder: where to write it; default: in the output folder.

    Raises:
        ConfigError: as `with_overrides`.
    """
    if not texts:
        return Path(path)
    experiment, content = with_overrides(path, texts)
    target = (folder or experiment.daf.output_dir / FOLDER) / f"{Path(path).stem}-{digest(content)[:16]}.json"
    if not target.is_file():
        # JSON, since YAML has two readings of text such as 1e-3. The order of keys is the file's: it may be a recipe's.
        write_text(target, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    return target


def _assignments(content: Mapping[str, Any], texts: Sequence[str], file: str) -> list[Assignment]:
    problems: list[BadInputError] = []
    assignments: list[Assignment] = []
    for text in texts:
        try:
            assignment = _parsed(content, text, file)
            if any(assignment.keys == known.keys for known in assignments):
                raise BadInputError(
                    "each key once", f"'{assignment.key}' twice", assignment.where, "remove one of them"
                )
            assignments.append(assignment)
        except ConfigError as error:
            problems += error.problems
        except BadInputError as problem:
            problems.append(problem)
    if problems:
        raise ConfigError(problems)
    return assignments


def _parsed(content: Mapping[str, Any], text: str, file: str) -> Assignment:
    key, separator, value = text.partition("=")
    where = f"{OPTION} {text}"
    if not separator or not all(key.strip().split(".")):
        hint = f"write the key with dots, for example {OPTION} training.miner.num_steps=1e6"
        raise BadInputError("key=value", f"'{text}'", where, hint)
    keys = _split(content, key.strip())
    _require_name(content, keys, where, file)
    return Assignment(text=text, keys=keys, value=parse_yaml(value, where))


def _split(content: Any, key: str) -> tuple[str, ...]:
    """The keys of a dotted path; where the file has a name with dots, the longest such name counts."""
    if isinstance(content, Mapping):
        for name in sorted((name for name in content if "." in name), key=len, reverse=True):
            if key == name:
                return (name,)
            if key.startswith(f"{name}."):
                return (name, *_split(content[name], key[len(name) + 1 :]))
    first, separator, rest = key.partition(".")
    if not separator:
        return (first,)
    inner = content.get(first) if isinstance(content, Mapping) else None
    return (first, *_split(inner, rest))


def _require_name(content: Mapping[str, Any], keys: tuple[str, ...], where: str, file: str) -> None:
    """Refuse a key of a training run, for example, that the file does not have: it would be a run without the rest."""
    section = keys[0]
    if len(keys) < 3 or section not in ExperimentConfig.SECTIONS_WITH_NAMES:
        return
    known = content.get(section)
    names = known if isinstance(known, Mapping) else {}
    if keys[1] not in names:
        hint = did_you_mean(keys[1], names) or f"it has no {section}"
        raise BadInputError(f"a name under `{section}` of {file}", f"'{keys[1]}'", where, hint)


def _assign(content: dict[str, Any], assignment: Assignment) -> None:
    inner = content
    for depth, key in enumerate(assignment.keys[:-1]):
        value = inner.get(key)
        if value is None:
            value = inner[key] = {}
        if not isinstance(value, dict):
            place = ".".join(assignment.keys[: depth + 1])
            hint = f"override the whole value: {OPTION} {place}=…"
            raise ConfigError([BadInputError(f"keys below `{place}`", f"the value {value!r}", assignment.where, hint)])
        inner = value
    inner[assignment.keys[-1]] = assignment.value


def _blamed(problem: BadInputError, assignments: Sequence[Assignment], file: str) -> BadInputError:
    """The problem with the `--set` that causes it as its place, if one does."""
    key = problem.where.removeprefix(f"{file}: ")
    for assignment in assignments:
        ours = assignment.key
        if key == ours or key.startswith((f"{ours}.", f"{ours} ")) or ours.startswith(f"{key}."):
            return BadInputError(problem.expected, problem.found, assignment.where, problem.hint)
    return problem


def _values_before(content: dict[str, Any], file: str) -> Mapping[str, Any]:
    """The values of the file alone, with defaults; as written if they do not hold without the overrides."""
    try:
        return ExperimentConfig.from_dict(deepcopy(content), source=file).to_dict()
    except ConfigError:
        return content


def _look_up(content: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content
