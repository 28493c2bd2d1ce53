"""The commands of the documents exist: make targets, and every snakemake command dry-run as it is written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / name for name in ("README.md", "profiles/README.md", "tests/README.md", "daf/orchestrators/README.md")
]
LINKED = [
    *DOCUMENTS, *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / name for name in ("CONTRIBUTING.md", "config/README.md", "examples/README.md", "benchmarks/README.md")),
]  # fmt: skip
COMMANDS = [
    line.partition(" # ")[0].strip()
    for document in DOCUMENTS
    for block in re.findall(r"```sh\n(.*?)```", document.read_text(), re.DOTALL)
    for line in block.splitlines()
]


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = "\n".join(document.read_text() for document in DOCUMENTS)
    named = set(re.findall(r"(?:`|^|&& )make ([a-z-]+)", text, re.MULTILINE))
    assert {"run", "test"} <= named <= targets


@pytest.mark.parametrize("document", LINKED, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_resolve(document: Path) -> None:
    for link, heading in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", document.read_text()):
        if link.startswith("https://"):
            continue
        target = document.parent / link if link else document
        assert target.exists(), link
        if heading:
            assert heading in headings_of(target), f"{link}#{heading}"


def headings_of(document: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like a fresh clone's root, with the files that the README tells its reader to write."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("Snakefile", "workflow", "scripts", "config", "profiles", "slurm", "environment.yml"):
        (folder / name).symlink_to(ROOT / name)
    readme = (ROOT / "README.md").read_text()
    for name, text in re.findall(r"```(?:python|yaml)\n# (my\w*\.\w+)\n(.*?)```", readme, re.DOTALL):
        (folder / name).write_text(text)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("command", dict.fromkeys(line.removesuffix(" -n") for line in COMMANDS if "snakemake" in line))
def test_snakemake_commands_plan(clone: Path, command: str) -> None:
    """With -n, and the Snakefile given, because a link to it would look for its rules next to the real one."""
    planned = command.replace("snakemake", f"snakemake --snakefile {ROOT / 'Snakefile'} -n", 1)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    ran = subprocess.run(planned, shell=True, cwd=clone, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert "Job stats" in ran.stdout + ran.stderr


def test_the_orchestrators_example_plans(clone: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "daf/orchestrators/README.md").read_text(), re.DOTALL)
    ran = subprocess.run([sys.executable, "-c", block], cwd=clone, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert not (clone / "daf_output").exists()
