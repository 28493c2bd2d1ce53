"""Rule validate_package: load the package in a fresh process without DAF and let it act."""

from dataclasses import replace

from daf.config.package_recipes import PackageRecipe
from daf.deployment import daf_validate_deployment
from daf.packaging.validation import require_valid
from daf.system.files import write_json
from daf.system.provenance import provenance
from daf.system.user_code import code_in
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    mission = PackageRecipe.model_validate(snakemake.params.recipe).mission
    key = snakemake.params.verification_key
    result = daf_validate_deployment(
        snakemake.input.package, mission.config, verification_key=key["path"] if key else None
    )
    result = replace(result, mission=mission.name)  # as the experiment calls it
    context.logger.info(str(result))
    require_valid(result)
    record = provenance(
        {"package": result.sha256, "mission": mission.to_dict()}, {}, code=code_in(snakemake.params.recipe)
    )
    write_json(snakemake.output[0], {**result.to_dict(), "provenance": record})
