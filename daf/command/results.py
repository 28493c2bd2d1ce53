"""`daf results`: the answers of an experiment, in the terminal."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

from daf.command.folders import output_folder
from daf.errors import EXIT_OK, DafError
from daf.system.shown import one_line, short

LONGEST = 400  # of an answer
PAGE = "report.html"


def results(options: argparse.Namespace) -> int:
    """Answer `daf results`."""
    out = output_folder(options.folder)
    found = list(_lines(out))
    if not found:
        raise DafError(
            "results", "nothing has been finished yet", str(out), f"`daf status {out}` shows what is missing"
        )
    print("\n".join(found))
    return EXIT_OK


def _lines(out: Path) -> Iterator[str]:
    """What was found, by kind, and where it is described."""
    kinds: tuple[tuple[str, str, Callable[[Path], str]], ...] = (
        ("sweeps", "sweeps/*/best.json", _sweep),
        ("comparisons", "comparisons/*/comparison.json", _comparison),
        ("tournaments", "tournaments/*/results.json", _tournament),
        ("packages", "deployment/*.zip", _package),
    )
    early = _so_far(out)
    for title, pattern, describe in kinds:
        entries = dict(early.get(title, {}))
        for path in out.glob(pattern):
            name = path.name if title == "packages" else path.parent.name
            if name not in entries:
                page = path.with_name(PAGE)
                entries[name] = _answer(path, describe), page if page.is_file() else path
        if entries:
            yield title
        for _, (answer, where) in sorted(entries.items()):
            yield f"  {one_line(answer, LONGEST)}"
            yield f"    {where}"


def _so_far(out: Path) -> dict[str, dict[str, tuple[str, Path]]]:
    """By kind and name, what the pages of a run say that is not finished, as on the page of the experiment."""
    from daf.reporting.index_facts import answers_so_far  # importing it takes longer than many answers
    from daf.workflow.status import read_status

    try:
        found = answers_so_far(read_status(out))
    except DafError:  # no run, or one whose record is damaged, as `daf status` says
        return {}
    return {
        kind: {one.name: (_unfinished(kind, one.name, one.sentence), out / one.address) for one in results}
        for kind, results in found.items()
    }


def _unfinished(kind: str, name: str, sentence: str) -> str:
    if kind == "sweeps":  # it says so itself
        return f"sweep {name}: {sentence}"
    return f"{name}: {sentence.removesuffix('.')} (without the policies that failed)."


def _answer(path: Path, describe: Callable[[Path], str]) -> str:
    try:
        return describe(path)
    except DafError as error:
        return f"cannot be read: {error}"


def _sweep(path: Path) -> str:
    from daf.search.files import read_sweep

    return short(read_sweep(path.parent))


def _comparison(path: Path) -> str:
    """The sentence of its page, also if that is missing or older."""
    if sentence := _of_page(path):
        return sentence
    from daf.reporting.viewpoint import Viewpoint
    from daf.statistics.results import ComparisonResults

    answer = Viewpoint(ComparisonResults.read(path.parent)).answer
    return f"{path.parent.name}: {answer.in_short.replace('`', '')}"


def _tournament(path: Path) -> str:
    """As `_comparison`."""
    if sentence := _of_page(path):
        return sentence
    from daf.tournament.files import read_tournament

    return f"{path.parent.name}: {short(read_tournament(path)).replace('`', '')}"


def _of_page(path: Path) -> str:
    """The sentence of the page beside a result; empty if the page is missing or older."""
    from daf.reporting.page_heads import page_head

    head = page_head(path.with_name(PAGE))
    is_new = head is not None and head.sentence and head.written_ns >= path.stat().st_mtime_ns
    return f"{path.parent.name}: {head.sentence}" if head is not None and is_new else ""


def _package(path: Path) -> str:
    from daf.packaging.manifest import read_manifest

    return short(read_manifest(path))
