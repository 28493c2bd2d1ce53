"""Check that the active environment has the locked versions. Used by `make … VENV=`, which installs nothing.

It runs before anything is known to be installed, so it uses only the standard library.
"""

import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# The packages that determine results and the workflow's behaviour; the rest comes with the same installation.
DECISIVE = ("cogames", "mettagrid", "torch", "optuna", "snakemake", "snakemake-executor-plugin-slurm", "pufferlib-core")


def main() -> int:
    if sys.version_info[:2] != (3, 12):
        print(
            f"The active environment has Python {sys.version_info[0]}.{sys.version_info[1]}; DAF needs 3.12.",
            file=sys.stderr,
        )
        return 2
    lock = (Path(__file__).resolve().parent.parent / "requirements.lock").read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ \\;]+)", lock, flags=re.MULTILINE))
    problems = []
    for name in DECISIVE:
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "missing"
        if found != locked[name]:
            problems.append(f"  {name}: {found}, the lock has {locked[name]}")
    if problems:
        print(f"The active environment ({sys.prefix}) does not have the locked versions:", file=sys.stderr)
        print("\n".join(problems), file=sys.stderr)
        print(
            "Run 'conda env update -f environment.yml' in it, or leave out VENV= to let make set up .venv.",
            file=sys.stderr,
        )
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
