"""Reading zip archives: bundles and packages. Sizes are checked before anything is read into memory."""

from __future__ import annotations

import hashlib
import re
import stat
import struct
import unicodedata
import zipfile
from contextlib import AbstractContextManager
from pathlib import Path

from daf.errors import BadInputError
from daf.system.compressed import require_plausible
from daf.system.readers import reading, require_file

_MOST_MEMBERS = 10_000
_LARGEST_DIRECTORY = 4_000_000  # bytes of the list of members: what the names of 10,000 members need, and more
_LARGEST_READ = 2_000_000_000
_CHUNK = 1 << 20
_MOST_FOLDERS, _LONGEST_PART = 64, 255  # in a member's path; bytes of each


class Archive:
    """An archive whose directory was read and is plausible.

    Raises:
        BadInputError: there is no such file, it is not a zip, it has too many members, members repeat, clash, are links
            or lie outside its folder, or it would unpack to far more than its size.
    """

    def __init__(self, path: str | Path, what: str = "a zip archive", hint: str = "") -> None:
        self.path, self._what = require_file(path, what), what
        self._hint = hint or "copy or download it again"
        with self._reading():
            directory_bytes = _directory_bytes(self.path)
        if directory_bytes > _LARGEST_DIRECTORY:
            raise self._implausible(f"at most {_MOST_MEMBERS:,} members", f"a list of {directory_bytes:,} bytes")
        with self._reading(), zipfile.ZipFile(self.path) as archive:
            members = archive.infolist()
        self.names = [member.filename for member in members]
        if len(members) > _MOST_MEMBERS:
            raise self._implausible(f"at most {_MOST_MEMBERS:,} members", f"{len(members):,}")
        self._check_names(members)
        unpacked = sum(member.file_size for member in members)
        require_plausible(unpacked, self.path.stat().st_size, str(self.path), self._hint)

    def _check_names(self, members: list[zipfile.ZipInfo]) -> None:
        if fault := fault_of_names(self.names):
            raise self._implausible(*fault)
        for member in members:
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                what = "a symbolic link" if kind == stat.S_IFLNK else "a device or pipe"
                raise self._implausible("files and folders only", f"'{member.filename}', {what}")

    def _implausible(self, expected: str, found: str) -> BadInputError:
        return BadInputError(expected, found, str(self.path), self._hint)

    def read(self, name: str, at_most: int = _LARGEST_READ) -> bytes:
        """The content of a member.

        Raises:
            BadInputError: there is no such member, it is larger than `at_most` bytes, or it is damaged, encrypted, or
                compressed in an unknown way.
        """
        if name not in self.names:
            raise BadInputError(f"{name} in {self._what}", "no such member", str(self.path), self._hint)
        with self._reading(), zipfile.ZipFile(self.path) as archive:
            size = archive.getinfo(name).file_size
            if size > at_most:
                raise self._implausible(f"{name} of at most {at_most:,} bytes", f"{size:,} bytes")
            return archive.read(name)

    def digests(self) -> dict[str, str]:
        """sha256 of every member; reads all of them, and so detects any damage."""
        digests = {}
        with self._reading(), zipfile.ZipFile(self.path) as archive:
            for name in sorted(self.names):
                sha256 = hashlib.sha256()
                with archive.open(name) as stream:
                    while part := stream.read(_CHUNK):
                        sha256.update(part)
                digests[name] = sha256.hexdigest()
        return digests

    def size(self, name: str) -> int:
        """Size of a member, unpacked."""
        with self._reading(), zipfile.ZipFile(self.path) as archive:
            return archive.getinfo(name).file_size

    def _reading(self) -> AbstractContextManager[None]:
        return reading(self._what, self.path, self._hint)


def _directory_bytes(path: Path) -> int:
    """Size of the list of members, as the end of the archive declares it: `zipfile` reads the list at once."""
    with open(path, "rb") as stream:
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - 66_000))
        tail = stream.read()
    sizes = [0]
    if (end := tail.rfind(b"PK\5\6")) >= 0 and len(tail) >= end + 16:
        sizes.append(struct.unpack_from("<I", tail, end + 12)[0] % 0xFFFFFFFF)
    # The list of an archive with 64-bit sizes is declared right before that end, nowhere else.
    record, locator = end - 76, end - 20
    if record >= 0 and tail[locator : locator + 4] == b"PK\6\7" and tail[record : record + 4] == b"PK\6\6":
        sizes.append(struct.unpack_from("<Q", tail, record + 40)[0])
    return max(sizes)


def fault_of_names(names: list[str]) -> tuple[str, str] | None:
    """What is expected of members' names, and what is found, unless every file system can hold them."""
    inside = "members inside the archive's folder, without duplicates"
    if unsafe := [name for name in names if not _is_plain(name)]:
        return inside, f"'{unsafe[0]}'"
    if len(set(names)) != len(names):
        return inside, "a member twice"
    if clash := _clash(names):
        return "names that stay apart on every file system", f"'{clash[0]}' and '{clash[1]}'"
    return None


def _is_plain(name: str) -> bool:
    """Whether a member's name is a path inside the archive's folder, written as every file system understands it."""
    parts = name.removesuffix("/").split("/")
    return (
        name.isprintable() and "\\" not in name and not re.match("[A-Za-z]:", name) and len(parts) <= _MOST_FOLDERS
        and all(part not in ("", ".", "..") and len(part.encode()) <= _LONGEST_PART for part in parts)
    )  # fmt: skip


def _clash(names: list[str]) -> tuple[str, str] | None:
    """Two members of which one would replace or block the other where names differ in more than case and accents."""
    seen: dict[str, str] = {}
    for name in names:
        key = unicodedata.normalize("NFC", name.removesuffix("/")).casefold()
        if key in seen:
            return seen[key], name
        seen[key] = name
    files = {key for key, name in seen.items() if not name.endswith("/")}
    for key, name in seen.items():
        folders = (key[:place] for place, letter in enumerate(key) if letter == "/")
        if blocked := next((folder for folder in folders if folder in files), None):
            return seen[blocked], name
    return None
