"""Jobs that start as copies of a process are what `python script.py` is, and end with what they depend on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from daf.workflow import forked_jobs
from daf.workflow.forked_jobs import NETWORKS, PAGES, PROPOSALS, SCRIPTS, TABLES, ForkedJob, ForkServer, Start, level_of

pytestmark = pytest.mark.skipif(not forked_jobs.is_possible({}), reason="needs Linux")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Server:
    """A server, and scripts for it in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.told = folder, []  # type: ignore[var-annotated]
        self.server = ForkServer(self.told.append)
        self.environment = ENVIRONMENT

    def start(
        self, program: str, level: int = SCRIPTS, name: str = "job.py", *, is_job: bool = True
    ) -> ForkedJob | None:
        (self.folder / name).write_text(textwrap.dedent(program))
        with open(self.folder / "output.txt", "wb") as output, open(os.devnull, "rb") as nothing:
            return self.server.start(
                Start(
                    script=name,
                    level=level,
                    folder=str(self.folder),
                    environment=self.environment,
                    streams=(nothing.fileno(), output.fileno(), output.fileno()),
                ),
                is_job=is_job,
            )

    def run(self, program: str, level: int = SCRIPTS, name: str = "job.py") -> int:
        job = self.start(program, level, name)
        assert job is not None, self.told
        return job.wait()

    @property
    def output(self) -> str:
        return (self.folder / "output.txt").read_text()

    def value(self, expression: str, level: int = SCRIPTS) -> Any:
        """Of an expression, in a job."""
        code = self.run(f"import json, os, sys\nprint(json.dumps({expression}))", level)
        assert code == 0, self.output
        return json.loads(self.output.splitlines()[-1])

    def process(self) -> psutil.Process:
        return psutil.Process(self.value("os.getppid()"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that leave it alone."""
    server = Server(tmp_path_factory.mktemp("shared"))
    yield server
    server.server.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.server.close()


# ---- a copy is what an interpreter would be ---------------------------------------------------------------------

FACTS = """
import json, os, signal, sys
import __main__
print(json.dumps({
    "arguments": sys.argv, "path": sys.path, "flags": list(sys.flags), "folder": os.getcwd(),
    "environment": {k: v for k, v in os.environ.items() if k not in ("_", "LC_CTYPE")},
    "main": [__name__, __file__, __spec__, __package__, __main__.__dict__ is globals()],
    "code": sys._getframe().f_code.co_filename,
    "group": os.getpgrp(), "session": os.getsid(0), "blocked": list(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "handlers": [repr(signal.getsignal(n)) for n in sorted(signal.valid_signals())],
    "streams": [sys.stdin.isatty(), sys.stdout.line_buffering, sys.stderr.line_buffering, sys.stdout.encoding],
    "open": [n for n in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{n}")],
    "globals": sorted(globals()), "umask": os.umask(0), "threads": len(os.listdir("/proc/self/task")),
}))
"""


def test_a_job_sees_what_a_script_of_its_own_interpreter_sees(shared: Server) -> None:
    assert shared.run(FACTS) == 0, shared.output
    plain = subprocess.run(
        [sys.executable, "job.py"],
        cwd=shared.folder, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, check=True,
    )  # fmt: skip
    assert json.loads(shared.output) == json.loads(plain.stdout)


@pytest.mark.parametrize(
    ("program", "code", "output"),
    [
        ("print('done')", 0, "done\n"),
        ("import sys; sys.exit(75)", 75, ""),
        ("import os; os._exit(3)", 3, ""),
        ("raise ValueError('no')", 1, "ValueError: no\n"),
        ("import sys; sys.exit('no')", 1, "no\n"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, ""),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM, ""),
        ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT, "KeyboardInterrupt\n"),
        ("import atexit; atexit.register(print, 'at exit')", 0, "at exit\n"),
        ("import threading; threading.Timer(0.01, print, ['thread']).start()", 0, "thread\n"),
    ],
)
def test_a_job_ends_as_an_interpreter_does(shared: Server, program: str, code: int, output: str) -> None:
    assert shared.run(program) == code
    assert shared.output.endswith(output)
    assert bool(output) or not shared.output


def test_jobs_draw_different_random_numbers(shared: Server) -> None:
    draw = "[__import__('random').random(), __import__('numpy').random.random()]"
    (first, second), (third, fourth) = shared.value(draw, PROPOSALS), shared.value(draw, PROPOSALS)
    assert first != third
    assert second != fourth


@pytest.mark.long
def test_a_job_holds_no_more_than_its_level_and_measures_what_it_uses(shared: Server) -> None:
    modules = "[name for name in ('altair', 'matplotlib', 'mettagrid', 'pandas', 'torch') if name in sys.modules]"
    assert shared.value(modules, SCRIPTS) == []
    assert shared.value(modules, TABLES) == ["mettagrid", "pandas"]
    assert shared.value(modules, NETWORKS) == ["mettagrid", "pandas", "torch"]
    assert shared.value(modules, PAGES) == ["altair", "matplotlib", "mettagrid", "pandas"]
    assert shared.value("__import__('torch').get_num_threads()", NETWORKS) == 1
    peak = "__import__('daf.system.resource_usage', fromlist=['_']).usage_since(0).peak_memory_mb"
    after = "len(bytearray(os.urandom(1 << 20)) * 300) and " + peak
    light, heavy, used = shared.value(peak), shared.value(peak, NETWORKS), shared.value(after)
    assert light < 80 < 200 < heavy
    assert 300 <= used - light < 310


def test_a_job_has_the_level_of_what_it_plays() -> None:
    scripted = {"class_path": "mettagrid.policy.random_agent.RandomMultiAgentPolicy", "init_kwargs": {}}
    network = {"class_path": "daf.engine.grid_policy.GridPolicy", "init_kwargs": {}}
    assert level_of("select_best", {}) == SCRIPTS
    assert level_of("propose_trial", {}) == PROPOSALS
    assert level_of("evaluate_policy", {"recipe": {"policy": scripted}}) == TABLES
    assert level_of("evaluate_policy", {"recipe": {"policy": {"class_path": "random", "members": []}}}) == TABLES
    assert level_of("evaluate_policy", {"recipe": {"policy": {"class_path": "baseline", "members": []}}}) == NETWORKS
    assert level_of("evaluate_policy", {"recipe": {"policy": network}}) == NETWORKS
    assert level_of("evaluate_policy", {"recipe": {"policy": {"members": [scripted, network]}}}) == NETWORKS
    assert level_of("evaluate_policy", {"recipe": {"policy": [scripted, {"class_path": None}]}}) == NETWORKS
    assert level_of("evaluate_policy", {"recipe": {"policy": {"label": "trained"}}}) == NETWORKS
    assert level_of("run_trial", {}) == NETWORKS
    assert level_of("analyze_mission", {}) == PAGES
    assert level_of("merge_episodes", {}) == TABLES


# ---- what ends ----------------------------------------------------------------------------------------------------


def test_a_killed_server_takes_its_jobs_along_and_the_next_job_has_another(own: Server) -> None:
    server = own.process()
    job = own.start("import time; time.sleep(600)")
    assert job is not None
    process = psutil.Process(job.pid)
    server.kill()
    assert job.wait() == -signal.SIGKILL
    assert psutil.wait_procs([process, server], 30)[1] == []
    assert own.run("print('again')") == 0
    assert own.process() != server
    assert own.told == []


@pytest.mark.slow
def test_a_killed_level_takes_its_jobs_along_and_the_others_go_on(own: Server) -> None:
    first = own.process()
    level = psutil.Process(own.value("os.getppid()", PROPOSALS))
    assert level.ppid() == first.pid
    job, other = own.start("import time; time.sleep(600)", PROPOSALS), own.start("input()", SCRIPTS, "other.py")
    assert job is not None
    assert other is not None
    level.kill()
    assert job.wait() == -signal.SIGKILL
    assert other.wait() == 1  # EOFError: it has nothing to read
    assert own.value("os.getppid()", PROPOSALS) != level.pid
    assert own.process() == first


def served(server: Server, *, is_job: bool) -> int:
    """The number of the process that starts something."""
    job = server.start("import os; print(os.getppid())", is_job=is_job)
    assert job is not None
    assert job.wait() == 0
    return int(server.output)


def test_what_starts_before_the_first_job_shares_its_server_with_jobs(own: Server) -> None:
    assert served(own, is_job=False) == served(own, is_job=True)
    own.environment = {**ENVIRONMENT, "MORE": "1"}
    assert own.start("pass") is None  # a later job, in another environment, starts in the plain way


def test_jobs_in_another_environment_than_what_started_before_have_a_server_of_their_own(own: Server) -> None:
    before = served(own, is_job=False)
    own.environment = {**ENVIRONMENT, "MORE": "1"}
    assert own.value("os.environ['MORE']") == "1"
    assert served(own, is_job=True) != before


CLIENT = """
import os, sys
from daf.workflow.forked_jobs import ForkServer, Start
job = ForkServer(print).start(
    Start(script="job.py", level=0, folder=os.getcwd(), environment=dict(os.environ), streams=(0, 1, 2))
)
print(job.pid, flush=True)
job.wait()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_run_leaves_no_job_and_no_server(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "job.py").write_text("import time; time.sleep(600)")
    with subprocess.Popen(
        [sys.executable, "-c", CLIENT], cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdout is not None
        job = psutil.Process(int(client.stdout.readline()))
        family = [job, *job.parents()[: [p.pid for p in job.parents()].index(client.pid)]]
        assert len(family) == 2
        client.send_signal(number)
    assert psutil.wait_procs(family, 30)[1] == []


def test_signals_to_the_group_reach_jobs_and_not_the_server(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(
        "import os, signal, sys, time\n"
        "for n in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):\n"
        "    signal.signal(n, lambda n, _: (print('got', n, flush=True), n == signal.SIGUSR1 and sys.exit(75)))\n"
        "print('ready', os.getppid(), flush=True)\n"
        "while True: time.sleep(60)\n"
    )
    ignoring = "import signal\nfor n in (2, 10, 15): signal.signal(n, lambda *_: None)\n"
    client = subprocess.Popen(
        [sys.executable, "-c", ignoring + CLIENT.replace("job.wait()", "print('ended', job.wait(), flush=True)")],
        cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert client.stdout is not None
    lines = [client.stdout.readline() for _ in range(2)]
    assert any(line.startswith("ready") for line in lines)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        os.killpg(client.pid, number)
        assert client.stdout.readline() == f"got {int(number)}\n"
    assert client.stdout.readline() == "ended 75\n"
    client.stdout.close()
    assert client.wait(30) == 0


def test_ending_the_server_ends_its_process(own: Server) -> None:
    server = own.process()
    own.server.close()
    assert not server.is_running()
    assert own.start("print()") is None


# ---- when jobs start in the plain way ----------------------------------------------------------------------------


def test_another_environment_than_the_servers_needs_another_process(own: Server) -> None:
    assert own.run("pass") == 0
    own.environment = {**ENVIRONMENT, "OMP_NUM_THREADS": "2"}
    assert own.start("pass") is None
    own.environment = ENVIRONMENT
    assert own.run("pass") == 0
    assert own.told == []


def test_a_first_job_with_two_cores_leaves_the_server_to_jobs_with_one(own: Server) -> None:
    own.environment = {**ENVIRONMENT, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    assert own.start("import scipy.special", PROPOSALS) is None
    own.environment = ENVIRONMENT
    assert own.run("pass", PROPOSALS) == 0
    assert own.told == []


def test_what_changed_since_it_was_imported_is_imported_again(own: Server) -> None:
    """A file of the user's that an interpreter imports when it starts; the files of DAF are watched in the same way."""
    folder = own.folder / "modules"
    folder.mkdir()
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    own.environment = {**ENVIRONMENT, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    (folder / "sitecustomize.py").write_text("VALUE = 1")
    expression = "__import__('sitecustomize').VALUE"
    assert own.value(expression) == 1
    waiting = own.start("import time; time.sleep(600)", name="waiting.py")
    assert waiting is not None
    (folder / "sitecustomize.py").write_text("VALUE = 12")
    assert own.value(expression) == 12
    assert psutil.pid_exists(waiting.pid)  # it goes on in the old one
    waiting.kill()
    assert waiting.wait() == -signal.SIGKILL


def test_code_of_the_user_is_imported_by_each_job(own: Server) -> None:
    (own.folder / "users_module.py").write_text("VALUE = 1")
    assert own.value("__import__('users_module').VALUE") == 1
    (own.folder / "users_module.py").write_text("VALUE = 12")
    assert own.value("__import__('users_module').VALUE") == 12


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("raise ImportError('damaged')", "ImportError: damaged"),
        ("import threading, time\nthreading.Thread(target=time.sleep, args=[600], daemon=True).start()",
         "imported libraries have started threads (python)"),
    ],
)  # fmt: skip
def test_a_server_that_cannot_copy_itself_says_why_once(own: Server, module: str, reason: str) -> None:
    folder = own.folder / "modules"
    folder.mkdir()
    (folder / "psutil.py").write_text(module)
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    own.environment = {**ENVIRONMENT, "PYTHONPATH": path, "DAF_TEST": reason}
    assert own.start("pass") is None
    assert own.start("pass") is None
    (told,) = own.told
    assert told.startswith("Each job imports what it needs itself: ")
    assert reason.partition(" (")[0] in told


def test_the_environment_turns_it_off() -> None:
    assert forked_jobs.is_possible({"DAF_FORK_SERVER": "1"})
    assert not forked_jobs.is_possible({"DAF_FORK_SERVER": "0"})
