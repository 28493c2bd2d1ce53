"""The rule graph in the README: made by Snakemake from the default experiment, without targets.

`python -m daf.workflow.rulegraph` writes it into README.md, `--check` exits with 1 if the README holds another.
"""

from __future__ import annotations

import re
import subprocess
import sys

from daf.system.files import PROJECT, write_text

BLOCK = re.compile(r"```mermaid\n.*?```", re.DOTALL)
_NODE = re.compile(r'(\d+)\[label = "(\w+)"')
_EDGE = re.compile(r"(\d+) -> (\d+)")


def mermaid() -> str:
    """The rules of the default experiment as a mermaid flow chart, in a stable order."""
    command = [sys.executable, "-m", "snakemake", "--rulegraph", "dot", "--quiet", "--forceall"]
    dot = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    names = dict(_NODE.findall(dot))
    edges = sorted((names[a], names[b]) for a, b in _EDGE.findall(dot))
    lines = [f"    {a} --> {b}" for a, b in edges if "all" not in (a, b)]
    return "\n".join(["```mermaid", "flowchart TD", *lines, "```"])


def main(arguments: list[str]) -> int:
    readme = PROJECT / "README.md"
    text = readme.read_text()
    current = BLOCK.sub(lambda _: mermaid(), text, count=1)
    if "--check" in arguments:
        return int(current != text)
    write_text(readme, current)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
