"""Files of the user's that Python finds in place of a module of the standard library or of an installed package."""

from __future__ import annotations

import site
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

from daf.system.failure_report import is_user_file


def shadowing_file(error: BaseException) -> str | None:
    """The user's file because of which the engine does not load; None if it fails by itself."""
    named = [name for link in _links(error) for name in _files_of(link) if _is_users(name)]
    return next(iter([*named, *_loaded_shadows()]), None)


def _links(error: BaseException) -> Iterator[BaseException]:
    """An error and what led to it, the first cause first."""
    links: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in links:
        links.append(link)
        link = link.__cause__ or link.__context__
    return reversed(links)


def _files_of(error: BaseException) -> Iterator[str]:
    if isinstance(error, SyntaxError) and error.filename:
        yield error.filename
    if isinstance(error, ImportError) and error.path:
        yield error.path
    yield from (frame.filename for frame in reversed(traceback.extract_tb(error.__traceback__)))


def _loaded_shadows() -> Iterator[str]:
    """Loaded modules that lie outside of the environment although the environment has modules of their names."""
    installed = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if "." in name or not isinstance(file, str) or not _is_users(file):
            continue
        if name in sys.stdlib_module_names or PathFinder.find_spec(name, installed):
            yield file


def _is_users(name: str) -> bool:
    return not name.startswith("<") and is_user_file(name) and not Path(name).is_relative_to(site.getusersitepackages())
