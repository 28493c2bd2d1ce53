"""Rule package_policy: package a policy's weights, code and documents as a submission bundle."""

from pathlib import Path

from daf.config.package_recipes import PackageRecipe
from daf.packaging.package import package_checkpoint
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    package = package_checkpoint(
        PackageRecipe.model_validate(snakemake.params.recipe),
        weights=list(snakemake.input.weights),
        output_dir=Path(snakemake.output.package).parent,
        comparison=next(iter(snakemake.input.comparison), None),
        sweep=next(iter(snakemake.input.sweep), None),
    )
    context.logger.info(f"package {package.path}, sha256 {package.sha256}")
