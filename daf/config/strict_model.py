"""Models that reject unknown keys, read and write YAML and JSON, and explain what is wrong with a value.

Every wrong value is one problem with four parts: what was expected, what was found, where (file and key), and a hint.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from daf.errors import BadInputError, ConfigError
from daf.system.files import digest, write_text
from daf.system.json_files import read_json
from daf.system.shown import LONGEST_LINE, Shown, Table, one_line
from daf.system.user_paths import user_path
from daf.system.validated import NAME_PATTERN, TRUTH_VALUES, problems_of, truth_value_as_number, wrong_value
from daf.system.yaml_files import read_yaml

Name = Annotated[str, Field(pattern=NAME_PATTERN, description="a name that can be part of a file path")]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
PositiveShare = Annotated[float, Field(gt=0.0)]


class FrozenModel(BaseModel):
    """Plain data that cannot be changed, identified by its content."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def to_dict(self) -> dict[str, Any]:
        return self.model_dump(mode="json")

    @property
    def digest(self) -> str:
        """64 hexadecimal digits that identify the content."""
        return digest(self.to_dict())


class StrictModel(Shown, BaseModel):
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
            raise ConfigError(problems_of(type(self), error, type(self).__name__)) from None

    # Validation of a model inside another must not call __init__, whose ConfigError would end it at the first problem.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value_as_number(cls, value: Any, info: ValidationInfo) -> Any:
        """`num_steps: on` is a mistake, not 1."""
        place = truth_value_as_number(value, cls.model_fields[info.field_name or ""].annotation)
        if place is not None:
            hint = f"write a number: {TRUTH_VALUES}"
            raise wrong_value("a number", hint, at=place, found="a truth value" if place else "")
        return value

    @classmethod
    def from_dict(cls, data: dict[str, Any], *, source: str = "config") -> Self:
        """Build from plain data.

        Raises:
            ConfigError: with one problem per wrong value, each naming `source` and the key.
        """
        return cls._from_dict(data, source, None)

    @classmethod
    def _from_dict(cls, data: dict[str, Any], source: str, context: dict[str, str] | None) -> Self:
        try:
            return cls.model_validate(data, context=context)
        except ValidationError as error:
            raise ConfigError(problems_of(cls, error, source)) from None

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Read a YAML file; raises ConfigError as `from_dict` does."""
        return cls.from_dict(read_mapping(path), source=str(path))

    def __setattr__(self, name: str, value: Any) -> None:
        try:
            super().__setattr__(name, value)
        except ValidationError as error:
            raise ConfigError(problems_of(type(self), error, type(self).__name__)) from None

    def to_dict(self) -> dict[str, Any]:
        """Plain data that JSON and YAML can hold; `from_dict` reads it back to an equal model."""
        return self.model_dump(mode="json", by_alias=True)

    def to_yaml(self, path: str | Path) -> None:
        write_text(path, yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True))

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """The keys that differ from their defaults."""
        for name in self.model_dump(exclude_defaults=True):
            yield name, getattr(self, name)

    def __repr__(self) -> str:
        return one_line(f"{type(self).__name__}({self._headline()})", LONGEST_LINE)

    def _headline(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.__repr_args__())

    def _tables(self) -> Iterable[Table]:
        rows = list(self.__repr_args__())
        yield Table(title="keys that differ from their defaults", columns=("", ""), rows=rows, total=len(rows))

    def validate(self) -> Self:  # type: ignore[override]  # pydantic's deprecated classmethod of this name is unused
        """Validate the whole model again, nested values included (lists and dicts can be changed in place unnoticed).

        Raises:
            ConfigError: with one problem per wrong value.
        """
        type(self).from_dict(self.to_dict(), source=type(self).__name__)
        return self


def refuse_repeated(values: Sequence[Any], key: str) -> None:
    """Raise, in a validator of the model, if one of the values of a key repeats."""
    if repeated := [value for index, value in enumerate(values) if value in values[:index]]:
        raise wrong_value(f"distinct {key}", "write each once", at=key, found=f"{repeated[0]!r} twice")


def read_mapping(path: str | Path) -> dict[str, Any]:
    """The content of a configuration file, YAML or, if it ends in .json, JSON.

    Raises:
        ConfigError: it is missing, unreadable, or holds something else than keys and values.
    """
    path = user_path(path, "configuration file")
    try:
        what = "a configuration file"
        data = read_json(path, what) if path.suffix == ".json" else read_yaml(path, what)
        if not isinstance(data, dict):
            kind = "an empty file" if data is None else f"a {type(data).__name__}"
            raise BadInputError("a mapping of keys to values", kind, str(path), "write `key: value` lines")
    except ConfigError:
        raise
    except BadInputError as error:
        raise ConfigError([error]) from None
    return data
