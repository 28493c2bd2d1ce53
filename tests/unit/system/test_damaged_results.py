"""Damaged results say how to heal them."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

import pytest

from daf.errors import BadInputError, ConfigError
from daf.system.readers import FROM_A_RUN
from daf.system.validated import read_record


class Figures(TypedDict):
    trial: int
    status: str


@pytest.mark.parametrize(
    "content",
    [b'{"trial": "1", "status": 3}', b'{"trial": 1}', b'{"trial": \xff}', b'{"trial": 1', b"", b"[1]"],
)
def test_a_damaged_result_is_healed_by_deleting_it(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(content)
    with pytest.raises(BadInputError) as caught:
        read_record(path, Figures)
    problems = caught.value.problems if isinstance(caught.value, ConfigError) else [caught.value]
    for problem in problems:
        assert problem.hint == FROM_A_RUN
        assert problem.where.startswith(str(path))
