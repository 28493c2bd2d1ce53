"""Starting the processes of a training and learning how it ended.

One process runs here. Several run under torchrun: one agent per machine, which starts that machine's processes,
restarts them after a crash, and finds its peers through a c10d rendezvous. Where the machines are:

- inside a Slurm allocation of several nodes, `srun` starts one agent per node;
- otherwise all agents run on this machine and meet on the loopback interface: the same code, without a network.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from daf.errors import EXIT_FAILED, EXIT_OK, EXIT_REQUEUE, DafError
from daf.files import read_json, write_json
from daf.locks import exclusive
from daf.logging_config import create_daf_logger
from daf.recipes import TrainingRecipe

POLL_SECONDS = 0.2
GRACE_SECONDS = 60.0  # for a checkpoint after SIGTERM, before SIGKILL


class TrainingFailedError(DafError):
    """The processes ended without an outcome."""


def run_training(
    recipe: TrainingRecipe,
    folder: Path,
    *,
    label: str,
    num_machines: int = 1,
    device: str = "auto",
    checkpoint_steps: int = 100_000,
    max_restarts: int = 2,
    log_file: Path | None = None,
) -> dict[str, Any]:
    """Train a recipe to its end and return its outcome: status, reason, agent_steps, seconds, facts.

    SIGTERM and SIGUSR1 make it write a checkpoint and return with status `interrupted`.

    Raises:
        TrainingFailedError: the processes ended without saying how, more often than `max_restarts` allows.
        DafError: bad input, or a process group of another size than the recipe asks for.
    """
    logger = create_daf_logger("launch", log_file=log_file)
    with exclusive(folder / "state", logger.warning):
        return _run_training(recipe, folder, label, num_machines, device, checkpoint_steps, max_restarts, log_file)


def _run_training(
    recipe: TrainingRecipe,
    folder: Path,
    label: str,
    num_machines: int,
    device: str,
    checkpoint_steps: int,
    max_restarts: int,
    log_file: Path | None,
) -> dict[str, Any]:
    from daf.training.worker import outcome_path, run_process

    if recipe.world_size == 1:
        outcome = run_process(
            recipe, folder, label=label, device=device, checkpoint_steps=checkpoint_steps, log_file=log_file
        )
        return vars(outcome)
    said = outcome_path(folder, recipe)
    said.unlink(missing_ok=True)
    recipe_path = said.with_name("recipe.json")
    write_json(recipe_path, recipe.to_dict())
    worker = ["-m", "daf.training.worker", "--recipe", str(recipe_path), "--folder", str(folder), "--label", label]
    worker += ["--device", device, "--checkpoint-steps", str(checkpoint_steps)]
    worker += ["--log-file", str(log_file)] if log_file else []
    processes_per_machine = recipe.world_size // num_machines
    commands = agent_commands(worker, num_machines, processes_per_machine, max_restarts, os.environ)
    codes = _run_all(commands)
    if said.exists():
        outcome_read: dict[str, Any] = read_json(said)
        return outcome_read
    raise TrainingFailedError(
        "a training that completes, diverges or is interrupted",
        f"torchrun ended with exit code {', '.join(map(str, codes))}",
        f"training '{label}'",
        f"see {log_file}" if log_file else "see its messages above",
    )


def agent_commands(
    worker: list[str], num_machines: int, processes_per_machine: int, max_restarts: int, environment: Mapping[str, str]
) -> list[list[str]]:
    """The commands that start all torchrun agents."""
    torchrun = [sys.executable, "-m", "torch.distributed.run"]
    layout = [
        f"--nnodes={num_machines}",
        f"--nproc-per-node={processes_per_machine}",
        f"--max-restarts={max_restarts}",
        "--rdzv-backend=c10d",
    ]
    if num_machines > 1 and "SLURM_JOB_ID" in environment and shutil.which("srun"):
        # The head node's address is known inside the allocation only; the port follows from the job id, so that two
        # jobs that share a node do not meet at the same one.
        script = (
            'head=$(scontrol show hostnames "$SLURM_STEP_NODELIST" | head -n 1); '
            'address=$(scontrol show node "$head" | sed -n "s/.*NodeAddr=\\([^ ]*\\).*/\\1/p" | head -n 1); '
            'exec "$@" --rdzv-id="$SLURM_JOB_ID" --rdzv-endpoint="$address:$((20000 + SLURM_JOB_ID % 10000))" '
            + " ".join(worker_quoted(worker))
        )
        srun = ["srun", f"--nodes={num_machines}", f"--ntasks={num_machines}", "--ntasks-per-node=1"]
        return [[*srun, "--kill-on-bad-exit=1", "bash", "-c", script, "agent", *torchrun, *layout]]
    port = free_port()
    meeting = [f"--rdzv-endpoint=127.0.0.1:{port}", f"--rdzv-id=daf-{port}", "--local-addr=127.0.0.1"]
    return [[*torchrun, *layout, *meeting, *worker] for _ in range(num_machines)]


def worker_quoted(worker: list[str]) -> list[str]:
    import shlex

    return [shlex.quote(word) for word in worker]


def free_port() -> int:
    """A port that was free a moment ago on the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _run_all(commands: list[list[str]]) -> list[int]:
    """Run the agents side by side, pass SIGTERM and SIGUSR1 on as SIGTERM, and never leave one behind."""
    stop_requested_at: list[float] = []

    def request_stop(number: int, frame: FrameType | None) -> None:
        stop_requested_at.append(time.monotonic())

    previous = {number: signal.signal(number, request_stop) for number in (signal.SIGTERM, signal.SIGUSR1)}
    # A restarted group meets at a new store. In a shared one it would find the addresses of the processes that died.
    environment = {**os.environ, "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    agents = [subprocess.Popen(command, start_new_session=True, env=environment) for command in commands]
    told = False
    try:
        while any(agent.poll() is None for agent in agents):
            failed = any(agent.poll() not in (None, EXIT_OK) for agent in agents)
            if (stop_requested_at or failed) and not told:
                told = True
                stop_requested_at.append(time.monotonic())
                for agent in agents:
                    _signal_group(agent, signal.SIGTERM, only_leader=True)
            if told and time.monotonic() - stop_requested_at[0] > GRACE_SECONDS:
                for agent in agents:
                    _signal_group(agent, signal.SIGKILL)
            time.sleep(POLL_SECONDS)
    finally:
        for agent in agents:
            _signal_group(agent, signal.SIGKILL)  # stragglers of the agent's session, and the agent itself on an error
            agent.wait()
        for number, handler in previous.items():
            signal.signal(number, handler)
    return [agent.returncode for agent in agents]


def _signal_group(agent: subprocess.Popen[bytes], number: int, *, only_leader: bool = False) -> None:
    """Signal an agent, or it and all processes of its session."""
    try:
        if only_leader:
            if agent.poll() is None:
                agent.send_signal(number)
        else:
            os.killpg(agent.pid, number)
    except ProcessLookupError:
        pass


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
            log_file=Path(job["log_file"]),
        )
    except DafError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return {"completed": EXIT_OK, "interrupted": EXIT_REQUEUE}.get(outcome["status"], EXIT_FAILED)


if __name__ == "__main__":
    sys.exit(main())
