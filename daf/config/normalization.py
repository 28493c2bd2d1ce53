"""Reference scores of a comparison, and values that are either text or not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from daf.config.reference_scores import read_reference_scores
from daf.config.strict_model import StrictModel
from daf.errors import BadInputError
from daf.system.user_paths import NameOrPath
from daf.system.validated import wrong_value


def text_or_other(value: Any) -> str:
    return "as text" if isinstance(value, str) else "as value"


def _auto(value: Any) -> Any:
    if value == "auto":
        return value
    is_number = isinstance(value, str) and value.strip().lstrip("+-").isdecimal()
    raise wrong_value("a whole number or 'auto'", "leave the quotes out" if is_number else "")


# Unions of two kinds, distinguished by whether the value is text, so that an error is about that kind only.
_Auto = Annotated[Literal["auto"], BeforeValidator(_auto), Tag("as text")]
CountOrAuto = Annotated[_Auto | Annotated[int, Field(ge=1), Tag("as value")], Discriminator(text_or_other)]
WorkersOrAuto = Annotated[_Auto | Annotated[int, Field(ge=0), Tag("as value")], Discriminator(text_or_other)]
PolicyOrRewards = Annotated[
    Annotated[NameOrPath, Tag("as text")] | Annotated[dict[NameOrPath, float], Tag("as value")],
    Discriminator(text_or_other),
]


class Normalization(StrictModel):
    """Reference scores: the rewards that map to 0 and 1 on each mission, declared before looking at the results."""

    RENAMED: ClassVar[Mapping[str, str]] = {"zero": "`low`", "one": "`high`"}

    low: PolicyOrRewards = Field(
        description="score that maps to 0: the means of a policy in the comparison, or a reward per mission"
    )
    high: PolicyOrRewards = Field(
        description="score that maps to 1; must differ from low on every mission, and exceed it if either is a policy"
    )


def _from_file(value: Any) -> Any:
    """The content of a file of reference scores; anything else unchanged."""
    if not isinstance(value, str | Path):
        return value
    try:
        return read_reference_scores(value)
    except BadInputError as error:
        raise wrong_value(f"{error.expected} in {error.where}, found {error.found}", error.hint) from error


NormalizationOrFile = Annotated[Normalization, BeforeValidator(_from_file, json_schema_input_type=Normalization | str)]
