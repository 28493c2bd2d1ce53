"""Environments stepped by worker processes, which share the arrays; see `daf.system.worker_processes`.

A worker owns whole environments, some of every block, so that all workers step a block together. What an environment
does depends only on its episode's seed and its actions, so results do not depend on the number of workers.
"""

from __future__ import annotations

import pickle
import weakref
from collections.abc import Callable, Mapping, Sequence

from daf.engine.stepping import NO_ENVIRONMENT, EnvironmentArrays, FinishedEpisode, Stepper
from daf.system.worker_processes import Answer, WorkerFailedError, Workers

_REPLAY = -1  # in place of an environment's number
# Building environments and replaying their episodes takes longer than a step.
_PATIENCE = 3.0


def deal(blocks: Sequence[range], workers: int) -> list[list[range]]:
    """The environments of each worker: of every block a part, as equal as they can be over all blocks."""
    shares: list[list[range]] = [[] for _ in range(workers)]
    first = 0  # the worker that gets one more
    for block in blocks:
        start, (size, extra) = block.start, divmod(len(block), workers)
        for place in range(workers):
            stop = start + size + (place < extra)
            if stop > start:
                shares[(first + place) % workers].append(range(start, stop))
            start = stop
        first += extra
    return shares


class WorkerSteppers:
    """Steps environments in worker processes.

    Args:
        make: makes the stepper of a worker, from its environments and its number; called in that worker.
        seed_of: the seed of an environment's running episode.
        shares: the environments of each worker.
        stall_seconds: how long a worker may take for a step.

    Raises:
        WorkerFailedError: a worker did not become ready.
    """

    def __init__(
        self,
        make: Callable[[Sequence[int], int], Stepper],
        arrays: EnvironmentArrays,
        seed_of: Callable[[int], int],
        shares: Sequence[Sequence[range]],
        stall_seconds: float,
    ) -> None:
        self._arrays, self._seed_of, self._shares = arrays, seed_of, shares
        self._owners: dict[range, list[int]] = {}

        def prepare(worker: int) -> Answer:
            environments = [env for share in shares[worker] for env in share]
            return _Server(make(environments, worker), shares[worker]).answer

        self._workers = Workers(len(shares), prepare, stall_seconds=stall_seconds)
        self.close = weakref.finalize(self, self._workers.close)
        try:
            for worker in range(len(shares)):
                self._answer(worker, _PATIENCE)
        except BaseException:
            self.close()  # not when the exception is forgotten: a notebook keeps the last one
            raise

    @property
    def processes(self) -> list[int]:
        """The workers' process ids."""
        return self._workers.processes

    def request(self, environments: range) -> None:
        """Let the workers apply the actions in consecutive environments."""
        for worker in self._owners_of(environments):
            self._request(worker, environments.start, environments.stop)

    def await_step(self, environments: range) -> list[FinishedEpisode]:
        """Wait until the step is done; return the episodes that ended. Steps end in the order of their requests."""
        answers = [self._answer(worker) for worker in self._owners_of(environments)]
        contents = [pickle.loads(answer) for answer in answers if answer]  # nosec B301  # DAF's own process
        finished: list[FinishedEpisode] = [episode for content in contents for episode in content]
        return sorted(finished, key=lambda episode: episode.environment)

    def replay(self, logs: Mapping[int, bytes]) -> None:
        """As `Stepper.replay`, in all workers at the same time."""
        for worker, share in enumerate(self._shares):
            own = {env: logs[env] for part in share for env in part if env in logs}
            self._request(worker, _REPLAY, 0, pickle.dumps(own))
        for worker in range(len(self._shares)):
            self._answer(worker, _PATIENCE)

    def _owners_of(self, environments: range) -> list[int]:
        if environments not in self._owners:
            self._owners[environments] = [
                worker for worker, share in enumerate(self._shares) if _parts(share, environments)
            ]
        return self._owners[environments]

    def _request(self, worker: int, first: int, second: int, content: bytes = b"") -> None:
        try:
            self._workers.request(worker, first, second, content)
        except WorkerFailedError as error:
            raise self._located(error) from error.__cause__

    def _answer(self, worker: int, patience: float = 1.0) -> bytes:
        try:
            return self._workers.answer(worker, patience)
        except WorkerFailedError as error:
            raise self._located(error) from error.__cause__

    def _located(self, error: WorkerFailedError) -> WorkerFailedError:
        """The same, with what the worker was doing."""
        env = int(self._arrays.busy[error.worker])
        if env == NO_ENVIRONMENT:
            return WorkerFailedError(error.kind, error.worker, error.how, "between two steps")
        what = f"environment {env}, seed {self._seed_of(env)}, step {self._arrays.steps[env]}"
        return WorkerFailedError(error.kind, error.worker, error.how, what)


class _Server:
    """What a worker does."""

    def __init__(self, stepper: Stepper, share: Sequence[range]) -> None:
        self._stepper, self._share = stepper, share
        self._known: dict[tuple[int, int], list[range]] = {}

    def answer(self, first: int, second: int, content: bytes) -> bytes:
        if first == _REPLAY:
            self._stepper.replay(pickle.loads(content))  # nosec B301  # DAF's own process
            return b""
        parts = self._known.get((first, second))
        if parts is None:
            parts = self._known[first, second] = _parts(self._share, range(first, second))
        finished = [episode for part in parts for episode in self._stepper.step(part)]
        return pickle.dumps(finished) if finished else b""


def _parts(share: Sequence[range], environments: range) -> list[range]:
    """What of a worker's environments is among some consecutive ones."""
    parts = (range(max(own.start, environments.start), min(own.stop, environments.stop)) for own in share)
    return [part for part in parts if part]
