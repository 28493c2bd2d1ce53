"""The program that torchrun starts once per process: join the group, train, record how it ended.

Exit codes: 0 completed or diverged (divergence is a result), 75 interrupted with a checkpoint; failures use those of
`daf.distributed.failures.EXIT_CODES` (2 for bad input).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch

from daf.config.recipes import TrainingRecipe
from daf.distributed.failures import Failure, write_error_file
from daf.distributed.heartbeat import Heartbeat
from daf.distributed.process_group import check_facts, join_group, leave_group
from daf.errors import EXIT_OK, EXIT_REQUEUE, DafError
from daf.logging_config import create_daf_logger
from daf.system.devices import resolve_device
from daf.system.process_state import die_with_parent, end_without_search
from daf.training.arithmetic import prepare_cublas
from daf.training.loop import train
from daf.training.options import RunOptions, TrainingSpec
from daf.training.outcome import TrainingOutcome
from daf.training.paths import outcome_path, state_folder
from daf.training.stopping import StopCondition

# How long a rank that only lost its peers stays: the agent reports those ranks that have ended when it first sees one,
# and the peer that caused it may have its environment workers to end.
_LINGER_SECONDS = 10.0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m daf.training.worker", description=__doc__)
    parser.add_argument("--job", type=Path, required=True, help="JSON file with a TrainingSpec")
    job = parser.parse_args(arguments).job
    die_with_parent()
    end_without_search()
    try:
        training = TrainingSpec.read(job)
        outcome = run_process(training.recipe, training.folder, training.options)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        print(error if isinstance(error, DafError) else traceback.format_exc(), file=sys.stderr, flush=True)
        failure = Failure.of_exception(error)
        write_error_file(failure)
        if failure.symptom:
            time.sleep(_LINGER_SECONDS)  # ended by the agent as soon as the peer has
        return failure.exit_code
    return EXIT_REQUEUE if outcome.status == "interrupted" else EXIT_OK


def run_process(
    recipe: TrainingRecipe,
    folder: Path,
    options: RunOptions,
    *,
    stop_condition: StopCondition | None = None,
    on_stall: Callable[[Failure], object] = write_error_file,
) -> TrainingOutcome:
    """This process's part of training, from joining the group to recording the outcome.

    Args:
        on_stall: called by the watchdog, in its own thread, before it ends the process.
    """
    kind = resolve_device(options.device)
    group = join_group(recipe.world_size, kind, stall_seconds=options.stall_seconds)
    device = local_device(kind)
    # Only the leader reports; the others would report the same.
    level = "info" if group.is_leader else "warning"
    logger = create_daf_logger(f"train.{group.rank}", level=level, log_file=options.log_file)
    with ExitStack() as stack:
        stack.callback(leave_group, group)
        check_facts(
            group.facts(device),
            num_machines=options.num_machines,
            processes_per_machine=recipe.world_size // options.num_machines,
        )
        beats = state_folder(folder, recipe)
        heartbeat = Heartbeat(beats, group.rank, stall_seconds=options.stall_seconds, report=on_stall)
        group = replace(group, heartbeat=stack.enter_context(heartbeat))
        outcome = train(
            recipe, folder, options, group=group, device=device, logger=logger, stop_condition=stop_condition
        )
        if group.is_leader:
            outcome.write(outcome_path(folder, recipe))
    return outcome


def local_device(kind: str) -> torch.device:
    """The CPU, the GPU that `kind` names by an index, or that of this process's local rank."""
    if kind == "cpu":
        return torch.device("cpu")
    prepare_cublas()
    _, _, index = kind.partition(":")
    device = torch.device("cuda", int(index or os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device


if __name__ == "__main__":
    sys.exit(main())
