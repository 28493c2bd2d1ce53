"""Reading zip archives: bundles and packages."""

from __future__ import annotations

import hashlib
import zipfile
from contextlib import AbstractContextManager
from pathlib import Path

from daf.errors import BadInputError
from daf.system.compressed import require_plausible
from daf.system.readers import reading, require_file


class Archive:
    """An archive whose directory was read and is plausible.

    Raises:
        BadInputError: there is no such file, it is not a zip, members repeat or lie outside its folder, or it would
            unpack to far more than its size.
    """

    def __init__(self, path: str | Path, what: str = "a zip archive", hint: str = "") -> None:
        self.path, self._what = require_file(path, what), what
        self._hint = hint or "copy or download it again"
        with self._reading(), zipfile.ZipFile(self.path) as archive:
            members = archive.infolist()
        self.names = [member.filename for member in members]
        unsafe = [name for name in self.names if name.startswith(("/", "\\")) or ".." in Path(name).parts]
        if unsafe or len(set(self.names)) != len(self.names):
            found = f"'{unsafe[0]}'" if unsafe else "a member twice"
            expected = "members inside the archive's folder, without duplicates"
            raise BadInputError(expected, found, str(self.path), self._hint)
        unpacked = sum(member.file_size for member in members)
        require_plausible(unpacked, self.path.stat().st_size, str(self.path), self._hint)

    def read(self, name: str) -> bytes:
        """The content of a member.

        Raises:
            BadInputError: there is no such member, or it is damaged, encrypted, or compressed in an unknown way.
        """
        if name not in self.names:
            raise BadInputError(f"{name} in {self._what}", "no such member", str(self.path), self._hint)
        with self._reading(), zipfile.ZipFile(self.path) as archive:
            return archive.read(name)

    def digests(self) -> dict[str, str]:
        """sha256 of every member; reads all of them, and so detects any damage."""
        return {name: hashlib.sha256(self.read(name)).hexdigest() for name in sorted(self.names)}

    def _reading(self) -> AbstractContextManager[None]:
        return reading(self._what, self.path, self._hint)
