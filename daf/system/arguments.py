"""Arguments of public functions, checked against their annotations before anything runs."""

from __future__ import annotations

import builtins
import inspect
import numbers
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache, wraps
from pathlib import Path
from types import GenericAlias, NoneType, UnionType
from typing import Any, Literal, TypeAliasType, Union, get_args, get_origin

from daf.errors import BadInputError, shorten

OUTPUT_FOLDER = "output_dir"  # the parameter of this name
_WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    type: "a class",
    NoneType: "None",
}


def checked_arguments[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """A function that raises BadInputError, with the parameter's name, for an argument of another type than annotated,
    and for an `output_dir` that cannot be a folder, which hours of work would find out last.

    Keywords that `**` collects are left to the function.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            parameter = signature.parameters[name]
            if parameter.kind is not parameter.VAR_KEYWORD:
                check_argument(value, _annotation(function, name), f"{function.__name__}: {name}")
                if name == OUTPUT_FOLDER and value is not None:
                    folder = Path(os.path.expanduser(os.path.expandvars(value)))
                    check_output_folder(folder, f"{function.__name__}: {name}")
        return function(*args, **kwargs)

    return checked


def check_output_folder(folder: Path, where: str) -> None:
    """Raise BadInputError if a folder to write into, which need not exist yet, is a file, or below one."""
    exists = next((part for part in (folder, *folder.parents) if part.exists()), None)
    if exists is not None and not exists.is_dir():
        found = f"the file '{exists}'{'' if exists == folder else ' above it'}"
        raise BadInputError("a folder, or a path for a new one", found, where, "name another folder")


def check_argument(value: Any, kind: Any, where: str) -> None:
    """Raise BadInputError unless the value is of this type, as `isinstance` and, for the members, deeper."""
    if _fits(value, kind):
        return
    hint = f"see help({where.partition(':')[0]})"
    if any(_is_list(option) and _fits([value], option) for option in _options(kind)):
        hint = "put it in brackets"
    elif isinstance(value, str) and any(option in (int, float) for option in _options(kind)):
        hint = "write the number without quotes"
    expected, place = _in_words(kind, where.rpartition(": ")[2].replace("_names", "s")), ""
    if (member := _member_that_does_not_fit(value, kind)) is not None:
        position, value, kind = member
        expected, place = f"{expected}, each {_in_words(kind, '')}", f" at position {position}"
    if isinstance(value, int | float) and str in _options(kind):
        hint = "put the text in quotes"
    raise BadInputError(expected, f"{shorten(repr(value), 80)} ({type(value).__name__}){place}", where, hint)


def _member_that_does_not_fit(value: Any, kind: Any) -> tuple[int, Any, Any] | None:
    """Of a list, the position from 1 and the value of the first wrong member, and what it should be."""
    lists = [option for option in _options(kind) if _is_list(option) and get_args(option)]
    if len(lists) != 1 or not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return None
    of_member = get_args(lists[0])[0]
    wrong = (number for number, item in enumerate(value, start=1) if not _fits(item, of_member))
    return next(((number, value[number - 1], of_member) for number in wrong), None)


@cache
def _annotation(function: Callable[..., Any], name: str) -> Any:
    """The annotation of a parameter as a type; for a name that is imported only for type checkers, a stand-in."""
    text = inspect.signature(function).parameters[name].annotation
    if not isinstance(text, str):
        return text
    return eval(text, {}, _Names(inspect.unwrap(function).__globals__))  # nosec B307  # DAF's own source, not input


class _Names(dict[str, Any]):
    """The names of a module; of unknown ones, a stand-in."""

    def __missing__(self, name: str) -> Any:
        return getattr(builtins, name, None) or _stand_in(name)


class _ByName(type):
    """A class that could not be imported yet: its instances are those of any class of this name."""

    def __instancecheck__(cls, value: Any) -> bool:
        return cls.__name__ in {base.__name__ for base in type(value).__mro__}

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _stand_in(name)


def _stand_in(name: str) -> type:
    return _ByName(name, (), {})


def _fits(value: Any, kind: Any) -> bool:
    options = _options(kind)
    return Any in options or any(_fits_one(value, option) for option in options)


def _options(kind: Any) -> list[Any]:
    """The members of a union, through aliases."""
    if isinstance(kind, TypeAliasType):
        try:
            return _options(kind.__value__)
        except NameError:  # it names a class that is imported for type checkers only
            return [Any]
    if get_origin(kind) in (Union, UnionType):
        return [option for member in get_args(kind) for option in _options(member)]
    return [NoneType if kind is None else kind]


def _fits_one(value: Any, kind: Any) -> bool:
    origin, members = get_origin(kind) or kind, get_args(kind)
    if origin is Literal:
        return value in members if isinstance(value, str | int) else False
    if origin is bool:
        return type(value).__name__ in ("bool", "bool_") or (isinstance(value, int) and value in (0, 1))
    if origin in (int, float):
        number = numbers.Integral if origin is int else numbers.Real
        return isinstance(value, number) and not isinstance(value, bool)
    if origin is Path:
        return isinstance(value, os.PathLike)
    if not isinstance(origin, type):
        return callable(value) if origin is Callable else True
    if _is_list(kind):
        return _fits_list(value, members)
    if issubclass(origin, Mapping) and isinstance(value, Mapping):
        return not members or all(_fits(key, members[0]) and _fits(item, members[1]) for key, item in value.items())
    return isinstance(value, origin)


def _is_list(kind: Any) -> bool:
    origin = get_origin(kind) or kind
    is_collection = isinstance(origin, type) and origin.__module__ in ("collections.abc", "builtins")
    return is_collection and issubclass(origin, Iterable) and not issubclass(origin, Mapping | str | bytes)


def _fits_list(value: Any, members: tuple[Any, ...]) -> bool:
    """Whether it can be read as a list; members of an iterator cannot be looked at without using it up."""
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | type | Mapping):
        return False
    if getattr(value, "ndim", 1) == 0:  # arrays and tensors without a dimension cannot be iterated over
        return False
    return not members or not isinstance(value, Collection) or all(_fits(item, members[0]) for item in value)


def _in_words(kind: Any, name: str) -> str:
    options = [option for option in _options(kind) if option is not NoneType]
    words = list(dict.fromkeys(_in_word(option, name) for option in options or [NoneType]))
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _in_word(kind: Any, name: str) -> str:
    members = get_args(kind)
    if get_origin(kind) is Literal:
        return " or ".join(f"'{member}'" for member in members)
    if _is_list(kind):
        return f"a list of {name}" if name.endswith("s") else "a list"
    origin = get_origin(kind) or kind
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "a mapping"
    if isinstance(kind, GenericAlias) or origin is Callable:
        return "a function"
    return _WORDS.get(kind, f"a {getattr(kind, '__name__', 'value')}")
