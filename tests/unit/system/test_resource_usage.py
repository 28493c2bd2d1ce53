"""What work used: against memory that is known to be held, here and in a child."""

import subprocess
import sys
import threading

from daf.system import resource_usage
from daf.system.resource_usage import UsageMeter

MB = 2**20


def test_memory_of_this_process_and_of_its_children():
    with UsageMeter() as before:
        pass
    held = bytearray(200 * MB)
    held[::4096] = b"x" * len(held[::4096])
    with UsageMeter() as here:
        pass
    assert here.usage.peak_memory_mb - before.usage.peak_memory_mb > 150
    del held
    program = "held = bytearray(b'x' * (200 << 20)); print(); input()"
    meter = UsageMeter().start()
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdout.readline()
    both = meter.stop()
    child.communicate(b"\n")
    assert both.peak_memory_mb - before.usage.peak_memory_mb > 150
    assert both.seconds > before.usage.seconds >= 0


def test_the_peak_lies_between_start_and_end(monkeypatch):
    figures, sampled = iter([10.0, 500.0]), threading.Event()

    def memory():
        figure = next(figures, 20.0)
        if figure == 20.0:
            sampled.set()
        return figure

    monkeypatch.setattr(resource_usage, "_memory_mb", memory)
    with UsageMeter() as meter:
        assert sampled.wait(60)
    assert meter.usage.peak_memory_mb == 500.0
