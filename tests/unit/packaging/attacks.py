"""Packages that someone made to do harm, and what a validation says of them.

`python -m tests.unit.packaging.attacks` validates all of them in one process and prints its memory.
"""

from __future__ import annotations

import json
import os
import pickle
import struct
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from daf.packaging.manifest import Manifest, manifest_path_of
from daf.system.files import file_sha256, write_json
from tests.unit.packaging.rewritten import damaged, encrypted, hidden_list, key_twice, overlapping

MISSION = "tutorial.miner"
MOST_MEGABYTES = 500
POLICY = """
import os, sys
from mettagrid.policy.policy import AgentPolicy, MultiAgentPolicy
from mettagrid.simulator import Action

class Walker(AgentPolicy):
    def step(self, obs):
        {step}
        return Action(name="move_east")

class Mine(MultiAgentPolicy):
    def __init__(self, info, device="cpu"):
        super().__init__(info)
        {init}
    def agent_policy(self, agent_id):
        return Walker(self.policy_env_info)
    def load_policy_data(self, path):
        pass
"""


@dataclass(frozen=True, kw_only=True)
class Attack:
    """A package, by what it holds, and a part of the problem that validation must report.

    Attributes:
        played: whether it takes the package's own process to refuse it; otherwise reading it is enough.
        timeout_seconds: how long it may run; far more than a slow machine takes, unless this limit is the problem.
    """

    problem: str
    code: str = POLICY.format(step="pass", init="pass")
    members: dict[str, bytes] | None = None
    spec: dict[str, Any] | None = None
    manifest: dict[str, Any] | None = None
    zipped: Callable[[zipfile.ZipFile], None] | None = None
    rewritten: Callable[[Path], None] | None = None
    played: bool = False
    timeout_seconds: float = 90


def step(line: str, problem: str) -> Attack:
    return Attack(problem=problem, code=POLICY.format(step=line, init="pass"), played=True)


def top(lines: str, problem: str) -> Attack:
    return Attack(problem=problem, code=lines + POLICY.format(step="pass", init="pass"), played=True)


def link(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("weights")
    info.external_attr = 0o120777 << 16
    archive.writestr(info, "/etc/passwd")


def bomb(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("zeros")
    info.compress_type = zipfile.ZIP_DEFLATED
    with archive.open(info, "w") as stream:
        for _ in range(101):
            stream.write(bytes(1_000_000))


def crowd(archive: zipfile.ZipFile) -> None:
    for number in range(10_001):
        archive.writestr(f"member-{number}", b"")


def pipe(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("pipe")
    info.external_attr = 0o010644 << 16
    archive.writestr(info, b"")


def twice(archive: zipfile.ZipFile) -> None:
    archive.writestr("mine.py", b"x = 1")


def weights(*, buffer: float) -> bytes:
    """A safetensors file with two tensors, written without torch."""
    header = json.dumps({
        "layer.weight": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]},
        "running.mean": {"dtype": "F32", "shape": [2], "data_offsets": [12, 20]},
    }).encode()  # fmt: skip
    return struct.pack("<Q", len(header)) + header + struct.pack("<5f", 0, 0, 0, 0, buffer)


class Calls:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("true",)


FORGE = """
import glob, json, os, socket, struct
text = json.dumps({"ok": True, "steps": 32, "rewards": [9.0] * 4, "together": True, "minimum_action_timeout_ms": 0})
for fd in range(3, 64):
    try:
        os.write(fd, struct.pack(">I", len(text)) + text.encode())
    except OSError:
        pass
for name in ("result.json", "../result.json", "../../result.json"):
    try:
        open(name, "w").write(text)
    except OSError:
        pass
os._exit(0)
"""
TOUCH = "open({path!r}, 'w').write('was here')\n"
EPISODE = """
import json, os, struct, sys, time
for answer in [{"together": False, "minimum_action_timeout_ms": 0}] + 64 * [{"actions": [["noop", None, None]]}]:
    text = json.dumps(answer).encode()
    os.write(int(sys.argv[2]), struct.pack(">I", len(text)) + text)
time.sleep(60)
"""
TOO_MUCH = "import torch; held = torch.ones(1 << 31)\n"  # 8 GB
DAEMON = """
import os, time
for _ in range(200):
    if os.fork() == 0:
        os.setsid()
        time.sleep(1000)
"""
CONNECT = "import socket; socket.create_connection(('127.0.0.1', {port}), 2)\n"

ATTACKS: dict[str, Attack] = {
    "member outside": Attack(problem="'../escaped'", members={"../escaped": b"x"}),
    "absolute member": Attack(problem="'/tmp/escaped'", members={"/tmp/escaped": b"x"}),
    "backslashes": Attack(problem=r"'a\..\..\escaped'", members={"a\\..\\..\\escaped": b"x"}),
    "member twice": Attack(problem="a member twice", zipped=twice),
    "symbolic link": Attack(problem="a symbolic link", zipped=link),
    "zip bomb": Attack(problem="bytes in a file of", zipped=bomb),
    "too many members": Attack(problem="10,000 members", zipped=crowd),
    "hidden list of members": Attack(problem="a list of", rewritten=hidden_list),
    "upper and lower case": Attack(problem="'mine.py' and 'Mine.py'", members={"Mine.py": b"x"}),
    "composed and decomposed": Attack(
        problem="names that stay apart", members={"caf\u00e9": b"x", "cafe\u0301": b"y"}
    ),
    "file and folder": Attack(problem="'x' and 'x/y'", members={"x": b"1", "x/y": b"2"}),
    "commands to the terminal": Attack(problem=r"'a\x1b[2Jb'", members={"a\x1b[2Jb": b"x"}),
    "roundabout path": Attack(problem="'./mine.py'", members={"./mine.py": b"x"}),
    "drive": Attack(problem="'C:/x'", members={"C:/x": b"x"}),
    "endless path": Attack(problem="a/a/a/", members={"a/" * 5000 + "x": b"x"}),
    "pipe": Attack(problem="'pipe', a device or pipe", zipped=pipe),
    "encrypted": Attack(problem="is encrypted", rewritten=encrypted),
    "wrong checksum": Attack(problem="Bad CRC-32", rewritten=damaged),
    "overlapping members": Attack(problem="damaged file", rewritten=overlapping),
    "key twice": Attack(problem="'class_path' twice", rewritten=key_twice),
    "huge manifest": Attack(problem="50,000", manifest={"policy": "x" * 50_000_000}),
    "folder as weights": Attack(problem="'w/'", members={"w/": b""}, spec={"data_path": "w/"}),
    "name as path": Attack(problem="manifest", manifest={"name": "../escaped"}),
    "version as path": Attack(problem="manifest", manifest={"version": "../../1.0.0"}),
    "no files in the manifest": Attack(problem="mine.py was added", manifest={"files": {}}),
    "another class": Attack(problem="another class_path", manifest={"class_path": "mine.Other"}),
    "another engine": Attack(problem="another engine in metadata.json", manifest={"engine": {"mettagrid": "0.0.1"}}),
    "absolute weights": Attack(problem="'/etc/passwd'", spec={"data_path": "/etc/passwd"}),
    "weights outside": Attack(problem="'../w.pt'", spec={"data_path": "../w.pt"}),
    "set-up script": Attack(problem="a script to run first", spec={"setup_script": "mine.py"}),
    "NaN in a buffer": Attack(
        problem="NaN or infinity in running.mean",
        members={"w.safetensors": weights(buffer=float("nan"))}, spec={"data_path": "w.safetensors"}, played=True,
    ),
    "old pickle": Attack(
        problem="w.bin is a pickle that calls posix.system",
        members={"w.bin": pickle.dumps(Calls(), 0)}, spec={"data_path": "w.bin"}, played=True,
    ),
    "new pickle": Attack(
        problem="w.bin cannot be read as tensors",
        members={"w.bin": pickle.dumps(Calls(), 4)}, spec={"data_path": "w.bin"}, played=True,
    ),
    "forged verdict": top(FORGE, "the process ended with status 0"),
    "forged episode": top(EPISODE, "an answer before the question"),
    "forged actions": step("os.write(int(sys.argv[2]), bytes(4096))", "a damaged message"),
    "too long message": step("os.write(int(sys.argv[2]), b'\\xff' * 64)", "a message of"),
    "memory": top(TOO_MUCH, "memory"),
    "printed text": top("while True: print('x' * 65536)\n", "bytes of printed text"),
    "processes": top(DAEMON, "more than"),
    "never ends": Attack(
        problem="not finished after", code=POLICY.format(step="while True: pass", init="pass"), played=True,
        timeout_seconds=20,
    ),
    "ends the parent": step("os.kill(os.getppid(), 9)", "play"),
    "writes elsewhere": top(TOUCH.format(path=str(Path(__file__).with_name("was_here"))), "Read-only file system"),
    "network": top(CONNECT.format(port=9), "OSError"),
    "illegal action": step("return Action(name='win')", "illegal action 'win'"),
    "not an action": step("return [1, 2]", "AttributeError"),
}  # fmt: skip


def make(attack: Attack, folder: Path) -> Path:
    """The package and its manifest, which fits unless the attack says otherwise."""
    spec = {"class_path": "mine.Mine", "data_path": None, "init_kwargs": {}, "setup_script": None} | (attack.spec or {})
    engine = {"mettagrid": "0.25.5"}
    members = {"mine.py": attack.code.encode(), "policy_spec.json": json.dumps(spec).encode(),
               "metadata.json": json.dumps({"name": "mine", "engine": engine}).encode()}  # fmt: skip
    path = folder / "mine-0.1.0.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | (attack.members or {})).items():
            archive.writestr(name, content)
        if attack.zipped:
            attack.zipped(archive)
    manifest = plain_manifest(path, "mine", "0.1.0", class_path=spec["class_path"], engine=engine)
    if attack.rewritten:
        attack.rewritten(path)
    write_json(manifest_path_of(path), manifest | (attack.manifest or {}))
    return path


def plain_manifest(path: Path, name: str, version: str, **facts: Any) -> dict[str, Any]:
    """What a manifest of this zip would say."""
    import hashlib

    with zipfile.ZipFile(path) as archive:
        files = {member: hashlib.sha256(archive.read(member)).hexdigest() for member in archive.namelist()}
    return Manifest.model_construct(
        name=name, version=version, sha256=file_sha256(path), size_bytes=path.stat().st_size, files=files,
        policy="x", init_kwargs={}, recipe_digest="0", mission=None, observation_shape=None, action_names=None,
        provenance={}, created="2026-01-01T00:00:00+00:00", **facts,
    ).model_dump()  # fmt: skip


def largest_memory_megabytes() -> float:
    """Of this program; `ru_maxrss` would count what started it, too."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def main() -> int:
    from daf.packaging import validation
    from daf.packaging.sandbox import Limits

    validation.DEFAULT_LIMITS = Limits(memory_bytes=3 * 1024**3, output_bytes=4 * 1024**2)
    accepted = []
    for name, attack in ATTACKS.items():
        with tempfile.TemporaryDirectory() as folder:
            package = make(attack, Path(folder))
            result = validation.validate_package(package, MISSION, steps=4, timeout_s=attack.timeout_seconds)
        problem = "; ".join(result.problems)
        print(f"{name:26} {'VALID' if result.is_valid else problem[:110]}", flush=True)
        if attack.problem not in problem or "mine" in sys.modules:
            accepted.append(name)
    memory = largest_memory_megabytes()
    print(f"{len(ATTACKS)} packages, {len(accepted)} not refused as they should be: {accepted}")
    print(f"largest memory of this process: {memory:.0f} MB")
    left = [child for child in psutil.Process().children(recursive=True) if child.status() != psutil.STATUS_ZOMBIE]
    print(f"processes left: {len(left)}")
    return 1 if accepted or left or memory > MOST_MEGABYTES else 0


if __name__ == "__main__":
    sys.exit(main())
