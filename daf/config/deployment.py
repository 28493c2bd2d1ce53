"""The deployment section: the package to build from one policy, what it says of itself, and where it goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from daf.config.licenses import check_license
from daf.config.non_inferiority import NonInferiorityConfig
from daf.config.strict_model import Name, Seed, StrictModel
from daf.errors import BadInputError, did_you_mean
from daf.system.user_paths import NameOrPath, UserPath
from daf.system.validated import VERSION_PATTERN, wrong_value

Check = Callable[[str | None, Any, str, str], None]
AUTO = "auto"


def _existing(path: Path) -> Path:
    if not path.is_file():
        near = [other.name for other in path.parent.glob("*")] if path.parent.is_dir() else []
        raise wrong_value("an existing file", did_you_mean(path.name, near) or "check the path")
    return path


_ExistingFile = Annotated[UserPath, AfterValidator(_existing)]


class DAFDeploymentConfig(StrictModel):
    """The package to build from one policy, and where to deploy it."""

    policy: Name | None = Field(
        None, description="name under `policies`; for a trained policy, the first seed unless `seed` is set"
    )
    seed: Seed | None = Field(None, description="training seed to package")
    version: str = Field("0.1.0", pattern=VERSION_PATTERN, max_length=64, description="version of the package")
    description: str = Field("", description="one-sentence description for the package's model card")
    intended_use: str = Field("", description="for the model card: what the policy is for, and what it is not for")
    limitations: str = Field("", description="for the model card: known weaknesses, in addition to what records tell")
    comparison: Name | Literal["auto"] | None = Field(
        AUTO,
        description="the comparison whose results the model card shows; auto: the first one with this policy, if any; "
        "null: none, so that the package needs no episodes",
    )
    license_file: _ExistingFile | None = Field(
        None, description="file with the text of the licence, for one that DAF does not ship or SPDX does not list"
    )
    license: str | None = Field(
        None,
        description="SPDX identifier of the package's licence, such as MIT; null: the card says that none is given",
    )
    license_holder: str | None = Field(
        None, description="whose copyright the licence names (MIT, BSD); null: the authors of the package"
    )
    validation_mission: NameOrPath = Field("tutorial.miner", description="where the package must load and act")
    signing_key: _ExistingFile | None = Field(
        None,
        description="elliptic-curve private key (PEM) that signs the package with model-signing; the password of an "
        "encrypted key is read from DAF_SIGNING_PASSWORD",
    )
    verification_key: _ExistingFile | None = Field(
        None, description="public key (PEM); a package that it did not sign is neither valid nor deployed"
    )
    endpoint: NameOrPath | None = Field(None, description="folder or http(s) address that `deploy_policy` uploads to")
    season: str | None = Field(None, description="tournament season, for a CoGames server")
    require_non_inferiority: NonInferiorityConfig | None = Field(
        None,
        description="what `deploy_policy` demands before a new version replaces the one that serves in a registry; "
        "null: nothing",
    )

    @field_validator("license")
    @classmethod
    def _known_license(cls, value: str | None, info: ValidationInfo) -> str | None:
        try:
            check_license(value, info.data.get("license_file", Path()) is not None)
        except BadInputError as error:
            raise wrong_value(error.expected, error.hint) from None
        return value

    @field_validator("verification_key")
    @classmethod
    def _with_signing_key(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None and info.data.get("signing_key") is not None:
            hint = "openssl ec -in signing.key -pubout -out signing.pub"
            raise wrong_value("the public key that belongs to signing_key, so that signatures are checked", hint)
        return value

    def broken_references(
        self,
        check: Check,
        policies: Mapping[str, Any],
        training: Mapping[str, Any],
        comparisons: Mapping[str, Any],
        source: str,
    ) -> list[BadInputError]:
        """References to undefined names; `check(name, known, what, key)` reports a name that is not known."""
        if not self.policy:
            return []
        problems = []
        check(self.policy, policies, "the name of a policy in this file", "deployment.policy")
        packaged = policies.get(self.policy)
        if packaged and packaged.policies:
            hint = f"one of its members: {', '.join(packaged.policies)}"
            problems.append(
                BadInputError("a single policy", f"'{self.policy}', a team", f"{source}: deployment.policy", hint)
            )
        if packaged and packaged.training in training and self.seed is not None:
            seeds = [str(seed) for seed in training[packaged.training].seeds]
            check(str(self.seed), seeds, f"a seed of training.{packaged.training}", "deployment.seed")
        if self.comparison not in (None, AUTO):
            with_policy = [name for name, comparison in comparisons.items() if self.policy in comparison.policies]
            check(self.comparison, with_policy, "a comparison in this file with this policy", "deployment.comparison")
        return problems

    def shown_comparison(self, comparisons: Mapping[str, Any]) -> str | None:
        """The comparison whose results the model card shows."""
        if self.comparison != AUTO:
            return self.comparison
        return next((name for name, comparison in comparisons.items() if self.policy in comparison.policies), None)
