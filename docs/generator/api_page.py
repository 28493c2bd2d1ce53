"""The text of docs/api.md: every public name of every page, from signatures and docstrings."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, TypeAliasType, get_origin

from pydantic import BaseModel

from docs.generator.meanings import prose, section_list, sections

PAGES = (
    "config", "environment_checks", "policies", "sweeps", "distributed_training", "mission_analysis", "comparison",
    "tournaments", "visualization", "deployment", "orchestrators", "logging_config", "output_manager", "errors",
)  # fmt: skip
LINE = 100
HEAD = """# Python API

Generated from the docstrings by `make docs`: do not edit by hand. [config/README.md](../config/README.md) explains
the keys of the configuration models, [outputs.md](outputs.md) the files that functions write. Everything else in
`daf/` may change without notice."""
MAP_LINE = re.compile(r"^[\w/]+ {2,}\S")  # of a package's modules, for people who change DAF


def api_text() -> str:
    """The whole page."""
    modules = {page: importlib.import_module(f"daf.{page}") for page in PAGES}
    contents = "\n".join(f"- [`daf.{page}`](#daf{page}): {_first_line(module)}" for page, module in modules.items())
    parts = [HEAD, contents]
    for page, module in modules.items():
        parts += [f"## daf.{page}", _without_map(inspect.getdoc(module) or "")]
        for name in _in_source_order(module):
            parts += _entry(page, name, getattr(module, name))
    return "\n\n".join(part for part in parts if part) + "\n"


def _first_line(module: ModuleType) -> str:
    first = (inspect.getdoc(module) or "").partition("\n\n")[0].replace("\n", " ").rstrip(".")
    return first[0].lower() + first[1:] if first[1].islower() else first


def _without_map(text: str) -> str:
    """A module's docstring without the list of modules that every package has."""
    kept = [part for part in text.split("\n\n") if not all(MAP_LINE.match(line) for line in part.splitlines())]
    return "\n\n".join(_as_code(part) for part in kept)


def _as_code(paragraph: str) -> str:
    lines = paragraph.splitlines()
    if all(line.startswith("    ") for line in lines):
        return "```python\n" + "\n".join(line[4:] for line in lines) + "\n```"
    return paragraph


def _in_source_order(module: ModuleType) -> list[str]:
    """Functions and classes first, constants last; each in the order of `__all__`, functions of the page before what
    they return."""

    def group(name: str) -> int:
        value = getattr(module, name)
        if inspect.isfunction(value):
            return 0
        return 1 if inspect.isclass(value) else 2

    return sorted(module.__all__, key=group)


# ---- one name ---------------------------------------------------------------------------------------------


def _entry(page: str, name: str, value: Any) -> list[str]:
    if inspect.isclass(value):
        return [f"### `{name}`", *_class_entry(value, with_fields=page != "config")]
    if inspect.isfunction(value):
        return [f"### `{name}`", _code(_signature(name, value)), _documentation(value)]
    return [f"### `{name}`", _constant(value)]


def _code(text: str) -> str:
    return f"```python\n{text}\n```"


def _constant(value: Any) -> str:
    """A constant or the alias of a type, as text: `ruff format` would rewrite it in a block of Python."""
    if isinstance(value, TypeAliasType):
        return f"A type: `{_plain(str(value.__value__))}`"
    if get_origin(value) is not None:
        return f"A type: `{_plain(str(value))}`"
    if isinstance(value, Mapping):
        return "\n".join(f"- `{key}`: {_items(item)}" for key, item in value.items())
    return f"A constant: `{value!r}`"


def _items(value: Any) -> str:
    return value if isinstance(value, str) else ", ".join(f"`{item}`" for item in value)


def _documentation(value: Any) -> str:
    text = inspect.getdoc(value) or ""
    return "\n\n".join(part for part in (prose(text), *(section_list(*part) for part in sections(text))) if part)


def _class_entry(value: type, *, with_fields: bool) -> list[str]:
    """A class: its docstring, its fields, its methods."""
    text = inspect.getdoc(value) or ""
    parts = [prose(text)]
    if issubclass(value, Exception) or not (dataclasses.is_dataclass(value) or issubclass(value, BaseModel)):
        if "__init__" in vars(value) and not issubclass(value, Exception):
            parts.append(_code(_signature(value.__name__, value)))
        parts += [section_list(*section) for section in sections(text)]
    else:
        parts += [_fields(value, text)] if with_fields else []
        parts += [section_list(*section) for section in sections(text) if section[0] != "Attributes"]
    methods = [_member(key, member) for key, member in vars(value).items() if not key.startswith(("_", "model_"))]
    lines = [line for line in methods if line]
    return [*parts, "**Properties and methods**\n\n" + "\n".join(lines)] if lines else parts


def _fields(value: Any, text: str) -> str:
    """The fields with their types as the source writes them, and the meanings of the section "Attributes:"."""
    meanings = {
        name: meaning
        for title, items in sections(text)
        if title == "Attributes"
        for names, meaning in items
        for name in names.split(", ")
    }
    names = list(value.model_fields) if issubclass(value, BaseModel) else [f.name for f in dataclasses.fields(value)]
    lines = []
    for name in names:
        annotation = next(a[name] for base in value.__mro__ if name in (a := inspect.get_annotations(base)))
        meaning = f": {meanings[name]}" if name in meanings else ""
        lines.append(f"- `{name}: {_plain(str(annotation))}`{meaning}")
    return "**Fields**\n\n" + "\n".join(lines) if lines else ""


def _member(name: str, member: Any) -> str:
    """A line for a method or property."""
    if isinstance(member, property) or type(member).__name__ == "cached_property":
        return _line(name, member)
    function = getattr(member, "__func__", member)
    if not inspect.isfunction(function):
        return ""
    return _line(f"{name}{_parameters(function)}", function)


def _line(shown: str, documented: Any) -> str:
    first = prose(inspect.getdoc(documented) or "").partition("\n\n")[0].replace("\n", " ")
    return f"- `{shown}`" + (f": {first}" if first else "")


def _parameters(function: Callable[..., Any]) -> str:
    signature = inspect.signature(function)
    kept = [_parameter(p) for p in signature.parameters.values() if p.name not in ("self", "cls")]
    return f"({', '.join(kept)})"


def _parameter(parameter: inspect.Parameter) -> str:
    default = "" if parameter.default is parameter.empty else f"={_default(parameter.default)}"
    return f"{_stars(parameter)}{parameter.name}{default}"


def _stars(parameter: inspect.Parameter) -> str:
    kinds = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return next((stars for kind, stars in kinds.items() if parameter.kind is kind), "")


def _default(value: Any) -> str:
    if inspect.isroutine(value):
        return f"{value.__module__}.{value.__name__}"
    return repr(value)


def _signature(name: str, function: Callable[..., Any]) -> str:
    """The signature, one parameter per line if it does not fit on one."""
    signature = inspect.signature(function)
    returns = "" if signature.return_annotation is signature.empty else f" -> {signature.return_annotation}"
    lines: list[str] = []
    marked = False
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not marked:
            lines, marked = [*lines, "*"], True
        lines.append(_annotated_parameter(parameter))
        marked = marked or parameter.kind is parameter.VAR_POSITIONAL
    returns = "" if inspect.isclass(function) else returns
    short = _plain(f"{name}({', '.join(lines)}){returns}")
    if len(short) <= LINE:
        return short
    return _plain(f"{name}(\n" + "".join(f"    {line},\n" for line in lines) + f"){returns}")


def _annotated_parameter(parameter: inspect.Parameter) -> str:
    annotation = "" if parameter.annotation is parameter.empty else f": {_type(parameter.annotation)}"
    default = "" if parameter.default is parameter.empty else f" = {_default(parameter.default)}"
    return f"{_stars(parameter)}{parameter.name}{annotation}{default}"


def _type(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def _plain(text: str) -> str:
    """Names without the modules they come from."""
    return re.sub(r"\b(?:\w+\.)+(?=[A-Z])", "", text)
