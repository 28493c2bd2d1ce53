"""Reference scores of a comparison, and values that are either text or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag

from daf.config.strict_model import StrictModel
from daf.system.user_paths import NameOrPath


def _text_or_other(value: Any) -> str:
    return "as text" if isinstance(value, str) else "as value"


# A union of two kinds, distinguished by whether the value is text, so that an error mentions only that kind.
CountOrAuto = Annotated[
    Annotated[Literal["auto"], Tag("as text")] | Annotated[int, Field(ge=1), Tag("as value")],
    Discriminator(_text_or_other),
]
PolicyOrRewards = Annotated[
    Annotated[NameOrPath, Tag("as text")] | Annotated[dict[NameOrPath, float], Tag("as value")],
    Discriminator(_text_or_other),
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
