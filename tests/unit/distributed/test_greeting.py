"""Processes that train together say nothing of their connections."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os
import torch.distributed as dist
from daf.distributed.process_group import join_group

begin = dist.init_process_group
def spoken(*arguments, **options):
    begin(*arguments, rank=0, world_size=1, store=dist.HashStore(), **options)
    os.write(1, b"something else\\n")
dist.init_process_group = spoken
os.environ["WORLD_SIZE"] = "2"
print("before")
group = join_group(2, "cpu", stall_seconds=600)
print("after", group.rank, flush=True)
"""


@pytest.mark.slow
def test_joining_prints_nothing_of_gloo_and_keeps_what_else_is_printed() -> None:
    pytest.importorskip("torch")
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["before", "something else", "after 0"]
    assert "Gloo" not in done.stderr
