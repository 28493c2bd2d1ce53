"""What work used: memory that is known to have been held, here or in a child that has ended."""

import subprocess
import sys
import time

import pytest

PROGRAM = """
import subprocess, sys, time
from daf.system.resource_usage import usage_since

start = time.perf_counter()
before = usage_since(start).peak_memory_mb
held = "held = bytearray(b'x' * (300 << 20))"
if sys.argv[1] == "here":
    exec(held + "; del held")
else:
    subprocess.run([sys.executable, "-c", held], check=True)
print(usage_since(start).peak_memory_mb - before)
"""


@pytest.mark.parametrize("where", ["here", "child"])
def test_the_peak_counts_memory_that_was_given_back(where: str) -> None:
    # Linux starts a process's peak at the memory of the process that started it: a small shell, not the test runner.
    command = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", PROGRAM, where]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 250 < float(ran.stdout) < 700


def test_seconds_are_wall_time() -> None:
    from daf.system.resource_usage import usage_since

    start = time.perf_counter()
    time.sleep(0.05)
    first, second = usage_since(start).seconds, usage_since(start).seconds
    assert 0.05 <= first <= second < 30
