"""Paths as people write them: `~` and variables are expanded, and what cannot be a path is refused."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo

from daf.errors import BadInputError
from daf.system.arguments import check_output_folder
from daf.system.validated import wrong_value

_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})", re.ASCII)
_LONGEST_NAME = 255  # of a file, in bytes, on every common file system
_LONGEST_PATH = 4095
LITERAL_NAMES = {"names": "literal"}
"""The context of a validation in which `NameOrPath` is what a table calls something, such as `$x$`."""


def user_path(path: str | Path, where: str = "path") -> Path:
    """A path with `~` and variables such as `$HOME` expanded.

    Raises:
        BadInputError: an undefined variable or user, or text that no file system takes; the error names `where`.
    """
    expanded, problem, hint = _expanded(str(path))
    if problem:
        raise BadInputError(problem, f"'{path}'", where, hint)
    return Path(expanded)


def output_folder(path: str | Path, where: str = "output_dir") -> Path:
    """The path of a folder to write into, which need not exist yet, expanded as by `user_path`.

    Raises:
        BadInputError: it is a file, or below one.
    """
    folder = user_path(path, where)
    check_output_folder(folder, where)
    return folder


def _expanded(text: str) -> tuple[str, str, str]:
    """The expanded text; if it cannot be expanded, what was expected instead, and a hint."""
    undefined = [name for match in _VARIABLE.finditer(text) if (name := match[1] or match[2]) not in os.environ]
    if undefined and not _is_there(text):
        return text, f"a path whose variables are set (${undefined[0]} is not)", "set it, or write the path out"
    expanded = _VARIABLE.sub(lambda match: os.environ.get(match[1] or match[2], match[0]), text)
    if expanded.startswith("~"):
        expanded = os.path.expanduser(expanded)
        if expanded.startswith("~"):
            user = expanded.partition("/")[0]
            return text, f"the home folder of a user ({user} is none)", f"a file of that name is written ./{user}"
    if not expanded or not expanded.isprintable():
        return text, "a path of printable characters", "is it quoted in the right place?"
    longest = max(len(os.fsencode(name)) for name in expanded.split("/"))
    if longest > _LONGEST_NAME or len(os.fsencode(expanded)) > _LONGEST_PATH:
        return text, f"a path whose parts have at most {_LONGEST_NAME} bytes", "is this a path?"
    return expanded, "", ""


def _is_there(text: str) -> bool:
    """Whether the parts of a path with undefined variables are names of files or folders, such as `runs/cost$x`."""
    parts = text.split("/")
    ends = [place for place, part in enumerate(parts, 1) if _VARIABLE.sub("", part) != part]
    return os.path.lexists("/".join(parts[: ends[-1]]))


def _validate(value: Any) -> Any:
    if not isinstance(value, str | Path):
        return value
    expanded, problem, hint = _expanded(str(value))
    if problem:
        raise wrong_value(problem, hint)
    return expanded


def _validate_if_path(value: Any, info: ValidationInfo) -> Any:
    """Names of missions, policies and sweeps stay as they are, and so does everything where `LITERAL_NAMES` says so."""
    if not isinstance(value, str) or info.context == LITERAL_NAMES:
        return value
    if value.startswith(("~", "$")) or ("/" in value and "://" not in value):
        return _validate(value)
    if len(value) > _LONGEST_NAME or not value.isprintable():
        raise wrong_value(f"a name of at most {_LONGEST_NAME} printable characters", "is it quoted in the right place?")
    return value


UserPath = Annotated[Path, BeforeValidator(_validate)]
NameOrPath = Annotated[str, BeforeValidator(_validate_if_path)]
