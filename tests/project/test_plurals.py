"""No sentence says "1 episodes": a number before a noun goes through `number_of`, unless it is always at least two."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[2]
NOUNS = (
    "actions", "agents", "cautions", "cells", "checkpoints", "comparisons", "cores", "draws", "episodes", "evaluations",
    "fields", "files", "jobs", "lines", "machines", "minutes", "missions", "nodes", "pairs", "policies", "problems",
    "processes", "records", "rows", "seats", "seeds", "steps", "tests", "trials", "training runs", "units", "values",
    "workers",
)  # fmt: skip
BEFORE_NOUN = re.compile(rf"^ (?:(?!of|in|on|for|with|to)[a-z-]+ )??({'|'.join(NOUNS)})\b")
CONSTANT = re.compile(r"[\w.]*\b_?[A-Z][A-Z_0-9]+")
AT_LEAST_TWO = {
    "daf/charts/drawing/panels.py: len(placed) lines",
    "daf/cluster/batch_job.py: 2 * WARNING_SECONDS // 60 minutes",
    "daf/cluster/check.py: partition.max_minutes minutes",  # a value to copy
    "daf/compare/leaderboard.py: comparison.episodes_per_mission episodes",  # the name of a board, by which it is found
    "daf/distributed/process_group.py: processes processes",
    "daf/episodes/statistics.py: ' and '.join(map(str, numbers)) agents",
    "daf/packaging/sandbox.py: self._limits.processes processes",
    "daf/reporting/comparison_charts.py: friedman['missions'] missions",
    "daf/reporting/comparison_charts.py: len(order) policies",
    "daf/reporting/index_page.py: len(curves) seeds",
    "daf/reporting/sweep_charts.py: len(ranked) trials",
    "daf/reporting/sweep_charts.py: len(timed) trials",
    "daf/reporting/sweep_words.py: len(rows) trials",
    "daf/reporting/viewpoint.py: total policies",
    "daf/search/budget.py: enough trials",
    "daf/search/space.py: Decimal(count) steps",
    "daf/search/space.py: count steps",
    "daf/statistics/cautions.py: few training runs",
    "daf/statistics/intervals.py: strata[0].size values",
    "daf/statistics/other_layouts.py: copies rows",
    "daf/statistics/recipe_pairs.py: fewest values",
    "daf/statistics/recipe_pairs.py: len(missions) missions",
    "daf/statistics/sentences.py: record.n_tests tests",
    "daf/statistics/unit_collection.py: len(absent) checkpoints",
    "daf/training/launch.py: machines machines",
    "daf/training/launch.py: recipe.world_size processes",
    "daf/training/trainable.py: world_size processes",
}
"""By file, an expression and its noun."""
NO_NUMBER = {"size_in_words(disk.checkpoint_bytes)"}


def counts(source: str) -> Iterator[tuple[int, str]]:
    """Expressions in f-strings with the noun in the plural that follows them: (line, 'expression noun')."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, text in zip(node.values, node.values[1:], strict=False):
            if not isinstance(value, ast.FormattedValue) or not isinstance(text, ast.Constant):
                continue
            found, expression = BEFORE_NOUN.match(str(text.value)), ast.unparse(value.value)
            is_number = not CONSTANT.fullmatch(expression) and not expression.startswith("number_of(")
            if found and is_number and expression not in NO_NUMBER:
                yield node.lineno, f"{expression} {found[1]}"


def test_numbers_before_nouns_agree_with_them() -> None:
    paths = sorted((PROJECT / "daf").rglob("*.py"))
    found = {
        f"{name}: {count}": line
        for path in paths
        for name in [path.relative_to(PROJECT).as_posix()]
        for line, count in counts(path.read_text(encoding="utf-8"))
    }
    new = [f"{count} (line {line}): use daf.system.nouns.number_of" for count, line in found.items()
           if count not in AT_LEAST_TWO]  # fmt: skip
    assert not new, "\n".join(new)
    assert not AT_LEAST_TWO - found.keys(), "no longer there"


def test_a_number_before_a_noun_is_found() -> None:
    source = 'x = f"{len(rows)} paired episodes are few, {n:,} seeds and {LIMIT} files of {a} of trials"'
    assert list(counts(source)) == [(1, "len(rows) episodes"), (1, "n seeds")]
