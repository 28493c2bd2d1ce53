"""The rule graph in the README: made by Snakemake from the default experiment, without targets.

`python -m daf.workflow.rulegraph` writes it into README.md.
"""

from __future__ import annotations

import re
import subprocess
import sys

from daf.system.files import PROJECT, write_text

BLOCK = re.compile(r"```mermaid\n.*?```", re.DOTALL)


def mermaid() -> str:
    """The rules of the default experiment as a mermaid flow chart, in a stable order and without colours."""
    command = [sys.executable, "-m", "snakemake", "--rulegraph", "mermaid-js", "--quiet", "--forceall"]
    graph = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    names = dict(re.findall(r"(id\d+)\[(\w+)\]", graph))
    edges = sorted((names[a], names[b]) for a, b in re.findall(r"(id\d+) --> (id\d+)", graph))
    return "\n".join(["```mermaid", "flowchart TD", *(f"    {a} --> {b}" for a, b in edges if b != "all"), "```"])


if __name__ == "__main__":
    readme = PROJECT / "README.md"
    write_text(readme, BLOCK.sub(lambda _: mermaid(), readme.read_text(), count=1))
