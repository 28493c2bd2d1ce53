"""torchrun's agents: where they run, the commands that start them, and waiting for them to end.

One agent per machine starts that machine's ranks and finds its peers through a c10d rendezvous:

- inside a Slurm allocation `srun` starts the agents: one on each of several nodes, or one task per training process
  where a cluster binds each GPU to a separate task;
- otherwise all agents run on this machine and meet on the loopback interface: the same code, without a network.

Agents do not restart ranks. The launcher does, because it knows why the ranks ended; each start has a new rendezvous.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from daf.distributed.signals import Stop
from daf.errors import EXIT_OK
from daf.system.limits import cpus_of_slurm

POLL_SECONDS = 0.2
GRACE_SECONDS = 60.0  # for a checkpoint after SIGTERM, before SIGKILL
# After one agent has failed, the others notice and report it themselves, unless their ranks hang.
LAST_WORDS_SECONDS = 5.0


def agent_commands(
    worker: list[str],
    reports: Path,
    num_machines: int,
    processes_per_machine: int,
    environment: Mapping[str, str],
    *,
    task_per_gpu: bool = False,
    cores: int | None = None,
) -> list[list[str]]:
    """The commands that start all torchrun agents; their reports of failures go to the folder `reports`.

    Args:
        task_per_gpu: inside a Slurm allocation, an agent for each process instead of one for each machine.
        cores: of each machine, those that the agents may use; None: those that Slurm gave to this task.
    """
    agent = [sys.executable, "-m", "daf.distributed.elastic_agent", str(reports)]
    in_slurm = starts_with_srun(environment)
    tasks_per_machine = processes_per_machine if in_slurm and task_per_gpu else 1
    layout = [
        f"--nnodes={num_machines * tasks_per_machine}",
        f"--nproc-per-node={processes_per_machine // tasks_per_machine}",
        "--max-restarts=0",
        "--rdzv-backend=c10d",
    ]
    if in_slurm and num_machines * tasks_per_machine > 1:
        # The head node's address is known only inside the allocation. The port is derived from the ids of job and step,
        # so that it is free for two jobs on one node and for a restarted group.
        script = (
            'head=$(scontrol show hostnames "$SLURM_STEP_NODELIST" | head -n 1); '
            'address=$(scontrol show node "$head" | sed -n "s/.*NodeAddr=\\([^ ]*\\).*/\\1/p" | head -n 1); '
            'exec "$@" --rdzv-id="$SLURM_JOB_ID.$SLURM_STEP_ID" '
            '--rdzv-endpoint="$address:$((20000 + (SLURM_JOB_ID + 1009 * SLURM_STEP_ID) % 10000))" '
            + shlex.join(worker)
        )
        srun = ["srun", f"--nodes={num_machines}", f"--ntasks={num_machines * tasks_per_machine}"]
        srun += [f"--ntasks-per-node={tasks_per_machine}"]
        # --overlap lets the agents use the cores of this process's step. --wait and the zero give the peers of a failed
        # agent time to report.
        srun += ["--overlap", "--kill-on-bad-exit=0", f"--wait={LAST_WORDS_SECONDS:.0f}"]
        # srun does not inherit the job's number of cores; its default is one.
        cores = cores or cpus_of_slurm(environment)
        srun += [f"--cpus-per-task={max(1, cores // tasks_per_machine)}"] if cores else []
        if tasks_per_machine > 1 and "CUDA_VISIBLE_DEVICES" in environment:
            srun += ["--gpus-per-task=1"]
        return [[*srun, "bash", "-c", script, "agent", *agent, *layout]]
    port = free_port()
    meeting = [f"--rdzv-endpoint=127.0.0.1:{port}", f"--rdzv-id=daf-{port}", "--local-addr=127.0.0.1"]
    return [[*agent, *layout, *meeting, *worker] for _ in range(num_machines)]


def starts_with_srun(environment: Mapping[str, str]) -> bool:
    """Whether agents can be started on the machines of a Slurm allocation; otherwise all of them run here."""
    return "SLURM_JOB_ID" in environment and shutil.which("srun") is not None


def without_step(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without the variables of a Slurm step, but with those that name the job.

    A rule runs inside a step with one task; with its variables, srun would mistake that step's node for the allocation.
    """
    kept = ("SLURM_CONF", "SLURM_JOB_ID", "SLURM_CLUSTER_NAME")
    return {name: value for name, value in environment.items() if not name.startswith("SLURM_") or name in kept}


def free_port() -> int:
    """A port that was free a moment ago on the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def run_agents(commands: list[list[str]], devices: list[list[str]], stop: Stop) -> list[int]:
    """Run agents in parallel until they end, forward stop signals to them, and leave none running.

    Args:
        devices: for each agent the GPUs it may use; an empty list means all.

    Returns:
        Their exit codes.
    """
    agents = []
    failed_at: float | None = None
    signalled_at: float | None = None
    try:
        for command, names in zip(commands, devices, strict=True):
            given = {"CUDA_VISIBLE_DEVICES": ",".join(names)} if names else {}
            environment = {**without_step(os.environ), **given}
            agents.append(subprocess.Popen(command, start_new_session=True, env=environment))
        while any(agent.poll() is None for agent in agents):
            now = time.monotonic()
            if failed_at is None and any(agent.poll() not in (None, EXIT_OK) for agent in agents):
                failed_at = now
            overdue = failed_at is not None and now - failed_at > LAST_WORDS_SECONDS
            if signalled_at is None and (stop.received or overdue):
                signalled_at = now
                for agent in agents:
                    if agent.poll() is None:
                        # It stops its ranks, and after 30 s kills those that have not ended. Not SIGTERM, on which srun
                        # kills the agents immediately.
                        agent.send_signal(signal.SIGUSR1)
            if signalled_at is not None and now - signalled_at > GRACE_SECONDS:
                for agent in agents:
                    _kill(agent)
            time.sleep(POLL_SECONDS)
    finally:
        for agent in agents:
            _kill(agent)  # the rest of the agent's session; after an error, also the agent
            agent.wait()
    return [agent.returncode for agent in agents]


def _kill(agent: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(agent.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
