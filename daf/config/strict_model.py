"""Models that reject unknown keys, read and write YAML and JSON, and explain what is wrong with a value.

Every wrong value is one problem with four parts: what was expected, what was found, where (file and key), and a hint.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, ClassVar, Self, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from daf.errors import BadInputError, ConfigError, did_you_mean
from daf.system.files import write_text

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN, description="a name that can be part of a file path")]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
PositiveShare = Annotated[float, Field(gt=0.0)]


class StrictModel(BaseModel):
    """A model that rejects unknown keys, validates assignments, and reads and writes YAML and JSON.

    The constructor and assignments raise ConfigError as `from_dict` does, with the model's name as the source.

    A subclass's `RENAMED` maps keys of earlier versions to their current names, which the error for such a key gives.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {}

    model_config = ConfigDict(
        extra="forbid",
        validate_assignment=True,
        validate_default=True,
        allow_inf_nan=False,
        revalidate_instances="always",
    )

    def __init__(self, /, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise ConfigError(_problems(type(self), error, type(self).__name__)) from None

    # Validation of a model inside another must not call __init__, whose ConfigError would end it at the first problem.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @classmethod
    def from_dict(cls, data: dict[str, Any], *, source: str = "config") -> Self:
        """Build from plain data.

        Raises:
            ConfigError: with one problem per wrong value, each naming `source` and the key.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise ConfigError(_problems(cls, error, source)) from None

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Read a YAML file; raises ConfigError as `from_dict` does."""
        text = _read_text(path)
        try:
            data = yaml.load(text, Loader=_YamlLoader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            place = f"line {mark.line + 1}: " if mark else ""
            problem = getattr(error, "problem", None) or str(error)
            raise ConfigError([BadInputError("YAML", place + problem, str(path))]) from None
        return cls.from_dict(_mapping(data, path), source=str(path))

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            super().__setattr__(name, value)
        except ValidationError as error:
            raise ConfigError(_problems(type(self), error, type(self).__name__)) from None

    def to_dict(self) -> dict[str, Any]:
        """Plain data that JSON and YAML can hold; `from_dict` reads it back to an equal model."""
        return self.model_dump(mode="json", by_alias=True)

    def to_yaml(self, path: str | Path) -> None:
        write_text(path, yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True))

    def validate(self) -> Self:  # type: ignore[override]  # pydantic's deprecated classmethod of this name is unused
        """Validate the whole model again, nested values included (lists and dicts can be changed in place unnoticed).

        Raises:
            ConfigError: with one problem per wrong value.
        """
        type(self).from_dict(self.to_dict(), source=type(self).__name__)
        return self


class _YamlLoader(yaml.SafeLoader):
    """YAML 1.2 floats (`1e-3` is a number, not a string) and an error for a key written twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        written = list(node.value)
        self.flatten_mapping(node)  # resolves `<<:`; merged keys may be overridden, but written keys may not repeat
        seen: set[Any] = set()
        for key_node, _ in written:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key '{key}' is written twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _add_yaml_floats() -> None:
    import re

    number = re.compile(r"^[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9_]+)[eE][-+]?[0-9]+$")
    _YamlLoader.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+.0123456789"))


_add_yaml_floats()


def _read_text(path: str | Path) -> str:
    path = Path(path)
    if not path.is_file():
        near = sorted(p.name for p in path.parent.glob(f"*{path.suffix}")) if path.parent.is_dir() else []
        raise ConfigError(
            [BadInputError("a configuration file", "no such file", str(path), did_you_mean(path.name, near))]
        )
    return path.read_text()


def _mapping(data: Any, path: str | Path) -> dict[str, Any]:
    if not isinstance(data, dict):
        kind = "an empty file" if data is None else f"a {type(data).__name__}"
        raise ConfigError([BadInputError("a mapping of keys to values", kind, str(path))])
    return data


# ---- errors -----------------------------------------------------------------------------------------------

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


def _problems(model: type[BaseModel], error: ValidationError, source: str) -> list[BadInputError]:
    """Translate pydantic's report into one problem, with its four parts, per wrong value."""
    problems = []
    for item in error.errors():
        location = [str(part) for part in item["loc"]]
        location = [part for part in location if part not in _TAGS]
        key = ".".join(location) or "(top level)"
        kind, context = item["type"], item.get("ctx", {})
        if kind in ("extra_forbidden", "no_such_attribute"):
            known, renamed = _known_keys(model, location[:-1]), _renamed_keys(model, location[:-1])
            expected, found = "a known key", f"'{location[-1]}'"
            hint = did_you_mean(location[-1], known)
            if location[-1] in renamed:
                hint = f"`{location[-1]}` is now called {renamed[location[-1]]}"
        elif kind == "missing":
            expected, found, hint = "a value", "nothing", "this key has no default"
        else:
            expected = _EXPECTED.get(kind, item["msg"].removeprefix("Value error, ")).format(**context)
            found = _shown(item["input"])
            hint = (
                did_you_mean(item["input"], _literals(expected))
                if kind == "literal_error" and isinstance(item["input"], str)
                else ""
            )
        problems.append(BadInputError(expected, found, f"{source}: {key}", hint))
    return problems


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text if len(text) <= 80 else text[:77] + '...'} ({type(value).__name__})"


def _literals(expected: str) -> list[str]:
    return [part.strip("' ") for part in expected.replace(" or ", ", ").split(",")]


def _known_keys(model: type[BaseModel], location: list[str]) -> list[str]:
    """The keys allowed at a place inside a model, found by walking its JSON schema."""
    schema = model.model_json_schema()
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
            return sorted({key for node in resolved for key in node.get("properties", {})})
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
    models = [kind for kind in types if isinstance(kind, type) and issubclass(kind, StrictModel)]
    return {old: new for kind in models for old, new in kind.RENAMED.items()}


def _alternatives(annotation: Any) -> list[Any]:
    """The members of a union, through any depth of `Annotated`; for any other type, only that type."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [kind for member in get_args(annotation) for kind in _alternatives(member)]
    return [annotation]
