"""The commands that start agents: on one machine, on several, and inside a Slurm allocation."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from daf.distributed.elastic_agent import keep_quiet_about_stops
from daf.distributed.torchrun import agent_commands, without_step


def test_agents_on_one_machine_meet_on_the_loopback_interface() -> None:
    commands = agent_commands(["-m", "worker", "--label", "a b"], Path("reports"), 3, 2, {})
    assert len(commands) == 3
    assert commands[0] == commands[1] == commands[2]
    command = commands[0]
    assert command[:4] == [sys.executable, "-m", "daf.distributed.elastic_agent", "reports"]
    assert command[-4:] == ["-m", "worker", "--label", "a b"]
    for option in ("--nnodes=3", "--nproc-per-node=2", "--max-restarts=0", "--rdzv-backend=c10d"):
        assert option in command
    endpoint = next(word for word in command if word.startswith("--rdzv-endpoint="))
    assert endpoint.startswith("--rdzv-endpoint=127.0.0.1:")


def test_two_trainings_on_one_machine_do_not_meet() -> None:
    def meeting() -> list[str]:
        return [word for word in agent_commands([], Path("reports"), 2, 1, {})[0] if word.startswith("--rdzv-")]

    assert meeting() != meeting()


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the PATH with stand-ins for Slurm's programs; `srun` runs its command once, in its place."""
    programs = tmp_path / "bin"
    programs.mkdir()
    scripts = {
        "srun": 'while case "$1" in -*) true;; *) false;; esac; do shift; done; exec "$@"',
        "scontrol": (
            'if [ "$2" = hostnames ]; then echo "hostnames of $3" >> "$LOG"; echo node7; echo node8;'
            ' else echo "node $3" >> "$LOG"; echo "NodeName=$3 NodeAddr=10.1.2.3 NodeHostName=$3"; fi'
        ),
    }
    for name, script in scripts.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    return programs


@pytest.mark.parametrize(
    ("given", "cores"),
    [
        ({}, []),
        ({"SLURM_CPUS_ON_NODE": "8"}, ["--cpus-per-task=8"]),
        ({"SLURM_CPUS_ON_NODE": "8", "SLURM_CPUS_PER_TASK": "6"}, ["--cpus-per-task=6"]),
    ],
    ids=["unknown", "of the node", "of a task"],
)
def test_inside_slurm_srun_starts_one_agent_per_node(given: dict[str, str], cores: list[str], slurm: Path) -> None:
    environment = {"SLURM_JOB_ID": "1234", **given}
    commands = agent_commands(["-m", "worker", "--label", "train a · seed 1"], Path("reports"), 2, 4, environment)
    assert len(commands) == 1
    command = commands[0]
    place = command.index("bash")
    assert command[:place] == [
        "srun", "--nodes=2", "--ntasks=2", "--ntasks-per-node=1", "--overlap", "--kill-on-bad-exit=0", "--wait=5",
        *cores,
    ]  # fmt: skip
    agent = command[place + 4 :]
    assert agent[:4] == [sys.executable, "-m", "daf.distributed.elastic_agent", "reports"]
    assert agent[4:] == ["--nnodes=2", "--nproc-per-node=4", "--max-restarts=0", "--rdzv-backend=c10d"]


@pytest.mark.parametrize(("gpus", "binding"), [({}, []), ({"CUDA_VISIBLE_DEVICES": "0,1"}, ["--gpus-per-task=1"])])
def test_each_process_may_be_a_slurm_task_of_its_own(gpus: dict[str, str], binding: list[str], slurm: Path) -> None:
    environment = {"SLURM_JOB_ID": "1234", "SLURM_CPUS_ON_NODE": "4", **gpus}
    for machines in (1, 2):
        (command,) = agent_commands([], Path("reports"), machines, 2, environment, task_per_gpu=True)
        assert command[: command.index("bash")] == [
            "srun", f"--nodes={machines}", f"--ntasks={2 * machines}", "--ntasks-per-node=2", "--overlap",
            "--kill-on-bad-exit=0", "--wait=5", "--cpus-per-task=2", *binding,
        ]  # fmt: skip
        assert {f"--nnodes={2 * machines}", "--nproc-per-node=1"} <= set(command)
        (command,) = agent_commands([], Path("reports"), machines, 2, environment, task_per_gpu=True, cores=16)
        assert "--cpus-per-task=8" in command  # the job knows more than Slurm says inside its step
    outside = agent_commands([], Path("reports"), 1, 2, {}, task_per_gpu=True)
    assert {"--nnodes=1", "--nproc-per-node=2"} <= set(outside[0])


def test_srun_sees_the_job_and_not_the_step_it_is_called_in() -> None:
    environment = {
        "PATH": "/bin", "SLURM_CONF": "/etc/slurm.conf", "SLURM_JOB_ID": "7", "SLURM_NODELIST": "g1",
        "SLURM_NNODES": "1",
        "SLURM_STEP_ID": "0", "SLURMD_NODENAME": "g1", "CUDA_VISIBLE_DEVICES": "0",
    }  # fmt: skip
    assert set(environment) - set(without_step(environment)) == {"SLURM_NODELIST", "SLURM_NNODES", "SLURM_STEP_ID"}


def test_agents_of_a_slurm_job_find_the_head_node(slurm: Path, tmp_path: Path) -> None:
    """The command is run, with a python that prints its arguments in torchrun's place."""
    label = "it's $HOME · seed 1"
    (command,) = agent_commands(["-m", "worker", "--label", label], Path("reports"), 2, 4, {"SLURM_JOB_ID": "1234"})
    place = command.index(sys.executable)
    shown = [sys.executable, "-c", "import sys, json; print(json.dumps(sys.argv[1:]))"]
    command = [*command[:place], *shown, *command[place + 4 :]]
    given = {"SLURM_JOB_ID": "31234", "SLURM_STEP_ID": "2", "SLURM_STEP_NODELIST": "node[7-8]"}
    printed = subprocess.run(command, env={**os.environ, **given}, capture_output=True, text=True, check=True).stdout
    assert json.loads(printed) == [
        "--nnodes=2", "--nproc-per-node=4", "--max-restarts=0", "--rdzv-backend=c10d",
        "--rdzv-id=31234.2", "--rdzv-endpoint=10.1.2.3:23252", "-m", "worker", "--label", label,
    ]  # fmt: skip
    assert (tmp_path / "log").read_text().splitlines() == ["hostnames of node[7-8]", "node node7"]


@pytest.mark.parametrize(
    ("machines", "environment"), [(1, {"SLURM_JOB_ID": "1"}), (2, {})], ids=["one machine", "no allocation"]
)
def test_without_need_srun_is_left_alone(machines: int, environment: dict[str, str], slurm: Path) -> None:
    commands = agent_commands([], Path("reports"), machines, 1, environment)
    assert len(commands) == machines
    assert all(shlex.join(command).startswith(sys.executable) for command in commands)


def test_a_stop_is_told_in_our_words_only(caplog: pytest.LogCaptureFixture) -> None:
    """torchrun's agent, and what starts its ranks, would warn of Ctrl-C."""
    (folder,) = importlib.util.find_spec("torch").submodule_search_locations  # type: ignore[union-attr, misc]
    said = {"agent.server.api": "Received %s death signal", "multiprocessing.api": "Sending process %s closing signal"}
    keep_quiet_about_stops()
    for name, message in said.items():
        source = Path(folder, "distributed", "elastic", *name.split(".")).with_suffix(".py").read_text()
        assert f'"{message}' in source, "torch says it in other words now"
        logger = logging.getLogger(f"torch.distributed.elastic.{name}")
        logger.warning(f"{message}, shutting down workers", "SIGINT")
        logger.warning("something else")
    assert caplog.messages == ["something else"] * 2
