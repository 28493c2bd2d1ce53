"""Rule package_policy: put weights, code and description of a policy into a submission bundle."""

from pathlib import Path

from daf.packaging.package import package_checkpoint
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    config, checkpoint = context.plan.experiment.deployment, context.plan.deployed()
    package = package_checkpoint(
        checkpoint.label,
        checkpoint.config,
        version=config.version,
        mission=context.plan.mission_recipe(config.validation_mission).config,
        description=config.description,
        weights=list(snakemake.input.weights),
        output_dir=Path(snakemake.output.package).parent,
    )
    context.logger.info(f"package {package.path}, sha256 {package.sha256}")
