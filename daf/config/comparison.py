"""The configuration of a comparison: policies, missions, episodes, and how they are analyzed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from daf.config.learning_curves import LearningCurvesConfig
from daf.config.normalization import CountOrAuto, NormalizationOrFile
from daf.config.strict_model import Seed, StrictModel, refuse_repeated
from daf.errors import did_you_mean
from daf.system.user_paths import LITERAL_NAMES, NameOrPath
from daf.system.validated import wrong_value

Primary = Literal["mean", "iqm", "probability_of_improvement"]
"""The quantity that decides a verdict."""


class DAFComparisonConfig(StrictModel):
    """Which policies are compared on which missions, and with what confidence."""

    RENAMED: ClassVar[Mapping[str, str]] = {
        "anchors": "`normalization`, with `low` and `high` for `zero` and `one`",
        "num_looks": "`num_interim_analyses`",
    }

    policies: list[NameOrPath] = Field(min_length=1, description="names under `policies`, shorthands or class paths")
    missions: list[NameOrPath] = Field(min_length=1, description="mission names or files")
    episodes_per_mission: CountOrAuto = Field(
        32,
        description="episodes per policy and mission, on the same seeds for all policies; auto: until every pair has a "
        "verdict",
    )
    max_episodes_per_mission: int = Field(256, ge=4, description="maximum for auto")
    num_interim_analyses: int = Field(
        4, ge=1, le=20, description="number of batches with auto; an interim analysis follows each"
    )
    reference: NameOrPath | None = Field(
        None, description="compare every other policy with this one only; null: compare all pairs"
    )
    normalization: NormalizationOrFile | None = Field(
        None,
        description="reference scores that map to 0 and 1 on each mission, or a CSV or JSON file of them (columns "
        "mission, low, high; also zero and one, random and human); null: raw rewards",
    )
    confidence_level: float = Field(0.95, gt=0.5, lt=1, description="confidence level of the intervals")
    num_resamples: int = Field(
        10_000,
        ge=100,
        description="bootstrap and permutation replicates; more are drawn for small p-values among many tests",
    )
    equivalence_margin: float | None = Field(
        None, gt=0, description="largest difference of means, or of IQMs where they decide, that does not matter"
    )
    recipe_test: Literal["welch", "permutation"] = Field(
        "welch",
        description="t-test on the means of training seeds; permutation: a studentized permutation test too, of which "
        "the larger p counts, and which needs 4 seeds per policy",
    )
    recipe_claim: Literal["general", "these_episodes"] = Field(
        "general",
        description="what a comparison of recipes is about: other training runs on other episodes of these "
        "missions (general), or on exactly the episodes played (these_episodes)",
    )
    primary: Primary = Field(
        "mean",
        description="quantity that decides verdicts, to be declared before seeing results; pairs on which the others "
        "point the other way carry a caution",
    )
    trainings: Literal["across_missions", "per_mission"] = Field(
        "across_missions",
        description="whether one training run plays all missions, or each (mission, training seed) of a table is a "
        "separate run, as in most published tables",
    )
    profile_range: tuple[float, float] | None = Field(
        None, description="lowest and highest score on the axis of performance profiles; null: where the scores are"
    )
    resample_missions: bool = Field(
        False,
        description="resample missions too, so that intervals of aggregates and profiles generalize to similar "
        "missions",
    )
    learning_curves: LearningCurvesConfig | None = Field(
        None, description="a score that trained policies should reach soon; null: only areas under their curves"
    )
    seed: Seed = Field(42, description="seed of the resampling")
    evaluation_seed: Seed = Field(1_000_000, description="first episode seed")

    @classmethod
    def from_labels(cls, data: dict[str, Any], *, source: str) -> Self:
        """As `from_dict`, if policies and missions are the names of a table, such as `$x$`, and never paths."""
        return cls._from_dict(data, source, LITERAL_NAMES)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for key, names in (("policies", self.policies), ("missions", self.missions)):
            refuse_repeated(names, key)
        if self.profile_range is not None and not self.profile_range[0] < self.profile_range[1]:
            found = f"from {self.profile_range[0]} to {self.profile_range[1]}"
            raise wrong_value("a profile_range that rises", "swap the two", at="profile_range", found=found)
        scale = {} if self.normalization is None else {"low": self.normalization.low, "high": self.normalization.high}
        named = {"reference": self.reference} | {f"normalization.{key}": end for key, end in scale.items()}
        for key, policy in named.items():
            if isinstance(policy, str) and policy not in self.policies:
                expected = f"one of the policies compared ({', '.join(self.policies)})"
                raise wrong_value(expected, did_you_mean(policy, self.policies), at=key, found=f"'{policy}'")
        for mission in self.missions if scale else []:
            low, high = (end if isinstance(end, str) else end.get(mission) for end in scale.values())
            if low is None or high is None:
                raise wrong_value("a reward for every mission", at="normalization", found=f"none for {mission}")
            if low == high:
                found = f"{low} for both on {mission}"
                raise wrong_value("low and high that differ", at="normalization", found=found)
        return self

    @property
    def episodes_cap(self) -> int:
        """The maximum number of episodes per policy and mission."""
        return self.max_episodes_per_mission if self.episodes_per_mission == "auto" else self.episodes_per_mission
