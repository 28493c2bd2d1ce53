"""A program, not a library: confine this process as far as the system allows, then run `isolated_run`.

`daf.packaging.sandbox` starts it as `python -I confine.py REQUEST CHANNEL`. Nothing of a package has run before this
process is confined. It imports neither DAF nor the engine.

Limits of the kernel on memory, CPU time, files and processes hold everywhere. On Linux, where user namespaces are
allowed, the package also gets: no network, none of this machine's processes to see or signal, a read-only file system
except for a folder in memory, and no capabilities; and when its first process ends, all others do. The first message on
the channel says what held.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import runpy
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import Any

_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 1 << 18
_SYS_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = 442, -100, 0x8000, 1
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 36, 38
_CAPABILITY_VERSION_3 = 0x20080522
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, _SECCOMP_ALLOW, _SECCOMP_ERRNO = 22, 2, 0x7FFF0000, 0x00050000
_BPF_LOAD, _BPF_EQUAL, _BPF_AT_LEAST, _BPF_RETURN = 0x20, 0x15, 0x35, 0x06
# By machine: its number, and those of the calls that no package gets. The memory of memfd_create, memfd_secret and
# shmget is counted nowhere while it is not mapped; unshare and setns lead to file systems in memory without a limit.
_SYSTEM_CALLS = {
    "x86_64": (0xC000003E, (319, 447, 29, 272, 308)),
    "aarch64": (0xC00000B7, (279, 447, 194, 97, 268)),
}


def limit(limits: dict[str, int]) -> list[str]:
    """Set the kernel's limits; returns those that it refused."""
    wanted = {
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": limits["cpu_seconds"],
        "RLIMIT_DATA": limits["memory_bytes"],
        "RLIMIT_FSIZE": limits["file_bytes"],
        "RLIMIT_NOFILE": limits["open_files"],
    }
    refused = []
    for name, value in wanted.items():
        try:
            kind = getattr(resource, name)
            _, hard = resource.getrlimit(kind)
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (value, value))
        except (AttributeError, OSError, ValueError):
            refused.append(name)
    return refused


def separate(home: Path, disk_bytes: int) -> str:
    """Enter new namespaces; returns why not, or an empty text."""
    if not hasattr(os, "unshare"):
        return "this system has no namespaces"
    uid, gid = os.getuid(), os.getgid()
    try:
        os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNS | os.CLONE_NEWPID | os.CLONE_NEWNET | os.CLONE_NEWIPC)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
        Path("/proc/sys/user/max_user_namespaces").write_text("0")  # inside, it could mount
        _mount("none", "/", "", _MS_REC | _MS_PRIVATE)
        try:
            _mount("tmpfs", str(home), "tmpfs", 0, f"size={disk_bytes},mode=0700")
        except OSError:
            _mount(str(home), str(home), "", _MS_BIND)
        _set_read_only("/", recursive=True)
        _set_read_only(str(home), recursive=False, undo=True)
    except OSError as error:
        return f"{error.strerror or error} while separating the process"
    return ""


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    _checked(_libc().mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode()))


def _set_read_only(path: str, *, recursive: bool, undo: bool = False) -> None:
    attributes = struct.pack("=QQQQ", 0 if undo else _MOUNT_ATTR_RDONLY, _MOUNT_ATTR_RDONLY if undo else 0, 0, 0)
    flags = _AT_RECURSIVE if recursive else 0
    libc, size = _libc(), ctypes.c_size_t(len(attributes))
    _checked(libc.syscall(_SYS_MOUNT_SETATTR, _AT_FDCWD, path.encode(), ctypes.c_uint(flags), attributes, size))


def give_up_rights() -> None:
    """No capabilities, and none to gain by running another program; end when the parent ends."""
    libc = _libc()
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    header, none = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), struct.pack("=6I", *[0] * 6)
    _checked(libc.capset(header, none))


def filter_calls() -> bool:
    """Let the calls of `_SYSTEM_CALLS` fail as if the kernel did not have them; returns whether that holds."""
    machine, denied = _SYSTEM_CALLS.get(os.uname().machine, (0, ()))
    program = [(_BPF_LOAD, 0, 0, 4), (_BPF_EQUAL, 1, 0, machine), (_BPF_RETURN, 0, 0, _SECCOMP_ERRNO | errno.ENOSYS)]
    program += [(_BPF_LOAD, 0, 0, 0), (_BPF_AT_LEAST, len(denied) + 1, 0, 1 << 30)]  # the x32 variants of x86_64
    program += [(_BPF_EQUAL, len(denied) - place, 0, number) for place, number in enumerate(denied)]
    program += [(_BPF_RETURN, 0, 0, _SECCOMP_ALLOW), (_BPF_RETURN, 0, 0, _SECCOMP_ERRNO | errno.ENOSYS)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    header = struct.pack("@HP", len(program), ctypes.addressof(code))
    return bool(denied) and _libc().prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0) == 0


def _last_of(child: int) -> int:
    """The exit code of this child, once the daemons that it left behind, now children of this process, have ended."""
    code = 1
    while True:
        try:
            ended, status = os.wait()
        except ChildProcessError:
            return code
        if ended == child:
            code = os.waitstatus_to_exitcode(status) & 0xFF


def main(request_path: str, channel: int) -> int:
    request: dict[str, Any] = json.loads(Path(request_path).read_text())
    home = Path(request["home"])
    refused = limit(request["limits"])
    reason = separate(home, request["limits"]["disk_bytes"]) if request["separate"] else "switched off"
    if sys.platform == "linux":
        _libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # a daemon of the package becomes our child
    child = os.fork()
    if child:
        os.close(channel)
        return _last_of(child)
    if not reason:
        processes = request["limits"]["processes"]
        resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))  # those of the new namespace; root is exempt
        try:
            _mount("proc", "/proc", "proc", 0)
        except OSError:
            pass  # a container may forbid it; the processes shown cannot be touched
    if sys.platform == "linux":
        give_up_rights()
        if not filter_calls():
            refused.append("seccomp")
    os.chdir(home)
    stream = socket.socket(fileno=channel)
    message = json.dumps({"separated": not reason, "reason": reason, "refused": refused}).encode()
    stream.sendall(struct.pack(">I", len(message)) + message)
    program = runpy.run_path(str(Path(__file__).with_name("isolated_run.py")), run_name="isolated_run")
    code: int = program["main"](request, stream)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
