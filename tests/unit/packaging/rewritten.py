"""Zips that no library writes: what attacks do to a package after it was made."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

MEMBER, END = b"PK\1\2", b"PK\5\6"


def _members(content: bytes) -> list[int]:
    """Where the entries of the list of members begin."""
    places, place = [], content.find(MEMBER)
    while place >= 0:
        places.append(place)
        place = content.find(MEMBER, place + 1)
    return places


def encrypted(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for place in _members(content):
        content[place + 8] |= 1
    path.write_bytes(content)


def damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.find(b"import os, sys")] ^= 1
    path.write_bytes(content)


def overlapping(path: Path) -> None:
    """The second member begins where the first does."""
    content = bytearray(path.read_bytes())
    first, second = _members(content)[:2]
    content[second + 42 : second + 46] = content[first + 42 : first + 46]
    path.write_bytes(content)


def key_twice(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["policy_spec.json"] = b'{"class_path": "mine.Mine", "class_path": "mine.Other"}'
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def hidden_list(path: Path) -> None:
    """100,000 more members; the comment after the end repeats, with a small size, what declares the list's size."""
    content = path.read_bytes()
    end = content.rfind(END)
    entry = MEMBER + struct.pack("<6H3I5H2I", 20, 20, 0, 0, 0, 33, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0)
    added = [entry + b"%07d" % number for number in range(100_000)]
    total, start = len(added) + len(_members(content)), content.find(MEMBER)
    size = end - start + sum(map(len, added))

    def record(members: int, listed: int) -> bytes:
        return b"PK\6\6" + struct.pack("<Q2H2I4Q", 44, 45, 45, 0, 0, members, members, listed, start)

    locator = b"PK\6\7" + struct.pack("<IQI", 0, start + size, 1)
    comment = record(1, 46)
    last = END + struct.pack("<4H2IH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, len(comment))
    path.write_bytes(content[:end] + b"".join(added) + record(total, size) + locator + last + comment)
