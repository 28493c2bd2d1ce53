"""leaderboard.html in an output folder: the scores of all policies in all of its comparisons."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from daf.reporting.index_facts import LEADERBOARD, PAGES
from daf.reporting.leaderboard_facts import COMPARISON, Leaderboard, read_boards
from daf.reporting.page_heads import INDEX
from daf.reporting.templating import environment, with_script_hashes
from daf.system.files import write_text

SECURITY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)


def refresh_leaderboard(out: Path) -> bool:
    """Write the leaderboard if a comparison has changed since it was written, and remove it with the last comparison.

    Returns:
        Whether there is one.
    """
    page = out / LEADERBOARD
    if not any(out.glob(COMPARISON.format(name="*"))):
        page.unlink(missing_ok=True)
        return False
    changed = max(_changed(out), default=0)
    if not page.is_file() or page.stat().st_mtime_ns < changed:
        write_text(page, render_leaderboard(read_boards(out), out))
    return True


def _changed(out: Path) -> Iterator[int]:
    """When what the leaderboard repeats has changed, in ns since 1970."""
    patterns = (
        "comparisons", "comparisons/*/comparison.json", "reports/missions/*.json", "logs/comparisons/*/*.files.json",
        "logs/reports/missions/*.files.json",
    )  # fmt: skip
    for pattern in patterns:
        for path in out.glob(pattern):
            try:
                yield path.stat().st_mtime_ns
            except OSError:  # it is being made again
                continue


def render_leaderboard(leaderboard: Leaderboard, out: Path) -> str:
    """The page as text."""
    names = {name for board in leaderboard.boards for score in board.scores for name in score.comparisons}
    pages = {name: PAGES["comparisons"][0].format(name=name) for name in sorted(names)}
    context = {
        "policy": SECURITY,
        "title": "Leaderboard",
        "index": INDEX,
        "boards": leaderboard.boards,
        "policies": len({score.policy for board in leaderboard.boards for score in board.scores}),
        "missions": len({board.mission for board in leaderboard.boards}),
        "comparisons": len(names),
        "unread": leaderboard.unread,
        "addresses": {name: quote(page) for name, page in pages.items() if (out / page).is_file()},
        "number": number,
        "percent": percent,
        "style": "",
        "light": "",
        "dark": "",
    }
    return with_script_hashes(str(environment().get_template("leaderboard.html.j2").render(context)).lstrip())


def number(value: float | None) -> str:
    """As `daf.statistics.sentences.number`, which takes long to import: two decimals, fewer of large numbers."""
    if value is None:
        return "–"
    size = abs(value)
    decimals = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.01 or size < 5e-5 else 4
    text = f"{value:,.{decimals}f}"
    return text.replace("-", "" if float(text.replace(",", "")) == 0 else "−")


def percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"
