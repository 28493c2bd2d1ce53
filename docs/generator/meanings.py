"""What documentation needs of a class: its fields with types and meanings, and its docstring as Markdown.

A field's meaning is defined in one place, in the class: in its `Annotated` type, its pydantic description, or the
"Attributes:" section of the docstring.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeAliasType, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields):$")
_ITEM = re.compile(r"^ {4}(\*{0,2}\w[\w, .*]*): (.*)$")
_WORDS = {str: "text", int: "integer", float: "number", bool: "boolean", Path: "text", datetime: "text", Any: "any"}
_LISTS = (list, tuple, set, frozenset, Sequence, Iterable)


class Field(NamedTuple):
    """One field of a record: its name, its type in words, and its meaning."""

    name: str
    kind: str
    meaning: str


def fields_of(record: type, *, without: Iterable[str] = ()) -> list[Field]:
    """The fields of a dataclass, pydantic model or TypedDict, in order."""
    hints = get_type_hints(record, include_extras=True)
    if dataclasses.is_dataclass(record):
        hints = {field.name: hints[field.name] for field in dataclasses.fields(record)}
    meanings = meanings_of(record)
    return [Field(name, in_words(hint), meanings[name]) for name, hint in hints.items() if name not in set(without)]


def meanings_of(record: type) -> dict[str, str]:
    """The meaning of every field by its name; empty where the class gives none."""
    documented = _attributes(record)
    if issubclass(record, BaseModel):
        described = {name: field.description or "" for name, field in record.model_fields.items()}
    else:
        hints = get_type_hints(record, include_extras=True)
        described = {name: get_args(hint)[1] if get_origin(hint) is Annotated else "" for name, hint in hints.items()}
    return {name: documented.get(name) or meaning for name, meaning in described.items()}


def _attributes(record: type) -> dict[str, str]:
    """Name → text of the "Attributes:" section; `a, b: text` is about both."""
    meanings: dict[str, str] = {}
    for title, items in sections(inspect.getdoc(record) or ""):
        for names, text in items if title == "Attributes" else ():
            meanings |= dict.fromkeys(names.split(", "), text)
    return meanings


def in_words(hint: Any) -> str:
    """A type as a reader of a JSON file knows it: `integer`, `list of numbers`, `text or null`."""
    if get_origin(hint) is Annotated:
        return in_words(get_args(hint)[0])
    if isinstance(hint, TypeAliasType):
        return in_words(hint.__value__)
    if hint is NoneType:
        return "null"
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(f"`{value}`" for value in get_args(hint))
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(dict.fromkeys(in_words(part) for part in get_args(hint)))
    origin = get_origin(hint) or hint
    if origin in _LISTS:
        return _list_in_words([part for part in get_args(hint) if part is not ...])
    if origin in (dict, Mapping):
        return "mapping"
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return "one of " + ", ".join(f"`{member.value}`" for member in hint)
    return _WORDS.get(hint) or "mapping"


def _list_in_words(parts: list[Any]) -> str:
    inner = list(dict.fromkeys(in_words(part) for part in parts))
    if inner == ["any"] or not inner:
        return "list"
    plural = {"text": "texts", "integer": "integers", "number": "numbers", "mapping": "mappings"}
    return "list of " + " and ".join(plural.get(word, f"({word})" if " or " in word else word) for word in inner)


# ---- docstrings -------------------------------------------------------------------------------------------


def sections(text: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """The sections of a docstring: title, and its items as name and text. Text without a name has an empty one."""
    found: list[tuple[str, list[tuple[str, str]]]] = []
    for line in text.splitlines():
        if match := _SECTION.match(line):
            found.append((match[1], []))
        elif not found or not line.startswith("    "):
            continue
        elif match := _ITEM.match(line):
            found[-1][1].append((match[1], match[2]))
        elif found[-1][1]:
            name, before = found[-1][1][-1]
            found[-1][1][-1] = (name, f"{before} {line.strip()}")
        else:
            found[-1][1].append(("", line.strip()))
    return found


def prose(text: str) -> str:
    """The paragraphs of a docstring before its sections."""
    before: list[str] = []
    for line in text.splitlines():
        if _SECTION.match(line):
            break
        before.append(line)
    return "\n".join(before).strip()


def section_list(title: str, items: list[tuple[str, str]]) -> str:
    """A section as a list in Markdown; a section that is one text stays one."""
    if all(not name for name, _ in items):
        return f"**{title}:** " + " ".join(text for _, text in items)
    lines = [f"- {', '.join(f'`{part}`' for part in name.split(', '))}: {text}" for name, text in items]
    return f"**{title}**\n\n" + "\n".join(lines)
