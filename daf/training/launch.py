"""Starts the processes of a training run, restarts them when they fail, and reports how it ended.

A single process runs here; several run under torchrun (`daf.distributed.torchrun`). Each failure has a cause
(`daf.distributed.failures`); after a killed or stalled rank, the group restarts from the last checkpoint, up to a
limit.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self

from daf.config.recipes import TrainingRecipe
from daf.distributed.elastic_agent import clear_reports, read_reports
from daf.distributed.failures import (
    OF_WORKERS,
    RESTARTED,
    Cause,
    Failure,
    TrainingFailedError,
    origin,
    record_failure,
)
from daf.distributed.heartbeat import clear_beats, read_beats
from daf.distributed.signals import stop_signals
from daf.distributed.torchrun import agent_commands, run_agents, starts_with_srun
from daf.errors import EXIT_FAILED, EXIT_OK, EXIT_REQUEUE, BadInputError, DafError
from daf.logging_config import DAFLogger, create_daf_logger
from daf.system.devices import inside_allocation, lease_devices, lease_folder, resolve_device, visible_devices
from daf.system.forked_work import flush_output
from daf.system.locks import exclusive
from daf.system.user_code import unfollowed_in_words
from daf.system.worker_processes import HINTS, WorkerFailedError
from daf.training.isolation import IsolatedTrainingFailed, may_end_the_process, train_isolated
from daf.training.options import RunOptions, TrainingSpec, cores_per_process, environment_workers
from daf.training.outcome import TrainingOutcome, write_run_record
from daf.training.paths import JOB, MODEL, RUN, STATE, failed_run_path, outcome_path
from daf.training.stopping import StopCondition


def run_training(
    recipe: TrainingRecipe, folder: Path, options: RunOptions, *, stop_condition: StopCondition | None = None
) -> TrainingOutcome:
    """Train a recipe to its end.

    On SIGTERM or SIGUSR1 it writes a checkpoint and returns with status `interrupted`.

    Args:
        stop_condition: when single-process training stops early, with status `paused`; another call continues it.

    Raises:
        TrainingFailedError: the processes of a group failed more often than `max_restarts` allows, or in a way that a
            restart cannot fix; its `cause` and run.json say why.
        DafError: bad input, or too few GPUs. run.json records this, too.
    """
    label, machines = options.label, options.num_machines
    if stop_condition is not None and recipe.world_size > 1:
        raise BadInputError("training in one process, to stop it early", f"{recipe.world_size} processes", label)
    if recipe.world_size % machines:
        raise BadInputError(f"processes that {machines} machines share equally", str(recipe.world_size), label)
    folder = folder.absolute()  # whatever folder the policy changes to
    training = TrainingSpec(recipe=recipe, folder=folder, options=options)
    logger = create_daf_logger("launch", log_file=options.log_file)
    for warning in unfollowed_in_words(recipe.code):
        logger.warning(f"{label}: {warning}")
    with exclusive(folder / STATE, logger.warning):
        for record in (folder / RUN, failed_run_path(folder)):  # of an earlier start
            record.unlink(missing_ok=True)
        try:
            with _gpus(training) as gpus:
                training = _with_share_of_cores(training, shared_gpus=bool(gpus))
                if recipe.world_size == 1:
                    return _run_alone(training, gpus, stop_condition, logger)
                return _run_group(training, gpus, logger)
        except _GroupFailed as failed:
            _publish_failure(training, failed.failure)
            raise _as_error(training, failed.failure) from None
        except IsolatedTrainingFailed as failed:
            _publish_failure(training, failed.failure)
            if failed.error is None or failed.failure.cause in OF_WORKERS:
                raise _as_error(training, failed.failure) from None
            raise failed.error from None
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            failure = Failure.of_exception(error)
            _publish_failure(training, failure)
            if failure.cause is Cause.USER_CODE:
                logger.error("".join(traceback.format_exception(error)).rstrip())
            if failure.cause not in OF_WORKERS and (isinstance(error, DafError) or failure.cause is Cause.ERROR):
                raise
            raise _as_error(training, failure) from error


class TrainingInterruptedError(DafError):
    """Training was interrupted and wrote a checkpoint; unlike other errors, it is shown in one line."""

    exit_code = EXIT_REQUEUE

    @classmethod
    def of(cls, label: str, outcome: TrainingOutcome) -> Self:
        hint = "run the same command again: it resumes from its checkpoint"
        return cls("training to finish", str(outcome.reason), label, hint)

    def __str__(self) -> str:
        return f"{self.where}: {self.found}; {self.hint}"


class _GroupFailed(Exception):  # noqa: N818 - carries a failure to `run_training`, which raises the error
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


@contextmanager
def _gpus(training: TrainingSpec) -> Iterator[list[str]]:
    """GPUs for the exclusive use of this run; none if it needs none, or if a scheduler has assigned them."""
    kind = resolve_device(training.options.device)
    if kind == "cpu" or inside_allocation(os.environ):
        yield []
        return
    visible = visible_devices()
    _, _, index = kind.partition(":")
    choice = [name for place, name in enumerate(visible) if not index or place == int(index)]
    with lease_devices(training.recipe.world_size, lease_folder(), devices=choice) as names:
        yield names


def _with_share_of_cores(training: TrainingSpec, *, shared_gpus: bool) -> TrainingSpec:
    """The training with the number of environment workers that its share of the machine's cores allows."""
    options, recipe = training.options, training.recipe
    if options.env_workers != "auto":
        return training
    in_slurm = starts_with_srun(os.environ)
    cores = cores_per_process(
        options.cores,
        recipe.world_size // (options.num_machines if in_slurm else 1),
        len(visible_devices()) if shared_gpus else 0,
        in_separate_tasks=in_slurm and options.task_per_gpu,
    )
    kind, _, _ = resolve_device(options.device).partition(":")
    workers = environment_workers("auto", recipe.hyperparameters.num_envs, kind, cores)
    return training.model_copy(update={"options": options.model_copy(update={"env_workers": workers})})


def _run_alone(
    training: TrainingSpec, gpus: list[str], stop_condition: StopCondition | None, logger: DAFLogger
) -> TrainingOutcome:
    """Train in this process, or in a copy of it; start again after failures of environment workers."""
    options = training.options
    for start in range(options.max_restarts + 1):
        try:
            return _run_once(training, gpus, stop_condition, logger)
        except (IsolatedTrainingFailed, WorkerFailedError) as error:
            failure = error.failure if isinstance(error, IsolatedTrainingFailed) else Failure.of_exception(error)
            if failure.cause not in OF_WORKERS or start == options.max_restarts:
                raise
        _note_restart(training, failure, start, logger)
    raise AssertionError("the last start returns or raises")


def _run_once(
    training: TrainingSpec, gpus: list[str], stop_condition: StopCondition | None, logger: DAFLogger
) -> TrainingOutcome:
    from daf.training.worker import run_process

    options = training.options
    if not gpus and may_end_the_process(training, resolve_device(options.device)):
        return train_isolated(training, stop_condition, logger)
    if gpus:
        options = options.model_copy(update={"device": f"cuda:{visible_devices().index(gpus[0])}"})

    def end(failure: Failure) -> None:
        """The watchdog's thread cannot raise an error where training stands still."""
        _publish_failure(training, failure)
        logger.error(str(_as_error(training, failure)))
        flush_output()
        os._exit(EXIT_FAILED)

    return run_process(training.recipe, training.folder, options, stop_condition=stop_condition, on_stall=end)


def _run_group(training: TrainingSpec, gpus: list[str], logger: DAFLogger) -> TrainingOutcome:
    """Start the ranks, and restart them after failures that a restart can fix, up to `max_restarts` times."""
    options, state = training.options, training.state
    outcome_file = outcome_path(training.folder, training.recipe)
    training.write(state / JOB)
    worker = ["-m", "daf.training.worker", "--job", str(state / JOB)]
    per_machine = training.recipe.world_size // options.num_machines
    with stop_signals() as stop:
        for start in range(options.max_restarts + 1):
            outcome_file.unlink(missing_ok=True)
            clear_reports(state)
            clear_beats(state)
            commands = agent_commands(
                worker,
                state,
                options.num_machines,
                per_machine,
                os.environ,
                task_per_gpu=options.task_per_gpu,
                cores=options.cores,
            )
            devices = [gpus[agent * per_machine :][:per_machine] for agent in range(len(commands))]
            codes = run_agents(commands, devices, stop)
            if outcome_file.exists():
                return TrainingOutcome.read(outcome_file)
            if stop.received:
                return _interrupted(training, stop.received)
            failure = _failure(training, codes)
            if failure.cause not in RESTARTED or start == options.max_restarts:
                raise _GroupFailed(failure)
            _note_restart(training, failure, start, logger)
    raise AssertionError("the last start returns or raises")


def _note_restart(training: TrainingSpec, failure: Failure, start: int, logger: DAFLogger) -> None:
    _record(training, failure)
    options = training.options
    restart = f"restarting from the last checkpoint ({start + 1} of {options.max_restarts})"
    logger.warning(f"{options.label}: {failure.reason}; {restart}")


def _interrupted(training: TrainingSpec, signal_name: str) -> TrainingOutcome:
    """The outcome of a group that was stopped before its ranks could record one."""
    return TrainingOutcome(
        status="interrupted",
        cause=Cause.SIGNAL,
        reason=f"interrupted by {signal_name}; work since the last checkpoint is lost",
        agent_steps=max((beat.agent_steps for beat in read_beats(training.state).values()), default=0),
    )


def _failure(training: TrainingSpec, codes: list[int]) -> Failure:
    """The failure that caused the others in a group, and its rank's progress."""
    failures = read_reports(training.state)
    failures += [Failure.of_exit_code(code, None, None) for code in codes if code != EXIT_OK and not failures]
    if not failures:  # every agent exited with 0
        reason = "the processes ended with status 0 before training did"
        failures = [replace(Failure.of_exit_code(EXIT_FAILED, None, None), reason=reason)]
    first = origin(failures)
    beats = read_beats(training.state)
    furthest = max(beats.values(), key=lambda beat: beat.agent_steps, default=None)
    beat = furthest if first.rank is None else beats.get(first.rank)
    return first if beat is None else replace(first, update=beat.update, agent_steps=beat.agent_steps)


def _record(training: TrainingSpec, failure: Failure) -> None:
    try:
        record_failure(training.state, failure)
    except OSError:  # a full disk, for example; the raised error says why
        pass


def _publish_failure(training: TrainingSpec, failure: Failure) -> None:
    """Write run.json of a failed run, and remove the model; on a full disk neither may be possible."""
    try:
        (training.folder / MODEL).unlink(missing_ok=True)  # must not leave another recipe's model in place
        write_run_record(training.folder, training.recipe, TrainingOutcome.of_failure(failure))
    except OSError:
        pass
    _record(training, failure)  # after run.json, whose `restarts` lists the failures that training recovered from


_HINTS = {
    Cause.RANK_KILLED: "the kernel kills memory hogs (see dmesg): give the job more memory, or start it again",
    Cause.WORKER_KILLED: HINTS["killed"],
    Cause.WORKER_STALLED: HINTS["stalled"],
    Cause.RANK_STALLED: "see what it was doing there; raise stall_seconds if an update can take that long",
    Cause.DISK_FULL: "the previous checkpoint is intact: free some space and start it again",
    Cause.USER_CODE: "the traceback is in the log; correct the policy and run it again",
    Cause.OUT_OF_MEMORY: "lower num_envs, horizon or minibatch_size, or use more processes; then start it again",
}


def _as_error(training: TrainingSpec, failure: Failure) -> TrainingFailedError:
    """The failure as an error: the rank's own error, if it raised one."""
    options = training.options
    where = f"training '{options.label}'"
    if failure.parts is not None:
        expected, found, place, hint = failure.parts
        return TrainingFailedError(expected, found, f"{where}: {place}", hint, failure.cause)
    hint = _HINTS.get(failure.cause, f"see {options.log_file}" if options.log_file else "see its messages above")
    return TrainingFailedError("training to finish", failure.reason, where, hint, failure.cause)


def main(arguments: list[str] | None = None) -> int:
    """The program of a background job: run the whole training that a file describes."""
    parser = argparse.ArgumentParser(prog="python -m daf.training.launch", description=main.__doc__)
    parser.add_argument("--job", type=Path, required=True, help="JSON file with a TrainingSpec")
    training = TrainingSpec.read(parser.parse_args(arguments).job)
    try:
        outcome = run_training(training.recipe, training.folder, training.options)
        if outcome.status == "interrupted":
            raise TrainingInterruptedError.of(training.options.label, outcome)
    except DafError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return EXIT_OK if outcome.status == "completed" else EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
