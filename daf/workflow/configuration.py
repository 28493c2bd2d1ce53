"""The experiment's configuration as its author wrote it: Snakemake's own reader is YAML 1.1 and drops repeated keys."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from daf.config.strict_model import read_mapping
from daf.errors import BadInputError, ConfigError, DafError
from daf.system.readers import read_text
from daf.system.yaml_files import plain_value, repeated_keys


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
