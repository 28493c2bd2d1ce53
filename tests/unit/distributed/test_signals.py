"""Stop signals: recorded in the main thread, left alone in others."""

from __future__ import annotations

import os
import signal
import threading

from daf.distributed.signals import STOPPING, Stop, stop_signals


def test_the_first_signal_is_recorded_and_handlers_come_back() -> None:
    before = [signal.getsignal(number) for number in STOPPING]
    calls: list[int] = []
    with stop_signals(lambda: calls.append(1)) as stop:
        assert stop.received is None
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGTERM)
    assert (stop.received, calls) == ("SIGUSR1", [1])
    assert [signal.getsignal(number) for number in STOPPING] == before


def test_another_thread_leaves_signals_to_the_main_one() -> None:
    before = [signal.getsignal(number) for number in STOPPING]
    seen: list[tuple[Stop, bool]] = []

    def work() -> None:
        with stop_signals() as stop:
            seen.append((stop, [signal.getsignal(number) for number in STOPPING] == before))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(Stop(), True)]
