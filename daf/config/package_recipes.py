"""Recipes of deployment packages: what they contain, and where they must load and act."""

from __future__ import annotations

from pathlib import Path

from daf.config import ExperimentConfig
from daf.config.recipes import STAGE_VERSIONS, MissionRecipe, PolicyRecipe
from daf.config.strict_model import FrozenModel
from daf.errors import BadInputError
from daf.system.files import known_sha256


class LicenseRecipe(FrozenModel):
    """A package's licence: its SPDX identifier, or the file with its text, or both."""

    spdx: str | None = None
    file: Path | None = None
    sha256: str | None = None
    holder: str | None = None


class PackageRecipe(FrozenModel):
    """A deployment package: one policy, what the package says of it, and where the package must load and act.

    Attributes:
        sweep: the sweep that chose the hyperparameters of its training.
        comparison: the comparison whose results the model card shows.
    """

    policy: PolicyRecipe
    version: str
    description: str
    intended_use: str = ""
    limitations: str = ""
    license: LicenseRecipe = LicenseRecipe()
    sweep: str | None = None
    comparison: str | None = None
    mission: MissionRecipe
    stage_version: int = STAGE_VERSIONS["package"]


def package_recipe(experiment: ExperimentConfig, policy: PolicyRecipe) -> PackageRecipe:
    """Return the recipe of the package that the experiment's deployment section describes.

    Raises:
        BadInputError: the experiment has no such section.
    """
    deployment = experiment.deployment
    if deployment is None:
        raise BadInputError("a policy to package", "none", "deployment.policy")
    run = experiment.training.get(policy.training or "")
    file = deployment.license_file
    return PackageRecipe(
        policy=policy,
        version=deployment.version,
        description=deployment.description,
        intended_use=deployment.intended_use,
        limitations=deployment.limitations,
        license=LicenseRecipe(
            spdx=deployment.license,
            file=file,
            sha256=None if file is None else known_sha256(file),
            holder=deployment.license_holder,
        ),
        sweep=run.sweep if run else None,
        comparison=deployment.shown_comparison(experiment.comparisons),
        mission=MissionRecipe.of(deployment.validation_mission, experiment.missions),
    )
