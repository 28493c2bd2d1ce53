"""The token of a server: from an environment variable, or from a file that only its owner can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from daf.errors import BadInputError, DeploymentError
from daf.system.readers import read_text


def read_token(variable: str, endpoint: str) -> str:
    """The token in a variable such as COGAMES_TOKEN, or in the file that COGAMES_TOKEN_FILE names.

    Raises:
        DeploymentError: there is none, its file is open to others, or it cannot be a token. No message shows it.
    """
    file_variable = f"{variable}_FILE"
    token = os.environ.get(variable, "")
    where = variable
    if not token.strip() and os.environ.get(file_variable):
        path = Path(os.environ[file_variable])
        where = str(path)
        token = _from_file(path)
    token = token.strip()
    if not token:
        hint = (
            f"log in with `cogames login` elsewhere and export the token, or write it to a file and set {file_variable}"
        )
        raise DeploymentError(f"a token in {variable}", "no such variable", endpoint, hint)
    if not (token.isascii() and token.isprintable()) or " " in token:
        hint = "copy it again: one line, without spaces"
        raise DeploymentError("a token of printable ASCII characters", "other characters in it", where, hint)
    return token


def _from_file(path: Path) -> str:
    try:
        status = path.stat()
        if status.st_mode & 0o077 or status.st_uid != os.getuid():
            found = f"mode {stat.S_IMODE(status.st_mode):o}, owner {status.st_uid}"
            raise DeploymentError("a file that only you can read (mode 600)", found, str(path), f"chmod 600 {path}")
        return read_text(path, "a file with a token")
    except (OSError, BadInputError):
        found = "a file that cannot be read as text"
    raise DeploymentError("a file with a token", found, str(path), "write the token into it, and nothing else")
