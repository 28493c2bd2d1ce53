"""What the unit tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put stand-ins on the PATH, by name and shell script; each notes its call, one line of a log (returned)."""
    folder, log = tmp_path / "bin", tmp_path / "calls.log"

    def add(**scripts: str) -> Path:
        folder.mkdir(exist_ok=True)
        for name, script in scripts.items():
            (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "{log}"\n{script}\n')
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        return log

    return add
