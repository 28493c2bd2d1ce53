"""The experiment's configuration as its author wrote it: Snakemake's own reader is YAML 1.1 and drops repeated keys."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from daf.config import ExperimentConfig
from daf.config.strict_model import read_mapping
from daf.errors import BadInputError, ConfigError, DafError, did_you_mean
from daf.system.readers import read_text
from daf.system.yaml_files import plain_value, repeated_keys
from daf.workflow.snakemake_internals import configuration_words, is_name_in_config

SUFFIXES = (".yaml", ".yml", ".json")  # of configuration files


def read_experiment(paths: Sequence[str | Path], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The content of the configuration files, later ones over earlier ones, with the values of `--config` on top.

    Raises:
        ConfigError: a file is unreadable, or has keys twice; all files' problems in one list.
    """
    content: dict[str, Any] = {}
    problems: list[BadInputError] = []
    for path in paths:
        try:
            content = _merged(content, read_mapping(path))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return _merged(content, {key: _meant(value) for key, value in overrides.items()})


def require_readable(path: str | Path) -> None:
    """Print what is wrong with a configuration file and exit, before Snakemake reads it; a missing one may stay."""
    try:
        if Path(path).exists():
            read_mapping(Path(path))
    except DafError as error:
        print(f"\n{error}\n", file=sys.stderr)
        sys.exit(error.exit_code)


def require_readable_command_line() -> None:
    """Print what is wrong with the words behind `--config` and `--configfile` and exit, before Snakemake reads them.

    The default profile calls this: Snakemake reads its profiles first, and ends with a traceback if a configuration
    file, or a word behind `--config`, is not what it expects.
    """
    words, files = configuration_words(sys.argv)
    try:
        problems = wrong_overrides(words) + [problem for file in files for problem in _unreadable(file)]
        if problems:
            raise ConfigError(problems)
    except DafError as error:
        print(f"\n{error}\n", file=sys.stderr)
        sys.exit(error.exit_code)


def wrong_overrides(words: Sequence[str]) -> list[BadInputError]:
    """What is wrong with the words behind `--config`: each must be a key of the experiment and its value."""
    problems: list[BadInputError] = []
    known = [*ExperimentConfig.model_fields, "trials_per_job", "matches_per_job"]
    opened = ""  # a value whose bracket a blank has cut off, because of missing quotes
    for word in words:
        name, separator, value = word.partition("=")
        if opened:
            opened = "" if word.rstrip().endswith(("}", "]")) else opened
            continue
        if not separator:
            hint = "write targets before --config, which takes every word up to the next option"
            problems.append(BadInputError("name=value", f"'{word}'", "--config", hint))
        elif not is_name_in_config(name):
            key, _, inner = name.partition(".")
            hint = did_you_mean(name, known)
            if key in known and inner:
                nested = "{" + inner.replace(".", ": {") + f": {value}" + "}" * (inner.count(".") + 1)
                hint = f"write what is inside a key in braces: --config {key}='{nested}'"
            problems.append(BadInputError("a known key", f"'{name}'", "--config", hint))
        elif value.lstrip().startswith(("{", "[")) and not value.rstrip().endswith(("}", "]")):
            opened = word
            hint = f"put the whole value in quotes: --config {name}='{{key: value}}'"
            problems.append(BadInputError("a value that ends with its bracket", f"'{value}'", f"--config {name}", hint))
    return problems


def _unreadable(file: str) -> list[BadInputError]:
    """What is wrong with a word behind `--configfile`."""
    try:
        read_mapping(file)
    except ConfigError as error:
        if not Path(file).exists() and Path(file).suffix not in SUFFIXES:
            hint = "write targets before --configfile, which takes every word up to the next option"
            return [BadInputError("a configuration file", f"no file '{file}'", "--configfile", hint)]
        return error.problems
    return []


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings are merged key by key, anything else is replaced, as Snakemake does."""
    merged = dict(below)
    for key, value in above.items():
        known = merged.get(key)
        merged[key] = _merged(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return merged


def refuse_repeated_options(options: Iterable[str]) -> None:
    """Raise ConfigError for options that the command line has twice."""
    hint = "only the last one would count: write it once, with all values behind it"
    if problems := [BadInputError(f"{name} once", "it twice", "command line", hint) for name in options]:
        raise ConfigError(problems)


def refuse_repeated_overrides(texts: Iterable[str]) -> None:
    """Raise ConfigError if the value of a `name=value` of `--config` has a key twice; Snakemake keeps only the last."""
    problems: list[BadInputError] = []
    for name, separator, value in (text.partition("=") for text in texts):
        if separator and value.lstrip().startswith(("{", "[")):
            problems += repeated_keys(value, f"--config {name}")
    if problems:
        raise ConfigError(problems)


def _meant(value: Any) -> Any:
    """A value of `--config`, inside which Snakemake leaves every number as text."""
    if isinstance(value, Mapping):
        return {str(key): _inner(item) for key, item in value.items()}
    return [_inner(item) for item in value] if isinstance(value, list) else value


def _inner(value: Any) -> Any:
    return plain_value(value) if isinstance(value, str) else _meant(value)


def refuse_repeated_keys(profiles: Iterable[Path]) -> None:
    """Raise ConfigError if a profile has a key twice; Snakemake would silently use the last one."""
    problems: list[BadInputError] = []
    for path in profiles:
        # `?if` and `?else` are statements of a profile, and may repeat.
        problems += repeated_keys(read_text(path, "a profile"), str(path), ignored_prefix="?")
    if problems:
        raise ConfigError(problems)
