"""Starting the processes of a training, starting them again when they fail, and learning how it ended.

One process runs here. Several run under torchrun (`daf.distributed.torchrun`). Every failure of theirs has a cause
(`daf.distributed.failures`); a killed or stalled rank starts the group again from the last checkpoint, a few times.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from daf.config.recipes import TrainingRecipe
from daf.distributed.elastic_agent import clear_reports, read_reports
from daf.distributed.failures import (
    RESTARTED,
    Cause,
    Failure,
    TrainingFailedError,
    origin,
    read_failures,
    record_failure,
)
from daf.distributed.heartbeat import STALL_SECONDS, clear_beats, read_beats
from daf.distributed.signals import stop_signals
from daf.distributed.torchrun import agent_commands, run_agents
from daf.engine.model_files import MODEL
from daf.errors import EXIT_FAILED, EXIT_OK, EXIT_REQUEUE, BadInputError, DafError
from daf.logging_config import DAFLogger, create_daf_logger
from daf.system.devices import inside_allocation, lease_devices, lease_folder, resolve_device, visible_devices
from daf.system.files import read_json, write_json
from daf.system.locks import exclusive
from daf.training.paths import outcome_path, state_folder
from daf.training.stopping import StopCondition

RUN = "run.json"


@dataclass(frozen=True, kw_only=True)
class _Training:
    """What is to be trained, where and how."""

    recipe: TrainingRecipe
    folder: Path
    label: str
    num_machines: int
    task_per_process: bool
    device: str
    checkpoint_steps: int
    max_restarts: int
    stall_seconds: float
    trackers: tuple[str, ...]
    log_file: Path | None
    stop_condition: StopCondition | None

    @property
    def state(self) -> Path:
        return state_folder(self.folder, self.recipe)


def run_training(
    recipe: TrainingRecipe,
    folder: Path,
    *,
    label: str,
    num_machines: int = 1,
    task_per_process: bool = False,
    device: str = "auto",
    checkpoint_steps: int = 100_000,
    max_restarts: int = 2,
    stall_seconds: float = STALL_SECONDS,
    trackers: Sequence[str] = (),
    log_file: Path | None = None,
    stop_condition: StopCondition | None = None,
) -> dict[str, Any]:
    """Train a recipe to its end and return its outcome: status, reason, agent_steps, seconds, facts.

    SIGTERM and SIGUSR1 make it write a checkpoint and return with status `interrupted`.

    Args:
        task_per_process: inside a Slurm allocation, start each process as a task of its own, with its own GPU.
        max_restarts: how often a group of several processes is started again after a failure.
        stall_seconds: without progress for so long, a group counts as stalled; three times as long before its first
            update.
        trackers: what metrics are sent to besides metrics.jsonl, see `daf.training.trackers`.
        stop_condition: when a training of one process stops early, with status `paused`; asked again, it goes on.

    Raises:
        TrainingFailedError: the processes of a group failed more often than `max_restarts` allows, or in a way that no
            restart heals; its `cause` and run.json say why.
        DafError: bad input, or too few GPUs. run.json says so too.
    """
    if stop_condition is not None and recipe.world_size > 1:
        raise BadInputError("a training of one process, to stop it early", f"{recipe.world_size} processes", label)
    if recipe.world_size % num_machines:
        raise BadInputError(f"processes that {num_machines} machines share equally", str(recipe.world_size), label)
    training = _Training(
        recipe=recipe,
        folder=folder,
        label=label,
        num_machines=num_machines,
        task_per_process=task_per_process,
        device=device,
        checkpoint_steps=checkpoint_steps,
        max_restarts=max_restarts,
        stall_seconds=stall_seconds,
        trackers=tuple(trackers),
        log_file=log_file,
        stop_condition=stop_condition,
    )
    logger = create_daf_logger("launch", log_file=log_file)
    with exclusive(folder / "state", logger.warning):
        (folder / RUN).unlink(missing_ok=True)  # how an earlier start ended is not how this one does
        try:
            with _gpus(training) as gpus:
                return _run_alone(training, gpus) if recipe.world_size == 1 else _run_group(training, gpus, logger)
        except _GroupFailed as failed:
            _publish_failure(training, failed.failure)
            raise _as_error(training, failed.failure) from None
        except Exception as error:
            failure = Failure.of_exception(error)
            _publish_failure(training, failure)
            if isinstance(error, DafError) or failure.cause is Cause.ERROR:
                raise
            raise _as_error(training, failure) from error


class _GroupFailed(Exception):  # noqa: N818 - an answer, not an error of its own
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


@contextmanager
def _gpus(training: _Training) -> Iterator[list[str]]:
    """The GPUs that this training alone may use; none if it uses none, or if a scheduler has handed them out."""
    kind = resolve_device(training.device)
    if kind == "cpu" or inside_allocation(os.environ):
        yield []
        return
    visible = visible_devices()
    _, _, index = kind.partition(":")
    choice = [name for place, name in enumerate(visible) if not index or place == int(index)]
    with lease_devices(training.recipe.world_size, lease_folder(), devices=choice) as names:
        yield names


def _run_alone(training: _Training, gpus: list[str]) -> dict[str, Any]:
    from daf.training.worker import run_process

    device = f"cuda:{visible_devices().index(gpus[0])}" if gpus else training.device
    outcome = run_process(
        training.recipe,
        training.folder,
        label=training.label,
        device=device,
        checkpoint_steps=training.checkpoint_steps,
        trackers=training.trackers,
        log_file=training.log_file,
        stop_condition=training.stop_condition,
    )
    return vars(outcome)


def _run_group(training: _Training, gpus: list[str], logger: DAFLogger) -> dict[str, Any]:
    """Start the ranks as often as it takes, within bounds."""
    state, machines = training.state, training.num_machines
    said = outcome_path(training.folder, training.recipe)
    write_json(state / "recipe.json", training.recipe.to_dict())
    per_machine = training.recipe.world_size // machines
    with stop_signals() as stop:
        for start in range(training.max_restarts + 1):
            said.unlink(missing_ok=True)
            clear_reports(state)
            clear_beats(state)
            commands = agent_commands(
                _worker(training),
                state,
                machines,
                per_machine,
                os.environ,
                task_per_process=training.task_per_process,
            )
            devices = [gpus[place * per_machine :][:per_machine] for place in range(len(commands))]
            codes = run_agents(commands, devices, stop)
            if said.exists():
                outcome: dict[str, Any] = read_json(said)
                return outcome
            if stop.received:
                return _interrupted(training, stop.received)
            failure = _failure(training, codes)
            if failure.cause not in RESTARTED or start == training.max_restarts:
                raise _GroupFailed(failure)
            _record(training, failure)
            logger.warning(
                f"{training.label}: {failure.reason}; "
                f"starting again from the last checkpoint ({start + 1} of {training.max_restarts})"
            )
    raise AssertionError("the last start returns or raises")


def _worker(training: _Training) -> list[str]:
    words = ["-m", "daf.training.worker", "--recipe", str(training.state / "recipe.json")]
    words += ["--folder", str(training.folder), "--label", training.label]
    words += ["--num-machines", str(training.num_machines), "--device", training.device]
    words += ["--checkpoint-steps", str(training.checkpoint_steps), "--stall-seconds", str(training.stall_seconds)]
    words += [word for tracker in training.trackers for word in ("--tracker", tracker)]
    return words + (["--log-file", str(training.log_file)] if training.log_file else [])


def _interrupted(training: _Training, received: str) -> dict[str, Any]:
    """The outcome of a group that was stopped before its ranks could say so."""
    return {
        "status": "interrupted",
        "cause": Cause.SIGNAL.value,
        "reason": f"{received} received; the last checkpoint counts",
        "agent_steps": max((beat.agent_steps for beat in read_beats(training.state).values()), default=0),
        "seconds": 0.0,
        "facts": {},
    }


def _failure(training: _Training, codes: list[int]) -> Failure:
    """What began the end of a group, and how far the rank was."""
    failures = read_reports(training.state)
    failures += [Failure.of_exit_code(code, None, None) for code in codes if code != EXIT_OK and not failures]
    if not failures:  # all agents say that all is well
        failures = [Failure.of_exit_code(EXIT_FAILED, None, None)]
    first = origin(failures)
    beats = read_beats(training.state)
    furthest = max(beats.values(), key=lambda beat: beat.agent_steps, default=None)
    beat = furthest if first.rank is None else beats.get(first.rank)
    return first if beat is None else replace(first, update=beat.update, agent_steps=beat.agent_steps)


def _record(training: _Training, failure: Failure) -> None:
    try:
        record_failure(training.state, failure)
    except OSError:  # a full disk, for one; the error that is raised says why
        pass


def _publish_failure(training: _Training, failure: Failure) -> None:
    """run.json of a training that failed, in place of a model; a full disk may refuse it."""
    restarts = read_failures(training.state)
    _record(training, failure)
    content = {
        "status": "failed",
        "cause": failure.cause.value,
        "reason": failure.reason,
        "agent_steps": failure.agent_steps or 0,
        "restarts": restarts,
        "recipe": training.recipe.to_dict(),
    }
    try:
        (training.folder / MODEL).unlink(missing_ok=True)  # another recipe's must not pass for this one's
        write_json(training.folder / RUN, content)
    except OSError:
        pass


_HINTS = {
    Cause.RANK_KILLED: "the kernel kills what takes too much memory (see dmesg): give the job more, or start it again",
    Cause.RANK_STALLED: "see what it was doing there; raise stall_seconds if one update may take so long",
    Cause.DISK_FULL: "the checkpoint before is intact: make room and start it again",
    Cause.OUT_OF_MEMORY: "lower num_envs, horizon or minibatch_size, or use more processes; then start it again",
}


def _as_error(training: _Training, failure: Failure) -> TrainingFailedError:
    """The failure as the rank's own error if it had one."""
    where = f"training '{training.label}'"
    if failure.parts is not None:
        expected, found, place, hint = failure.parts
        return TrainingFailedError(expected, found, f"{where}: {place}", hint, failure.cause)
    hint = _HINTS.get(failure.cause, f"see {training.log_file}" if training.log_file else "see its messages above")
    return TrainingFailedError(
        "a training that completes, diverges or is interrupted", failure.reason, where, hint, failure.cause
    )


def main(arguments: list[str] | None = None) -> int:
    """The program behind a background job: run a whole training described by a file."""
    parser = argparse.ArgumentParser(prog="python -m daf.training.launch", description=main.__doc__)
    parser.add_argument("--job", type=Path, required=True, help="JSON file: recipe, folder and layout of the training")
    job = read_json(parser.parse_args(arguments).job)
    try:
        outcome = run_training(
            TrainingRecipe.model_validate(job["recipe"]),
            Path(job["folder"]),
            label=job["label"],
            num_machines=job["num_machines"],
            device=job["device"],
            checkpoint_steps=job["checkpoint_steps"],
            max_restarts=job["max_restarts"],
            stall_seconds=job["stall_seconds"],
            trackers=job["trackers"],
            log_file=Path(job["log_file"]),
        )
    except DafError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return {"completed": EXIT_OK, "interrupted": EXIT_REQUEUE}.get(outcome["status"], EXIT_FAILED)


if __name__ == "__main__":
    sys.exit(main())
