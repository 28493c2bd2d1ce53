"""Values checked against a type, and what is wrong with each of them, in four parts."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Hashable
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic_core import PydanticCustomError

from daf.errors import BadInputError, ConfigError, did_you_mean, shorten
from daf.system.json_files import read_own_json
from daf.system.readers import FROM_A_RUN

MOST_PROBLEMS = 50  # in one message
WRONG_VALUE = "wrong_value"
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
LONGEST_NAME = 128
VERSION_PATTERN = (  # PEP 440 without leading zeros: no two of them are the same version
    r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)((a|b|rc)(0|[1-9][0-9]*))?(\.dev(0|[1-9][0-9]*))?$"
)
VERSION_HINT = "write three numbers without leading zeros, as in 1.0.0, or a pre-release, as in 1.0.0rc1"
NAME_HINT = "use letters, digits, _, . and - only, starting with a letter or digit: it becomes part of a path"


def wrong_value(expected: str, hint: str = "", *, at: str = "", found: str = "") -> PydanticCustomError:
    """What a validator raises, with the parts that only it knows.

    Args:
        at: the key, below the field or model that is validated.
        found: default: the whole value of the field or model.
    """
    return PydanticCustomError(
        WRONG_VALUE, "{expected}", {"expected": expected, "hint": hint, "at": at, "found": found}
    )


def is_name(text: str) -> bool:
    """Whether a text is a name that can become part of a path."""
    return re.fullmatch(NAME_PATTERN.strip("^$"), text) is not None and len(text) <= LONGEST_NAME


def require_name(name: str, where: str) -> str:
    """Return a name that becomes part of a path; raise BadInputError if it cannot."""
    if not re.fullmatch(NAME_PATTERN.strip("^$"), name):
        raise BadInputError("a name of letters, digits, '.', '_' and '-'", f"'{name}'", where, NAME_HINT)
    if len(name) > LONGEST_NAME:
        raise BadInputError(f"a name of at most {LONGEST_NAME} characters", f"{len(name)}", where, "shorten it")
    return name


def validated[T](kind: type[T], data: Any, where: str, hint: str = "") -> T:
    """The data as a value of this type: a model, a dataclass, a TypedDict, a list of them.

    Args:
        where: the file or other source of the data.
        hint: what to do about a problem that has no hint.

    Raises:
        ConfigError: one problem per wrong value, each with its key.
    """
    try:
        value: T = _adapter(kind).validate_python(data)
    except ValidationError as error:
        model = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
        raise ConfigError(problems_of(model, error, where, hint)) from None
    return value


def read_record[T](path: str | Path, kind: type[T], what: str = "a JSON file", hint: str = FROM_A_RUN) -> T:
    """The content of a JSON file that DAF wrote, as a value of this type.

    Raises:
        BadInputError: the file is missing or damaged; ConfigError: a value is missing or of another type.
    """
    return validated(kind, read_own_json(path, what, hint), str(path), hint)


def _adapter(kind: Any) -> TypeAdapter[Any]:
    return _cached_adapter(kind)


@cache
def _cached_adapter(kind: Hashable) -> TypeAdapter[Any]:
    of: Any = kind
    return TypeAdapter(of)


_EXPECTED = {
    "int_type": "an integer",
    "int_parsing": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "path_type": "a path",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "too_short": "at least {min_length} entries",
    "literal_error": "{expected}",
    "string_pattern_mismatch": "text that matches {pattern}",
}

_TAGS = ("float", "int", "categorical", "as text", "as value")  # union tags, which pydantic inserts between the keys


def problems_of(
    model: type[BaseModel] | None, error: ValidationError, source: str, default_hint: str = "", *, below: str = ""
) -> list[BadInputError]:
    """Translate pydantic's report into one problem, with its four parts, per wrong value.

    Args:
        below: the key of the model in the source; empty if it is all of it.
    """
    problems = []
    found_errors = error.errors(include_url=False)
    for item in found_errors[:MOST_PROBLEMS]:
        kind, context, value = item["type"], item.get("ctx", {}), item["input"]
        places = [*item["loc"], *filter(None, [context.get("at")])]
        location = [shorten(str(part), 80) for part in places if part not in _TAGS]
        key = ".".join(filter(None, [below, *location])) or "(top level)"
        if kind in ("extra_forbidden", "no_such_attribute"):
            expected, found = "a known key", f"'{location[-1]}'"
            hint = _hint_for_key(model, location) or default_hint or "leave it out"
        elif kind == "missing":
            expected, found, hint = "a value", "nothing", default_hint or "this key has no default"
        else:
            message = item["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
            expected = _EXPECTED[kind].format(**context) if kind in _EXPECTED else shorten(message)
            found = context.get("found") or _shown(value)
            hint = context.get("hint") or _hint_for_value(kind, expected, value) or default_hint
        if default_hint == FROM_A_RUN:  # this file is not written by hand
            hint = FROM_A_RUN
        problems.append(BadInputError(expected, found, f"{source}: {key}", hint or _meaning(model, location)))
    problems = _without_misspelt(problems)
    if (more := len(found_errors) - MOST_PROBLEMS) > 0:
        problems.append(BadInputError("no further problems", f"{more} more", source, "mend those above first"))
    return problems


def _without_misspelt(problems: list[BadInputError]) -> list[BadInputError]:
    """Without the missing keys that unknown ones in the same place were meant to be."""
    meant = {
        problem.where.removesuffix(problem.found.strip("'")) + name
        for problem in problems
        if problem.expected == "a known key" and problem.hint.startswith("did you mean")
        for name in re.findall(r"'(\w+)'", problem.hint)
    }
    return [problem for problem in problems if problem.found != "nothing" or problem.where not in meant]


class _Shown(reprlib.Repr):
    """Parts of a value, however large it is."""

    def __init__(self) -> None:
        super().__init__(maxlevel=4, maxdict=8, maxlist=8, maxtuple=8, maxset=8, maxstring=80, maxother=80)

    def repr_int(self, x: int, level: int) -> str:
        return repr(x) if abs(x) < 10**40 else f"an integer of {x.bit_length()} bits"


def _shown(value: Any) -> str:
    return f"{shorten(_Shown().repr(value), 80)} ({type(value).__name__})"


# ---- hints --------------------------------------------------------------------------------------------------


TRUTH_VALUES = "YAML reads on, off, yes, no, true and false as truth values"
_HINTS = {
    "int_from_float": "write a whole number",
    "bool_type": "write true or false, without quotes",
    "bool_parsing": "write true or false, without quotes",
    "list_type": "put it in brackets, as in [a, b], even if there is only one",
}
_HINTS_FOR_PATTERNS = {NAME_PATTERN: NAME_HINT, VERSION_PATTERN: VERSION_HINT}
_NUMBERS = ("int_type", "int_parsing", "float_type", "float_parsing")
_MAPPINGS = ("dict_type", "model_type", "model_attributes_type")


def _hint_for_value(kind: str, expected: str, value: Any) -> str:
    """What to do about a value of the wrong type; YAML takes some text for other things."""
    if value is None:
        return "YAML reads null, ~ and nothing as no value: write one, or leave it out"
    if kind == "literal_error":
        return did_you_mean(value, _literals(expected)) if isinstance(value, str) else hint_for_text(value)
    if kind in ("string_type", "path_type"):
        return hint_for_text(value)
    if kind in _NUMBERS and isinstance(value, str):
        return "write a plain number, without quotes, unit or colons"
    if kind in _MAPPINGS:
        named = "give every entry a name: " if isinstance(value, list | tuple) else ""
        return f"{named}write `key: value` lines, indented below the key"
    if kind == "string_pattern_mismatch":
        return next((hint for pattern, hint in _HINTS_FOR_PATTERNS.items() if expected.endswith(pattern)), "")
    return _HINTS.get(kind, "")


def hint_for_text(value: Any) -> str:
    """What to do about a value that is not text."""
    if isinstance(value, bool):
        return f"put the text in quotes: without them, {TRUTH_VALUES}"
    if isinstance(value, int | float):
        return "put the text in quotes: without them, YAML reads a number"
    return "write one text, not a list or mapping" if isinstance(value, list | tuple | dict) else ""


def truth_value_as_number(value: Any, kind: Any) -> str | None:
    """Where in a value, by its keys, a truth value is given for a number, which pydantic would make of it."""
    options = _alternatives(kind)
    if isinstance(value, bool):
        return "" if not {bool, Any} & set(options) and {int, float} & set(options) else None
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    members = {get_args(option)[-1] for option in options if get_origin(option) in (dict, list, tuple)}
    found = ((key, truth_value_as_number(item, member)) for key, item in pairs for member in members)
    return next((f"{key}.{inner}".rstrip(".") for key, inner in found if inner is not None), None)


def _literals(expected: str) -> list[str]:
    return [part.strip("' ") for part in expected.replace(" or ", ", ").split(",")]


def _hint_for_key(model: type[BaseModel] | None, location: list[str]) -> str:
    if model is None:
        return ""
    renamed = _renamed_keys(model, location[:-1])
    if location[-1] in renamed:
        return f"`{location[-1]}` is now called {renamed[location[-1]]}"
    known = sorted({key for node in _schema_nodes(model, location[:-1]) for key in node.get("properties", {})})
    return did_you_mean(location[-1], known)


def _meaning(model: type[BaseModel] | None, location: list[str]) -> str:
    """What the key, or the nearest key around it that is described, means."""
    for length in range(len(location), 0, -1):
        for node in [] if model is None else _schema_nodes(model, location[: length - 1]):
            meaning = node.get("properties", {}).get(location[length - 1], {}).get("description")
            if meaning:
                return f"`{location[length - 1]}` is: {meaning}"
    return ""


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    try:
        return model.model_json_schema()
    except PydanticInvalidForJsonSchema:  # the engine's models hold functions
        return {}


def _schema_nodes(model: type[BaseModel], location: list[str]) -> list[dict[str, Any]]:
    """The parts of a model's JSON schema that describe a place inside it."""
    schema = _schema(model)
    definitions = schema.get("$defs", {})
    nodes = [schema]
    for part in [*location, None]:
        resolved: list[dict[str, Any]] = []
        while nodes:
            node = nodes.pop()
            if "$ref" in node:
                nodes.append(definitions[node["$ref"].rsplit("/", 1)[1]])
            else:
                nodes.extend([*node.get("anyOf", []), *node.get("oneOf", [])])
                resolved.append(node)
        if part is None:
            return resolved
        for node in resolved:
            children = [node.get("properties", {}).get(part), node.get("additionalProperties"), node.get("items")]
            children += node.get("patternProperties", {}).values()
            nodes.extend(child for child in children if isinstance(child, dict))
    return []


def _renamed_keys(model: type[BaseModel], location: list[str]) -> dict[str, str]:
    """`RENAMED` of the models at a place inside a model, found by walking its fields."""
    types: list[Any] = [model]
    for part in location:
        children: list[Any] = []
        for kind in types:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                field = kind.model_fields.get(part)
                children += _alternatives(field.annotation) if field else []
            elif get_origin(kind) in (dict, list):
                children += _alternatives(get_args(kind)[-1])
        types = children
    return {old: new for kind in types for old, new in getattr(kind, "RENAMED", {}).items()}


def _alternatives(annotation: Any) -> list[Any]:
    """The members of a union, through any depth of `Annotated`; for any other type, only that type."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [kind for member in get_args(annotation) for kind in _alternatives(member)]
    return [annotation]
