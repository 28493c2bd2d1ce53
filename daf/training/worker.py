"""The program that torchrun starts once per process: join the group, train, say how it ended.

Exit codes: 0 completed or diverged (a diverged training is a result), 75 interrupted with a checkpoint; a failure's
are in `daf.distributed.failures.EXIT_CODES` (2 for bad input).
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch

from daf.config.recipes import TrainingRecipe
from daf.distributed.elastic_agent import die_with_parent
from daf.distributed.failures import Failure, write_error_file
from daf.distributed.heartbeat import STALL_SECONDS, Heartbeat
from daf.distributed.process_group import check_facts, join_group, leave_group
from daf.errors import EXIT_OK, EXIT_REQUEUE, DafError
from daf.logging_config import create_daf_logger
from daf.system.devices import resolve_device
from daf.system.files import read_json, write_json
from daf.training.loop import TrainingOutcome, train
from daf.training.paths import outcome_path, state_folder
from daf.training.stopping import StopCondition


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m daf.training.worker", description=__doc__)
    parser.add_argument("--recipe", type=Path, required=True, help="JSON file with a training recipe")
    parser.add_argument("--folder", type=Path, required=True, help="where the model, run.json and metrics.jsonl go")
    parser.add_argument("--label", required=True, help="what the training is called in messages")
    parser.add_argument("--num-machines", type=int, required=True)
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--checkpoint-steps", type=int, required=True)
    parser.add_argument("--stall-seconds", type=float, required=True)
    parser.add_argument("--tracker", action="append", default=[], help="see daf.training.trackers; may be repeated")
    parser.add_argument("--log-file", type=Path)
    options = parser.parse_args(arguments)
    die_with_parent()
    try:
        recipe = TrainingRecipe.model_validate(read_json(options.recipe))
        outcome = run_process(
            recipe,
            options.folder,
            label=options.label,
            num_machines=options.num_machines,
            device=options.device,
            checkpoint_steps=options.checkpoint_steps,
            stall_seconds=options.stall_seconds,
            trackers=options.tracker,
            log_file=options.log_file,
        )
    except Exception as error:
        print(error if isinstance(error, DafError) else traceback.format_exc(), file=sys.stderr, flush=True)
        failure = Failure.of_exception(error)
        write_error_file(failure)
        return failure.exit_code
    return EXIT_REQUEUE if outcome.status == "interrupted" else EXIT_OK


def run_process(
    recipe: TrainingRecipe,
    folder: Path,
    *,
    label: str,
    num_machines: int = 1,
    device: str,
    checkpoint_steps: int,
    stall_seconds: float = STALL_SECONDS,
    trackers: Sequence[str] = (),
    log_file: Path | None,
    stop_condition: StopCondition | None = None,
) -> TrainingOutcome:
    """This process's part of a training, from joining the group to the recorded outcome."""
    kind = resolve_device(device)
    group = join_group(recipe.world_size, kind, stall_seconds=stall_seconds)
    here = local_device(kind)
    # Only the leader speaks; the others would say the same.
    logger = create_daf_logger(f"train.{group.rank}", level="info" if group.is_leader else "warning", log_file=log_file)
    with ExitStack() as stack:
        stack.callback(leave_group, group)
        check_facts(
            group.facts(here), num_machines=num_machines, processes_per_machine=recipe.world_size // num_machines
        )
        if group.world_size > 1:
            heartbeat = Heartbeat(state_folder(folder, recipe), group.rank, stall_seconds=stall_seconds)
            group = replace(group, heartbeat=stack.enter_context(heartbeat))
        outcome = train(
            recipe,
            folder,
            group=group,
            device=here,
            logger=logger,
            label=label,
            checkpoint_steps=checkpoint_steps,
            trackers=trackers,
            stop_condition=stop_condition,
        )
        if group.is_leader:
            write_json(outcome_path(folder, recipe), vars(outcome))
    return outcome


def local_device(kind: str) -> torch.device:
    """The CPU, the GPU that `kind` names by an index, or that of this process's local rank."""
    if kind == "cpu":
        return torch.device("cpu")
    _, _, index = kind.partition(":")
    device = torch.device("cuda", int(index or os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device


if __name__ == "__main__":
    sys.exit(main())
