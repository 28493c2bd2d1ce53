"""Why results are made again, in words: which of the user's files have changed, and which jobs that concerns.

Snakemake says only that the params of a job have changed. The stamps of code in the params of the last run, which it
recorded for every file, and in those of now say which files it was.
"""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import lru_cache

from daf.system.user_code import CodeStamp, code_in, differences

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


def _code(params: frozenset[str]) -> CodeStamp:
    values = []
    for text in params:
        try:
            values.append(ast.literal_eval(text))
        except (SyntaxError, ValueError):  # a param that is not plain data holds no code
            continue
    return code_in(values)
