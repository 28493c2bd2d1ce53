"""Why results are made again, in words: which of the user's files have changed, and which jobs that concerns.

Snakemake says only that the params of a job have changed. The stamps of code in the params of the last run, which it
recorded for every file, and in those of now say which files it was. A job whose recipe no longer says what the files
are fails: its results would be taken for those of the recipe.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from daf.config import ExperimentConfig
from daf.errors import DafError
from daf.system.imported_code import files_as_they_are
from daf.system.user_code import CodeStamp, changed_from, code_in, differences
from daf.workflow.plan import code_of_experiment

MOST_SETTINGS = 3  # that are named
LONGEST_VALUE = 20  # of one that is shown

Change = tuple[str, Iterable[str], Iterable[str]]  # rule, and params before and now


def changes_in_words(changes: Iterable[Change]) -> list[str]:
    """One sentence per changed file or distribution.

    Args:
        changes: of every job that runs again, its rule and the `repr` of the params that differ.
    """
    jobs: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for rule, before, now in changes:
        for clause in _clauses(frozenset(before), frozenset(now)):
            jobs[clause][rule] += 1
    return [
        f"{clause} since the last run: what it plays, trains or decides is made again "
        f"({', '.join(f'{count} {rule}' for rule, count in sorted(rules.items()))})"
        for clause, rules in sorted(jobs.items())
    ]


@lru_cache(maxsize=256)
def _clauses(before: frozenset[str], now: frozenset[str]) -> tuple[str, ...]:
    """How code differs between params; many jobs of one rule have the same."""
    return tuple(differences(_code(before), _code(now)))


def change_in_words(before: Iterable[str], now: Iterable[str]) -> str:
    """Why a job with other params than before runs again: the user's code, DAF's, or settings with both values.

    Args:
        before, now: the `repr` of the params that differ.
    """
    if clauses := _clauses(frozenset(before), frozenset(now)):
        return f"your code: {clauses[0]}{f' and {len(clauses) - 1} more' if len(clauses) > 1 else ''}"
    old, new = dict(_settings(before)), dict(_settings(now))
    keys = [key for key in new if old.get(key, new) != new[key]] + [key for key in old if key not in new]
    if "stage_version" in keys:
        return "this version of DAF computes it differently"
    named = [_one_change(key, old, new) for key in keys[:MOST_SETTINGS]]
    more = f" and {len(keys) - MOST_SETTINGS} more" if len(keys) > MOST_SETTINGS else ""
    return f"its settings changed ({', '.join(named)}{more})" if named else "its settings changed"


def _one_change(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    values = [repr(settings[key]) for settings in (old, new) if key in settings]
    is_short = len(values) == 2 and max(map(len, values)) <= LONGEST_VALUE
    return f"{key} {values[0]} → {values[1]}" if is_short else key


def _settings(params: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """The numbers and texts in params, each under its last key; a key that stands twice keeps one value."""
    for value in _plain(params):
        yield from _leaves("", value)


def _leaves(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(str(name), inner)
    elif key:
        yield key, value


def _code(params: frozenset[str]) -> CodeStamp:
    return code_in(list(_plain(params)))


def _plain(params: Iterable[str]) -> Iterator[Any]:
    for text in params:
        try:
            yield ast.literal_eval(text)
        except (SyntaxError, ValueError):  # a param that is not plain data holds neither code nor settings
            continue


@contextmanager
def code_unchanged(params: Iterable[Any], experiment: Mapping[str, Any], where: str) -> Iterator[None]:
    """Run a job between two comparisons of the code in its params with the files as they are.

    Args:
        params: of the job, made when the workflow was planned.
        experiment: the configuration.
        where: the job, for the message.

    Raises:
        DafError: a file has changed since the workflow was planned.
    """
    recorded = code_in(list(params))
    if not recorded:
        yield
        return
    path = list(sys.path)
    _require_unchanged(recorded, experiment, where)
    yield
    path, sys.path[:] = list(sys.path), path  # user code may have put other folders first
    try:
        _require_unchanged(recorded, experiment, where)
    finally:
        sys.path[:] = path


def _require_unchanged(recorded: CodeStamp, experiment: Mapping[str, Any], where: str) -> None:
    with files_as_they_are():
        now = code_of_experiment(ExperimentConfig.from_dict(dict(experiment)))
    changes = changed_from(recorded, now)
    if changes:
        raise DafError(
            "the code that the workflow was planned with",
            f"{', '.join(changes)} while the workflow ran",
            where,
            "run the same command again: it makes again what depends on the change",
        )
