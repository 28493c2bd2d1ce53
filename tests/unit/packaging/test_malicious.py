"""Packages made to do harm are refused, and nothing of them runs in the process that validates."""

import os
import selectors
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from daf.packaging import sandbox, validation
from daf.packaging.inspection import inspect
from daf.packaging.isolated_run import faults_of_files, finite, tensors
from daf.packaging.sandbox import Guest, GuestError, Limits
from daf.system.pickles import called_by_pickle
from tests.stages import others_long
from tests.unit.packaging.attacks import ATTACKS, MISSION, Attack, make

is_alive = sandbox._is_alive  # a dead process whose parent has not looked yet does nothing
READ_ONLY = [name for name, attack in ATTACKS.items() if not attack.played]


@pytest.mark.parametrize("name", READ_ONLY)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_harmful_package_is_refused_by_reading_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daf.packaging.player.Guest", None)  # no process is started
    result = validation.validate_package(make(ATTACKS[name], tmp_path), MISSION)
    assert ATTACKS[name].problem in result.problems[0]


def test_a_harmless_package_of_the_same_kind_passes(tmp_path: Path) -> None:
    assert inspect(make(Attack(problem=""), tmp_path)).passed


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", others_long(["forged verdict", "forged episode", "too long message", "old pickle"], "forged verdict")
)
def test_a_package_cannot_write_its_verdict(name: str, tmp_path: Path) -> None:
    result = validation.validate_package(make(ATTACKS[name], tmp_path), MISSION, steps=4)
    assert ATTACKS[name].problem in "; ".join(result.problems)
    assert result.rewards == []
    assert "mine" not in sys.modules


@pytest.mark.long
def test_all_harmful_packages_are_refused_in_little_memory() -> None:
    command = [sys.executable, "-m", "tests.unit.packaging.attacks"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout


# ---- the sandbox, with small programs instead of packages --------------------------------------------------


def guest(tmp_path: Path, program: str, monkeypatch: pytest.MonkeyPatch, **limits: float) -> Guest:
    """A process that runs a program in place of confine.py; sys.argv[2] is its channel."""
    path = tmp_path / "program.py"
    path.write_text("import json, os, socket, struct, sys, time\nfd = int(sys.argv[2])\n" + program)
    monkeypatch.setattr("daf.packaging.sandbox.PROGRAM", path)
    folder = tmp_path / "guest"
    folder.mkdir()
    return Guest({}, folder, Limits(**limits))  # type: ignore[arg-type]


def children() -> set[psutil.Process]:
    """The processes that this one has started, and theirs."""
    return set(psutil.Process().children(recursive=True))


@pytest.mark.parametrize(("program", "limits", "problem"), [
    ("while True: time.sleep(1)", {"wall_seconds": 0.5}, "not finished after 0.5 s"),
    ("while True: os.write(1, b'x' * 65536)", {"output_bytes": 1_000_000}, "more than 1,000,000 bytes of printed text"),
    ("for _ in range(9): os.fork()\ntime.sleep(60)", {"processes": 5}, "more than 5 processes"),
    ("x = bytearray(300_000_000)\nfor i in range(0, len(x), 4096): x[i] = 1\ntime.sleep(60)",
     {"memory_bytes": 100_000_000}, "more than 100,000,000 bytes of memory"),
    ("os.write(fd, struct.pack('>I', 10**9))", {}, "a message of 1,000,000,000 bytes"),
    ("os.write(fd, struct.pack('>I', 4) + b'nope')", {}, "a damaged message"),
    ("os.write(fd, struct.pack('>I', 2) + b'[]')", {}, "not a JSON object"),
    ("os.write(1, b'last words'); os._exit(3)", {}, "ended with status 3: last words"),
])  # fmt: skip
def test_a_process_that_breaks_its_limits_is_ended(
    program: str, limits: dict[str, float], problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = children()  # of earlier tests
    with guest(tmp_path, program, monkeypatch, **limits) as process, pytest.raises(GuestError, match=problem):
        process.receive()
    assert not any(map(is_alive, children() - others))


def test_a_process_that_reads_nothing_does_not_hold_up_the_sender(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        guest(tmp_path, "time.sleep(60)", monkeypatch, wall_seconds=0.5) as process,
        pytest.raises(GuestError, match="not finished"),
    ):
        process.send(bytes(50_000_000))


@pytest.mark.parametrize("program", [
    "os.write(fd, (struct.pack('>I', 2) + b'{}') * 2)\ntime.sleep(60)",  # the second with the first
    "os.write(fd, struct.pack('>I', 2) + b'{}')\nos.read(0, 1)\nos.write(fd, b'\\0')\ntime.sleep(60)",
])  # fmt: skip
def test_answers_before_the_question_are_refused(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with guest(tmp_path, program, monkeypatch, wall_seconds=20) as process:
        assert process.receive() == {}
        while not process._has_sent() and not process._inbox:
            process._wait(selectors.EVENT_READ)
        with pytest.raises(GuestError, match="an answer before the question"):
            process.send(b"{}")


def test_secrets_of_the_environment_stay_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COGAMES_TOKEN", "s3cret")
    program = "text = json.dumps(dict(os.environ)).encode()\nos.write(fd, struct.pack('>I', len(text)) + text)"
    with guest(tmp_path, program, monkeypatch) as process:
        variables = process.receive()
    assert "COGAMES_TOKEN" not in variables
    assert variables["HOME"] == variables["TMPDIR"] == str(tmp_path / "guest" / "home")


PROBE = """
import ctypes, json, os, socket
def tried(action):
    try:
        action()
    except OSError as error:
        return type(error).__name__
    return "done"
def main(request, stream):
    home = request["home"]
    found = {
        "outside": tried(lambda: open(request["outside"], "w").write("x")),
        "home": tried(lambda: open(home + "/x", "w").write("x")),
        "network": tried(lambda: socket.create_connection(("127.0.0.1", 9), 1)),
        "parent": tried(lambda: os.kill(request["validator"], 0)),
        "remount": os.system("mount -o remount,rw / 2>/dev/null") != 0,
        "hidden memory": [tried(lambda: os.memfd_create("x")), ctypes.CDLL(None).shmget(0, 1 << 20, 0o1600)],
        "namespaces": [tried(lambda: os.unshare(os.CLONE_NEWUSER)), open("/proc/sys/user/max_user_namespaces").read()],
    }
    text = json.dumps(found).encode()
    stream.sendall(len(text).to_bytes(4, "big") + text)
    if os.fork() == 0:
        os.setsid()
        __import__("time").sleep(600)
    __import__("time").sleep(600)
"""


def folder_for_the_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a guest that runs the probe, confined as a package is."""
    programs, folder = tmp_path / "programs", tmp_path / "guest"
    programs.mkdir()
    (programs / "confine.py").write_bytes(sandbox.PROGRAM.read_bytes())
    (programs / "isolated_run.py").write_text(PROBE)
    monkeypatch.setattr(sandbox, "PROGRAM", programs / "confine.py")
    folder.mkdir()
    return folder


def test_the_confined_process_reaches_nothing_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_for_the_probe(tmp_path, monkeypatch)
    others = children()
    with Guest({"outside": str(tmp_path / "outside"), "validator": os.getpid()}, folder) as process:
        confinement = process.receive()
        if not confinement["separated"]:
            pytest.skip(f"no namespaces here: {confinement['reason']}")
        found = process.receive()
        family = children() - others
        assert len(family) >= 2
    assert found == {"outside": "OSError", "home": "done", "network": "OSError", "parent": "ProcessLookupError",
                     "remount": True, "hidden memory": ["OSError", -1], "namespaces": ["OSError", "0\n"]}  # fmt: skip
    assert not any(map(is_alive, family))
    assert list((folder / "home").iterdir()) == []


def test_without_namespaces_a_daemon_is_ended_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_for_the_probe(tmp_path, monkeypatch)
    request = {"outside": str(tmp_path / "outside"), "validator": os.getpid()}
    others = children()
    with Guest(request, folder, separate=False) as process:
        assert process.receive() == {"separated": False, "reason": "switched off", "refused": []}
        process.receive()
        family = children() - others
    assert not any(map(is_alive, family))


# ---- files --------------------------------------------------------------------------------------------------


def test_pickles_are_recognized_whatever_they_are_called() -> None:
    import pickle

    from tests.unit.packaging.attacks import Calls

    for protocol in range(6):
        assert called_by_pickle(pickle.dumps(Calls(), protocol)) == "posix.system"
        assert called_by_pickle(pickle.dumps(Calls(), protocol)[:-1]) == "posix.system"  # runs, though cut off
        assert called_by_pickle(pickle.dumps({"a": [1, 2.0, "x"]}, protocol)) == ""
    for text in (b"compass\nnorth\nwest\n", b"col1,col2\n1,2\n", b"# read me\n", b"", b"import os\nos.system('x')\n"):
        assert called_by_pickle(text) == ""


def test_numbers_are_finite_in_every_type_of_number() -> None:
    import torch

    nan, inf = float("nan"), float("inf")
    kinds = [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.float8_e4m3fn, torch.float8_e5m2]
    for kind in kinds:
        assert finite(torch.tensor([0.5, -2.0]).to(kind)), kind
        assert not finite(torch.tensor([0.5, nan]).to(kind)), kind
    assert not finite(torch.tensor([complex(0, nan)]))
    assert not finite(torch.tensor([complex(0, inf)]))
    assert finite(torch.tensor([1e300], dtype=torch.float64))
    assert finite(torch.tensor([1 << 62]))


def test_numbers_are_checked_in_every_kind_of_file(tmp_path: Path) -> None:
    import torch

    for name in ("a.pt", "b.bin"):
        torch.save({"m": {"x": torch.ones(2), "y": [torch.tensor([1.0, float("inf")])]}}, tmp_path / name)
        broken = [key for key, value in tensors(tmp_path / name) or [] if not finite(value)]
        assert broken == ["m.y[0]"]
    assert "a.pt has NaN or infinity in m.y[0]" in faults_of_files(tmp_path, called_by_pickle)
    (tmp_path / "source").mkdir()
    (tmp_path / "b.bin").rename(tmp_path / "source" / "w.py")
    assert faults_of_files(tmp_path / "source", called_by_pickle) == "w.py has NaN or infinity in m.y[0]"
    (tmp_path / "source" / "w.py").write_text("class Mine:\n    pass\n")
    assert faults_of_files(tmp_path / "source", called_by_pickle) == ""
    (tmp_path / "c.bin").write_bytes(b"plain data")
    assert tensors(tmp_path / "c.bin") is None
