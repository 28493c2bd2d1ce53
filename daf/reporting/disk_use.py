"""What an output folder takes on disk, measured now and then: walking through thousands of files takes long."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from daf.errors import DafError
from daf.system.files import write_json
from daf.system.json_files import read_sealed

DISK = Path("logs") / "disk.json"  # in the output folder


@dataclass(frozen=True, kw_only=True)
class DiskUse:
    """A measurement.

    Attributes:
        measured: when, seconds since 1970.
        num_files: how many files there were.
        bytes_by_folder: their sizes, by the folder inside the output folder.
        checkpoint_bytes: of these, what `daf clean` may remove once training is finished.
        free_bytes: of the disk.
    """

    measured: float
    num_files: int
    bytes_by_folder: dict[str, int]
    checkpoint_bytes: int
    free_bytes: int

    @property
    def total(self) -> int:
        return sum(self.bytes_by_folder.values())

    @classmethod
    def measure(cls, out: Path) -> DiskUse:
        """Walk through the whole folder, and leave the answer in it."""
        sizes: dict[str, int] = {}
        count = checkpoints = 0
        for folder, _, names in os.walk(out):
            inside = Path(folder).relative_to(out).parts
            for name in names:
                try:
                    size = os.lstat(os.path.join(folder, name)).st_size
                except OSError:  # removed in between
                    continue
                count += 1
                top = inside[0] if inside else "."
                sizes[top] = sizes.get(top, 0) + size
                checkpoints += size if "state" in inside else 0
        measured = cls(
            measured=time.time(), num_files=count, bytes_by_folder=dict(sorted(sizes.items())),
            checkpoint_bytes=checkpoints, free_bytes=shutil.disk_usage(out).free,
        )  # fmt: skip
        write_json(out / DISK, asdict(measured))
        return measured

    @classmethod
    def last(cls, out: Path) -> DiskUse | None:
        """The last measurement; None if there is none."""
        try:
            return read_sealed(out / DISK, "the size of an output folder", lambda content: cls(**content))
        except DafError:
            return None
