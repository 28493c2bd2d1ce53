"""A real Slurm on this machine alone: munge, slurmctld, one slurmd per virtual node, and accounting in MariaDB.

    python tests/slurm/cluster.py FOLDER        start it, say how to use it, stop it after Ctrl-C

Debian's programs (tests/slurm/install.sh) run as root from a separate folder, and listen only on the loopback
interface. They end with the process that started them, however that ends. GPUs are character devices without a driver:
Slurm hands them out and sets CUDA_VISIBLE_DEVICES; nothing can compute on them.

Nodes c1 and c2 are the partition `cpu`, g1 and g2 with two GPUs each are `gpu`; `urgent` has all four and takes nodes
away from the jobs of the other two.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

CPU_NODES = ("c1", "c2")
GPU_NODES = ("g1", "g2")
NODES = CPU_NODES + GPU_NODES
NODE_CPUS = 32  # like the memory, more than there is: the tests' jobs are small, and mostly wait
NODE_MEMORY_MB = 64_000
GPUS_PER_NODE = 2
CLIENTS = ("sacct", "sacctmgr", "salloc", "sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun")
NEEDED = ("munged", "slurmctld", "slurmd", "slurmdbd", "mariadbd", "mariadb-install-db")
DAEMON_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
NVIDIA_MAJOR = 195
PATIENCE_SECONDS = 900  # against a hang only: a busy machine takes several times as long as an idle one
PR_SET_PDEATHSIG = 1


def lacking() -> str | None:
    """Why no cluster can be started here; None if one can."""
    if sys.platform != "linux" or os.getuid() != 0:
        return "the tests' own Slurm needs root on Linux"
    missing = [name for name in (*NEEDED, *CLIENTS) if shutil.which(name, path=DAEMON_PATH) is None]
    return f"Slurm is not installed ({', '.join(missing)} missing): tests/slurm/install.sh" if missing else None


class Cluster:
    """A cluster that lives in `folder`, whose path must be short: a socket's may have 107 characters."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.reaper: subprocess.Popen[bytes] | None = None
        self.ports = _free_ports(2 + len(NODES))

    # ---- using it -----------------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """What a user's commands need: Slurm's clients on the PATH.

        They are wrappers, because the executor plugin removes SLURM_CONF from the environment of the programs that it
        starts; on a cluster the clients find their configuration in /etc/slurm.
        """
        return {"PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}

    def run(self, *command: str, check: bool = True) -> str:
        """What one of Slurm's clients prints."""
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, check=False, timeout=60
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr or done.stdout}")
        return done.stdout

    # ---- starting and stopping ----------------------------------------------------------------------------

    def start(self) -> None:
        # The daemons end with this process, but not what they started in jobs: this one outlives us to end that.
        command = [sys.executable, __file__, "--clean-up", str(self.folder)]
        self.reaper = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        for name in ("etc", "run", "log", "state", "dev", "bin", *(f"spool/{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self._write_clients()
        self._start_munge()
        self._write_configuration()
        self.start_accounting()
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        self.wait_for("all nodes idle", self.all_idle)

    def stop(self) -> None:
        """End everything at once, jobs included."""
        if "slurmctld" in self.processes:
            self.run("scancel", "--full", "--signal=KILL", "--user=root", check=False)
        for name in (*(f"slurmd.{node}" for node in NODES), "slurmctld", "slurmdbd", "mariadbd", "munged"):
            self.kill(name)
        self.clean_up()
        if self.reaper is not None:
            self.reaper.communicate()

    def clean_up(self) -> None:
        self._kill_jobs()
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        process = self.processes.pop(name, None)
        if process is not None:
            process.send_signal(number)
            process.wait(30)

    def start_controller(self) -> None:
        self._spawn("slurmctld", "slurmctld", "-D", "-f", self._configuration)
        self.wait_for("slurmctld", lambda: "is UP" in self.run("scontrol", "ping", check=False))

    def start_node(self, node: str) -> None:
        self._spawn(f"slurmd.{node}", "slurmd", "-D", "-N", node, "-f", self._configuration)

    def kill_node(self, node: str) -> None:
        """As if the machine lost its power: its daemon and all processes of its jobs are gone."""
        self.kill(f"slurmd.{node}")
        self._kill_jobs(node)

    def resume_node(self, node: str) -> None:
        self.start_node(node)
        self.wait_for(f"{node} idle", lambda: self.node_state(node) in ("idle", "mixed", "allocated"))

    def node_state(self, node: str) -> str:
        return self.run("sinfo", "--noheader", "--Node", f"--nodes={node}", "--format=%T").split()[0]

    def all_idle(self) -> bool:
        return set(self.run("sinfo", "--noheader", "--Node", "--format=%T", check=False).split()) == {"idle"}

    def wait_for(self, what: str, condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                logs = "\n".join(
                    f"{path}: {path.read_text()[-800:]}" for path in sorted((self.folder / "log").glob("*"))
                )
                raise TimeoutError(f"waited {seconds:g} s for {what}\n{logs}")
            time.sleep(0.1)

    def _kill_jobs(self, node: str | None = None) -> None:
        """SIGKILL what runs in jobs (on a node), and first Slurm's process above it, which would report it."""
        path, name = f"{self.folder}/bin", f"SLURMD_NODENAME={node or ''}"
        victims, above = set(), set()
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                variables = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                caller = Path(f"/proc/{parent}/comm").read_text() if parent else ""
            except OSError:
                continue
            here = any(line == name if node else line.startswith(name) for line in variables)
            if here and any(line.startswith("PATH=") and path in line for line in variables):
                victims.add(int(folder.name))
                if caller.startswith("slurmstepd"):
                    above.add(parent)
            elif node is None and f"SLURM_CONF={self._configuration}" in variables and int(folder.name) != os.getpid():
                victims.add(int(folder.name))  # Slurm's own processes for jobs, whose programs have ended already
        for pid in (*above, *victims):
            _kill(pid)

    # ---- parts --------------------------------------------------------------------------------------------

    @property
    def _configuration(self) -> str:
        return str(self.folder / "etc" / "slurm.conf")

    def _spawn(self, name: str, *command: str, **variables: str) -> None:
        environment = {"PATH": DAEMON_PATH, "SLURM_CONF": self._configuration, "LANG": "C.UTF-8", **variables}
        with (self.folder / "log" / f"{name}.out").open("ab") as out:
            self.processes[name] = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=_end_with_parent
            )

    def _write_clients(self) -> None:
        for name in CLIENTS:
            path = self.folder / "bin" / name
            path.write_text(
                f'#!/bin/sh\nSLURM_CONF={self._configuration} exec {shutil.which(name, path=DAEMON_PATH)} "$@"\n'
            )
            path.chmod(0o755)

    def _start_munge(self) -> None:
        key, run = self.folder / "etc" / "munge.key", self.folder / "run"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        command = ["munged", "--foreground", "--force", f"--key-file={key}", f"--socket={run}/munge.sock"]
        command += [f"--pid-file={run}/munged.pid", f"--seed-file={run}/munge.seed", "--num-threads=4"]
        self._spawn("munged", *command, f"--log-file={self.folder}/log/munged.log")
        self.wait_for("munged", (run / "munge.sock").exists)

    def start_accounting(self) -> None:
        """MariaDB and slurmdbd, with an account `lab` for root."""
        data, run = self.folder / "db", self.folder / "run"
        new = not data.exists()
        if new:
            data.mkdir()
            command = ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}", "--skip-test-db"]
            command += ["--auth-root-authentication-method=normal", "--innodb-log-file-size=16M"]
            subprocess.run(command, env={"PATH": DAEMON_PATH}, check=True, capture_output=True)
        database = ["mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={run}/db.sock"]
        database += ["--skip-networking", f"--pid-file={run}/mariadbd.pid", "--innodb-buffer-pool-size=64M"]
        database += ["--innodb-log-file-size=16M", "--innodb-lock-wait-timeout=900"]
        database += ["--innodb-flush-log-at-trx-commit=0", "--skip-log-bin"]
        self._spawn("mariadbd", *database)
        client = ["mariadb", "--no-defaults", f"--socket={run}/db.sock", "--user=root", "--execute"]
        prepare = "CREATE DATABASE IF NOT EXISTS slurm; CREATE USER IF NOT EXISTS slurm@localhost IDENTIFIED BY 'x'; "
        prepare += "GRANT ALL ON slurm.* TO slurm@localhost"
        self.wait_for("mariadbd", lambda: subprocess.run([*client, prepare], capture_output=True).returncode == 0)
        self.start_accounting_daemon()
        if new:
            for what in (["cluster", "mini"], ["account", "lab"], ["user", "root", "account=lab"]):
                self.run("sacctmgr", "--immediate", "add", *what)

    def start_accounting_daemon(self) -> None:
        self._spawn("slurmdbd", "slurmdbd", "-D", MYSQL_UNIX_PORT=f"{self.folder}/run/db.sock")
        self.wait_for(
            "slurmdbd",
            lambda: (
                "ClusterN" in self.run("sacctmgr", "list", "cluster", "format=ClusterName", check=False)
                or "Cluster" in self.run("sacctmgr", "list", "cluster", check=False)
            ),
        )

    def _write_configuration(self) -> None:
        controller, accounting, *slurmd = self.ports
        folder, host = self.folder, socket.gethostname().partition(".")[0]
        shape = f"NodeHostname={host} NodeAddr=127.0.0.1 Sockets=1 CoresPerSocket={NODE_CPUS} ThreadsPerCore=1"
        shape += f" CPUs={NODE_CPUS} RealMemory={NODE_MEMORY_MB} State=UNKNOWN"
        nodes = []
        for node, port in zip(NODES, slurmd, strict=True):
            gres = f" Gres=gpu:fake:{GPUS_PER_NODE}" if node in GPU_NODES else ""
            nodes.append(f"NodeName={node} Port={port}{gres} {shape}")
        gpus = [(place, node, f"{folder}/dev/{node}-nvidia{place % GPUS_PER_NODE}")
                for place, node in enumerate(node for node in GPU_NODES for _ in range(GPUS_PER_NODE))]  # fmt: skip
        for place, _, device in gpus:
            if not os.path.exists(device):
                os.mknod(device, 0o600 | 0o020000, os.makedev(NVIDIA_MAJOR, place))
        files = {
            "slurm.conf": SLURM_CONF.format(
                folder=folder, host=host, controller=controller, accounting=accounting, nodes="\n".join(nodes)
            ),
            "gres.conf": "".join(f"NodeName={node} Name=gpu Type=fake File={device}\n" for _, node, device in gpus),
            "slurmdbd.conf": SLURMDBD_CONF.format(folder=folder, accounting=accounting),
            "plugstack.conf": "",
            "cgroup.conf": "",
        }
        for name, text in files.items():
            path = folder / "etc" / name
            path.write_text(text)
            path.chmod(0o600 if name == "slurmdbd.conf" else 0o644)


SLURM_CONF = """\
ClusterName=mini
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.sock
CredType=cred/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.%n.log
SlurmdParameters=config_overrides
ReturnToService=2
# A real cluster waits longer; a test cannot.
SlurmdTimeout=10
SlurmctldTimeout=30
InactiveLimit=0
KillWait=10
# Slurm's default; the profile relies on it.
MinJobAge=300
MessageTimeout=60
MpiDefault=none
PropagateResourceLimits=NONE
SwitchType=switch/none
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,bf_interval=2,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
# Without cgroups, which a container rarely has: memory is looked at every second.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={accounting}
AccountingStoragePass={folder}/run/munge.sock
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
{nodes}
PartitionName=cpu Nodes=c[1-2] Default=YES MaxTime=1-00:00:00 DefaultTime=10 DefMemPerCPU=200 PriorityTier=1
PartitionName=gpu Nodes=g[1-2] MaxTime=1-00:00:00 DefaultTime=10 DefMemPerCPU=200 PriorityTier=1
PartitionName=urgent Nodes=c[1-2],g[1-2] MaxTime=10 DefaultTime=1 DefMemPerCPU=200 PriorityTier=9 PreemptMode=OFF
"""

SLURMDBD_CONF = """\
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.sock
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={accounting}
CommunicationParameters=NoInAddrAny
SlurmUser=root
PidFile={folder}/run/slurmdbd.pid
LogFile={folder}/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StoragePass=x
StorageLoc=slurm
CommitDelay=1
"""


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()


def _free_ports(count: int) -> list[int]:
    """Ports that were all free a moment ago on the loopback interface."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def main(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["--clean-up"]:
        sys.stdin.read()  # until the process that started us ends
        time.sleep(1)
        Cluster(Path(arguments[1])).clean_up()
        return 0
    reason = lacking()
    if reason is not None:
        print(reason, file=sys.stderr)
        return 2
    cluster = Cluster(Path(arguments[0]) if arguments else Path(tempfile.mkdtemp(prefix="daf-slurm-")))
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        cluster.start()
        print(f"export PATH={cluster.folder}/bin:$PATH", flush=True)
        stop.wait()
    finally:
        cluster.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
