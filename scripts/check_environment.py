"""Rule check_environment: check that this machine can run the experiment."""

from daf.config import DAFConfig
from daf.config.recipes import MissionRecipe
from daf.environment_checks import daf_check_environment
from daf.system.checks import require_healthy
from daf.system.files import write_json
from daf.system.provenance import provenance
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    environment = snakemake.params.environment
    result = daf_check_environment(
        missions=[MissionRecipe.model_validate(mission).config for mission in environment["missions"]],
        config=DAFConfig.from_dict(environment["demands"]),
    )
    context.logger.info(f"environment of this machine:\n{result}")
    require_healthy(result)
    write_json(snakemake.output[0], {**result.to_dict(), "provenance": provenance({}, {})})
