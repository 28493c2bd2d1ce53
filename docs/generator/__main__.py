"""Writes the documents that are generated: from docstrings, record types, stored results and the command's parser.

python -m docs.generator            writes all of them
python -m docs.generator --check    exits 1 if one is out of date
"""

from __future__ import annotations

import sys

from daf.errors import EXIT_FAILED, EXIT_OK
from daf.system.files import PROJECT, write_text
from docs.generator.api_page import api_text
from docs.generator.calibration_page import calibration_text
from docs.generator.command_page import command_text
from docs.generator.outputs_page import outputs_text

DOCS = PROJECT / "docs"
GENERATED = {
    "api.md": api_text,
    "outputs.md": outputs_text,
    "calibration.md": calibration_text,
    "reference/command.md": command_text,
}


def main(arguments: list[str]) -> int:
    outdated = []
    for name, make in GENERATED.items():
        path, text = DOCS / name, make()
        if arguments == ["--check"]:
            current = path.read_text(encoding="utf-8") if path.is_file() else ""
            outdated += [name] if current != text else []
        else:
            write_text(path, text)
            print(f"wrote {path.relative_to(PROJECT)}")
    if outdated:
        print(f"out of date: {', '.join(outdated)}; run `make docs`", file=sys.stderr)
    return EXIT_FAILED if outdated else EXIT_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
