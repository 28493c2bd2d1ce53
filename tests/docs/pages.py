"""The pages of the documentation as tests see them: code blocks, and the files that they tell readers to write."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docs.generator.mkdocs_hooks import ELSEWHERE

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted({*DOCS.rglob("*.md"), *(ROOT / name for name in ELSEWHERE.values())})
GENERATED_SIGNATURES = DOCS / "api.md"  # its blocks are declarations, not programs
KINDS = {"python", "yaml", "sh", "text", "csv", "mermaid"}  # text: what a program prints (test_transcripts.py)

BLOCK = re.compile(r"^```(.*)\n((?:.*\n)*?)^```$", re.MULTILINE)
FILE_NAME = re.compile(r"# (\w+\.(?:py|yaml))\n")


@dataclass(frozen=True)
class Block:
    """A code block.

    Attributes:
        file: the name in its first line, under which readers save it; empty: none.
    """

    page: Path
    kind: str
    text: str
    line: int

    @property
    def file(self) -> str:
        found = FILE_NAME.match(self.text)
        return found[1] if found else ""


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix() if page.is_relative_to(ROOT) else page.name


def blocks(page: Path, *kinds: str) -> list[Block]:
    """The blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = [Block(page, match[1], match[2], text.count("\n", 0, match.start()) + 1) for match in BLOCK.finditer(text)]
    return [block for block in found if block.kind in kinds or not kinds]


def with_blocks(*kinds: str) -> list[Path]:
    return [page for page in PAGES if page != GENERATED_SIGNATURES and blocks(page, *kinds)]


def commands(page: Path) -> Iterator[list[str]]:
    """The commands of a page's shell blocks, as words; of `a && b` both."""
    for block in blocks(page, "sh"):
        for line in block.text.splitlines():
            if "<<" in line:
                raise ValueError(f"{name_of(page)}: here documents are not read: {line}")
            lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            words: list[str] = []
            for word in [*lexer, "&&"]:
                if word == "&&":
                    if words:
                        yield words[: words.index(">")] if ">" in words else words
                    words = []
                else:
                    words.append(word)


def python_files() -> dict[str, str]:
    """Modules that some page tells its readers to write; other pages use them."""
    return {block.file: block.text for page in PAGES for block in blocks(page, "python") if block.file}


def yaml_files(page: Path) -> dict[str, str]:
    """Experiment files of a page; pages without one use the README's."""
    readme = {block.file: block.text for block in blocks(ROOT / "README.md", "yaml") if block.file}
    return readme | {block.file: block.text for block in blocks(page, "yaml") if block.file}


def build_site(folder: Path) -> Path:
    """The site as `make site` builds it, without the address of a repository. Any warning is an error."""
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "true", "REPOSITORY_URL": ""}
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],  # --quiet ignores warnings
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    assert "WARNING" not in built.stderr, built.stderr
    return folder
