"""A few damaged inputs of every kind; `make fuzz` tries many more."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("cogames")

from tests.fuzz.harness import Kind, run
from tests.fuzz.kinds import kinds


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.name)
def test_every_input_is_accepted_or_refused_in_four_parts(kind: Kind, tmp_path: Path) -> None:
    counts = run(kind, tmp_path, 12)
    assert not counts.crashes, counts.examples
    assert counts.accepted
