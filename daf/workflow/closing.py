"""The last words of a run: how it ended, what comparisons and tournaments found, and where its pages are."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from daf.errors import DafError
from daf.system.json_files import read_json
from daf.system.nouns import number_of
from daf.system.progress import format_duration

MOST_VERDICTS = 6  # of a comparison
MOST_PATHS = 4  # of a kind
MOST_FAILURES = 6
_KINDS = (
    ("report", "comparisons/", ".html"),
    ("report", "tournaments/", ".html"),
    ("sweep", "sweeps/", ".html"),
    ("mission", "reports/missions/", ".html"),
    ("package", "deployment/", ".zip"),
)


def closing_text(experiment: str, out: Path, files: Collection[str], *, num_jobs: int, seconds: float) -> str:
    """Of a run that succeeded.

    Args:
        files: what it made, or found up to date.
        num_jobs: how many jobs ran.
    """
    rows = [f"{experiment} · done · {number_of(num_jobs, 'job')} in {format_duration(seconds)}"]
    rows += [f"  {row}" for row in [*_verdicts(out, files), *_answers(out, files), *_paths(out, files)]]
    return _boxed(rows)


def stopped_text(experiment: str, *, num_done: int, total: int, seconds: float) -> str:
    """Of a run that was interrupted."""
    done = f"{num_done:,} of {number_of(total, 'job')} {'is' if total == 1 else 'are'} done"
    return f"{experiment} · stopped after {format_duration(seconds)} · {done}; the same command continues"


def failed_text(
    experiment: str,
    out: Path,
    files: Collection[str],
    failures: Sequence[str],
    *,
    num_done: int,
    total: int,
    seconds: float,
) -> str:
    """Of a run with jobs that failed.

    Args:
        files: what it made all the same, or found up to date.
        failures: these jobs, each with its log.
    """
    done = f"{num_done:,} of {number_of(total, 'job')} {'is' if total == 1 else 'are'} done"
    rows = [f"{experiment} · failed after {format_duration(seconds)} · {done}"]
    rows += [f"  {'failed':<8} {failure}" for failure in failures[:MOST_FAILURES]]
    if len(failures) > MOST_FAILURES:
        rows.append(f"  {'':<8} and {len(failures) - MOST_FAILURES} more, see `daf status`")
    rows += [f"  {row}" for row in _paths(out, files)]
    rows.append("  The same command tries them again, and makes what is left.")
    return _boxed(rows)


def _boxed(rows: list[str]) -> str:
    width = min(max(map(len, rows)), shutil.get_terminal_size().columns)
    return "\n".join(["─" * width, *rows, "─" * width])


def _verdicts(out: Path, files: Collection[str]) -> Iterator[str]:
    for name in sorted(files):
        path = Path(name)
        if path.name != "comparison.json" or path.parent.parent != out / "comparisons":
            continue
        try:
            content = read_json(path)
            sentences = [_sentence(pair) for pair in content["pairwise"] if _decides(pair, content["pairwise"])]
        except (DafError, KeyError, TypeError):  # its own job has said what is wrong, or will
            continue
        yield from (f"{path.parent.name}: {sentence}" for sentence in sentences[:MOST_VERDICTS])
        if len(sentences) > MOST_VERDICTS:
            yield f"{path.parent.name}: {len(sentences) - MOST_VERDICTS} more verdicts, see its report"
        if not sentences and content["pairwise"]:
            yield f"{path.parent.name}: too little data for a verdict, see its report"


def _answers(out: Path, files: Collection[str]) -> Iterator[str]:
    """What its tournaments found."""
    for name in sorted(files):
        path = Path(name)
        if path.name == "results.json" and path.parent.parent == out / "tournaments":
            try:
                yield f"{path.parent.name}: {read_json(path)['answer'].removesuffix('.')}"
            except (DafError, KeyError, TypeError, AttributeError):  # as above
                continue


def _decides(pair: dict[str, Any], pairs: list[dict[str, Any]]) -> bool:
    """Whether it is about all missions, or about the only one, and has a verdict."""
    missions = {other["mission"] for other in pairs}
    return bool(pair["verdict"] != "insufficient data" and (len(missions) == 1 or pair["mission"] == "overall"))


def _sentence(pair: dict[str, Any]) -> str:
    a, b, verdict = pair["policy_a"], pair["policy_b"], pair["verdict"]
    subject = "the recipe of " if pair["estimand"] == "recipes" else ""
    if verdict in ("better", "worse"):
        winner, loser = (a, b) if verdict == "better" else (b, a)
        return f"{subject}{winner} beats {subject and 'that of '}{loser}"
    word = "undecided" if verdict == "inconclusive" else verdict  # as on the pages
    return f"{subject}{a} and {subject and 'that of '}{b}: {word}"


def _paths(out: Path, files: Collection[str]) -> Iterator[str]:
    for title, folder, suffix in _KINDS:
        found = sorted(name for name in files if name.startswith(f"{out}/{folder}") and name.endswith(suffix))
        for name in found[:MOST_PATHS]:
            yield f"{title:<8} {name}"
        if len(found) > MOST_PATHS:
            yield f"{'':<8} and {len(found) - MOST_PATHS} more below {out}/{folder}"
