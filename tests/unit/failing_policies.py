"""Policies of a user that fail, or that change the state of the process, where and when a test says."""

from __future__ import annotations

import io
import locale
import os
import random
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from mettagrid.policy.policy import AgentPolicy, MultiAgentPolicy
from mettagrid.simulator import Action

from daf.engine.grid_policy import GridNetwork, GridPolicy


class TeapotError(Exception):
    """An exception of the user's own."""


def fail(how: str) -> None:
    """Fail in a way that has a name."""
    if how == "raise":
        raise TeapotError("short and\nstout")  # the failing line
    if how == "exit 0":
        sys.exit(0)
    if how == "exit 3":
        sys.exit(3)
    if how == "exit text":
        sys.exit("no tea left")
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "unprintable":
        raise UnprintableError
    if how == "long":
        raise ValueError("x" * 10_000)
    if how == "os._exit":
        os._exit(0)  # the leaving line
    if how == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)  # the crashing line
    if how == "hang":
        signal.pause()  # the hanging line
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "panic":
        raise PanicException("index out of bounds")  # the panicking line
    if how == "library":
        np.linalg.cholesky(np.zeros((2, 2)))
    if how == "gpu memory":
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
    if how == "print":
        print("from the policy")
    if how == "disturb":
        disturb()


ORDER = "DAF_TEST_DISTURB"


def disturb() -> None:
    """Once, if the environment names a file with an order: `parent SIGTERM`, `group SIGINT`, `self SIGKILL`.

    The file then holds the number of this process, which goes on when its parent has told it to stop.
    """
    path = Path(os.environ.get(ORDER, "/nowhere"))
    if not path.is_file() or " " not in (order := path.read_text()):
        return
    whom, number = order.split()
    path.write_text(str(os.getpid()))
    targets = {"parent": os.getppid(), "self": os.getpid(), "group": -os.getpgrp()}
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    os.kill(targets[whom], signal.Signals[number])
    while os.read(reader, 1)[0] != signal.SIGUSR1:  # which the parent sends; the next update would begin before
        pass
    signal.set_wakeup_fd(-1)


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("and its message fails, too")


class PanicException(BaseException):
    """What a panic in a Rust extension becomes: no subclass of Exception."""


def meddle() -> None:
    """Change everything of the process that DAF must not depend on."""
    os.chdir("/")
    os.umask(0o777)
    os.environ["DAF_TEST_MEDDLED"] = "1"
    os.environ.pop("HOME", None)
    locale.setlocale(locale.LC_ALL, "C.UTF-8")
    np.seterr(all="raise")
    warnings.simplefilter("error")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.setrecursionlimit(5000)
    sys.stdout = sys.stderr = io.StringIO()
    sys.excepthook = lambda *_: None
    torch.set_num_threads(3)
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.set_grad_enabled(False)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.enabled = False
    torch.autograd.set_detect_anomaly(True)
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


def meddle_and_exit() -> None:
    meddle()
    sys.exit(0)


class Batch(MultiAgentPolicy):
    """Stands still, and fails as told: in its constructor, in reset, or in a step of every `every`th episode seed."""

    def __init__(self, policy_env_info: Any, step: str = "", reset: str = "", at: int = 0, every: int = 1) -> None:
        super().__init__(policy_env_info)
        self._step, self._reset, self._at, self._taken = step, reset, at, 0
        self._doomed = random.randrange(every) == 0

    def reset(self) -> None:
        fail(self._reset)

    def step_batch(self, raw_observations: np.ndarray, raw_actions: np.ndarray) -> None:
        raw_actions[:] = 0
        if self._taken >= self._at and self._doomed:
            fail(self._step)
        self._taken += 1


class Single(AgentPolicy):
    """As `Batch`, one agent at a time."""

    def __init__(self, policy_env_info: Any, step: str = "", reset: str = "") -> None:
        super().__init__(policy_env_info)
        self._step, self._reset = step, reset

    def reset(self, simulation: Any = None) -> None:
        fail(self._reset)

    def step(self, obs: Any) -> Action:
        fail(self._step)
        return Action(name="noop")


class Meddler(MultiAgentPolicy):
    """Changes the state of the process in every step."""

    def step_batch(self, raw_observations: np.ndarray, raw_actions: np.ndarray) -> None:
        meddle()
        raw_actions[:] = 0


class Network(GridNetwork):
    """Behaves as told from its `at`th training step on."""

    def __init__(self, interface: Any, how: str, at: int, **sizes: Any) -> None:
        super().__init__(interface, **sizes)
        self._how, self._at, self._taken = how, at, 0

    def forward_eval(self, observations: torch.Tensor, state: object = None) -> Any:
        self._taken += 1
        logits, values = super().forward(observations, state)
        if self._taken <= self._at:
            return logits, values
        if self._how == "meddle":
            gradients = torch.is_grad_enabled()
            meddle()
            torch.set_grad_enabled(gradients)  # or it would not learn
            torch.set_default_device(None)
            torch.set_default_dtype(torch.float32)
        if self._how == "slow":
            time.sleep(0.01)
        if self._how == "narrow":
            return logits[:, :-1], values
        if self._how == "alone":
            return logits
        if self._how == "nan":
            return logits * float("nan"), values
        fail(self._how)
        return logits, values


class Trainee(GridPolicy):
    """A trainable policy whose network or whose steps fail."""

    short_names: ClassVar[list[str]] = []

    def __init__(
        self, policy_env_info: Any, device: str = "cpu", *, network: str = "", at: int = 0, step: str = "", **sizes: Any
    ) -> None:
        super().__init__(policy_env_info, device, **sizes)
        self._network = Network(policy_env_info, network, at, **sizes)
        self._step = step

    def step_batch(self, raw_observations: np.ndarray, raw_actions: np.ndarray) -> None:
        fail(self._step)
        super().step_batch(raw_observations, raw_actions)
