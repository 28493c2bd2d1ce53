"""Training of a user's policy in a copy of this process, which the policy may end; then the failure has a cause."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from daf.config import PolicyConfig
from daf.distributed.failures import Cause, Failure
from daf.distributed.signals import STOPPING, Stop, stop_signals
from daf.errors import DafError
from daf.logging_config import DAFLogger
from daf.system.forked_work import CAN_FORK, ProcessEndedError, WorkRaisedError, messages_of
from daf.training.options import TrainingSpec
from daf.training.outcome import TrainingOutcome
from daf.training.stopping import StopCondition

# What a mistake in the policy's native code raises; others come from outside.
_FAULTS = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT})


class IsolatedTrainingFailed(Exception):  # noqa: N818 - carries a failure to the launcher, which raises the error
    def __init__(self, failure: Failure, error: DafError | None = None) -> None:
        super().__init__(failure, error)  # both, for pickle
        self.failure, self.error = failure, error


def may_end_the_process(training: TrainingSpec, device: str) -> bool:
    """Whether the policy, its teacher or a partner is a user's, and can be isolated: with a GPU, torch's autograd may
    not run in a copy."""
    import torch

    from daf.engine.isolation import is_users
    from daf.engine.model_files import class_path_of

    possible = CAN_FORK and device == "cpu" and not torch.cuda.is_available()
    recipe = training.recipe
    partners = recipe.partners.policies if recipe.partners else ()
    frozen = [policy.class_path for policy in (recipe.teacher, *partners) if policy is not None]
    files = [file for file in (training.options.teacher_weights, *training.options.partner_weights) if file is not None]
    # Weights name their class; a bundle may hold it itself, and then has none outside.
    named = [class_path_of(PolicyConfig(data_path=file)) for file in files]
    names = [recipe.policy_class_path, *(name for name in frozen if name is not None), *named]
    return possible and any(name is None or is_users(name) for name in names)


def train_isolated(training: TrainingSpec, stop_condition: StopCondition | None, logger: DAFLogger) -> TrainingOutcome:
    """Train in a copy of this process; signals that stop this one are passed on to it.

    Raises:
        IsolatedTrainingFailed: training raised an exception, or its process ended.
    """

    def work(send: Callable[[TrainingOutcome | IsolatedTrainingFailed], None]) -> None:
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        send(_train(training, stop_condition, logger, lambda failure: send(IsolatedTrainingFailed(failure))))

    copies: list[int] = []

    def started(copy: int) -> None:
        copies.append(copy)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        if stop.received:  # in another thread, before the copy's number was known
            pass_on()

    def pass_on() -> None:
        for copy in copies:
            with suppress(ProcessLookupError):
                os.kill(copy, signal.SIGUSR1)  # not a second Ctrl-C, of which the terminal has told the copy

    result: TrainingOutcome | IsolatedTrainingFailed | None = None
    with stop_signals(pass_on) as stop:
        # Or a signal would be lost that comes before the parent knows the copy, or the copy has its own handlers.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        try:
            for message in messages_of(work, on_start=started):
                result = message
        except WorkRaisedError:
            raise KeyboardInterrupt from None
        except ProcessEndedError as ended:
            if isinstance(result, IsolatedTrainingFailed):  # its watchdog ended it
                raise result from None
            if stop.received:
                return _stopped(stop)
            raise IsolatedTrainingFailed(_failure_of(ended)) from None
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    if isinstance(result, IsolatedTrainingFailed):
        raise result
    assert result is not None
    if result.status == "interrupted" and stop.received:
        return replace(result, reason=f"interrupted by {stop.received}")
    return result


def _train(
    training: TrainingSpec,
    stop_condition: StopCondition | None,
    logger: DAFLogger,
    on_stall: Callable[[Failure], None],
) -> TrainingOutcome | IsolatedTrainingFailed:
    from daf.training.worker import run_process

    try:
        return run_process(
            training.recipe, training.folder, training.options, stop_condition=stop_condition, on_stall=on_stall
        )
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if not isinstance(error, DafError):
            logger.error("".join(traceback.format_exception(error)).rstrip())
        return IsolatedTrainingFailed(Failure.of_exception(error), error if isinstance(error, DafError) else None)


def _stopped(stop: Stop) -> TrainingOutcome:
    """The outcome of a copy that was stopped before it could record one."""
    reason = f"interrupted by {stop.received}; work since the last checkpoint is lost"
    return TrainingOutcome(status="interrupted", cause=Cause.SIGNAL, reason=reason)


def _failure_of(ended: ProcessEndedError) -> Failure:
    status = ended.status
    fault = ended.report.in_user_code if status is None else status >= 0 or -status in _FAULTS
    cause = Cause.USER_CODE if fault else Cause.RANK_KILLED
    return Failure(cause=cause, reason=str(replace(ended.report, step=None)), time=time.time())
