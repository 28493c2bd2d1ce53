"""The program that torchrun starts once per process: join the group, train, say how it ended.

Exit codes: 0 completed or diverged (a diverged training is a result), 2 bad input, 75 interrupted with a checkpoint.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from daf.devices import resolve_device
from daf.errors import EXIT_OK, EXIT_REQUEUE, DafError
from daf.files import read_json, write_json
from daf.logging_config import create_daf_logger
from daf.recipes import TrainingRecipe
from daf.training.group import join_group, leave_group
from daf.training.loop import TrainingOutcome, state_folder, train


def outcome_path(folder: Path, recipe: TrainingRecipe) -> Path:
    """Where a training says how it ended; beside its state, so that no other recipe's outcome is mistaken for it."""
    return state_folder(folder, recipe) / "outcome.json"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m daf.training.worker", description=__doc__)
    parser.add_argument("--recipe", type=Path, required=True, help="JSON file with a training recipe")
    parser.add_argument("--folder", type=Path, required=True, help="where the model, run.json and metrics.jsonl go")
    parser.add_argument("--label", required=True, help="what the training is called in messages")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--checkpoint-steps", type=int, required=True)
    parser.add_argument("--log-file", type=Path)
    options = parser.parse_args(arguments)
    recipe = TrainingRecipe.model_validate(read_json(options.recipe))
    try:
        outcome = run_process(
            recipe,
            options.folder,
            label=options.label,
            device=options.device,
            checkpoint_steps=options.checkpoint_steps,
            log_file=options.log_file,
        )
    except DafError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return EXIT_REQUEUE if outcome.status == "interrupted" else EXIT_OK


def run_process(
    recipe: TrainingRecipe, folder: Path, *, label: str, device: str, checkpoint_steps: int, log_file: Path | None
) -> TrainingOutcome:
    """This process's part of a training, from joining the group to the recorded outcome."""
    kind = resolve_device(device)
    group = join_group(recipe.world_size, kind)
    here = local_device(kind)
    # Only the leader speaks; the others would say the same.
    logger = create_daf_logger(f"train.{group.rank}", level="info" if group.is_leader else "warning", log_file=log_file)
    try:
        outcome = train(
            recipe, folder, group=group, device=here, logger=logger, label=label, checkpoint_steps=checkpoint_steps
        )
        if group.is_leader:
            write_json(outcome_path(folder, recipe), vars(outcome))
    finally:
        leave_group(group)
    return outcome


def local_device(kind: str) -> torch.device:
    """The GPU of this process's local rank, or the CPU."""
    import os

    if kind != "cuda":
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device


if __name__ == "__main__":
    sys.exit(main())
