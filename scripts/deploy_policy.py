"""Rule deploy_policy: send a validated package to the endpoint of the configuration."""

from dataclasses import asdict

from daf.config import DAFDeploymentConfig
from daf.config.recipes import MissionRecipe
from daf.deployment import DeployOptions, daf_deploy_policy
from daf.packaging.endpoints import require_endpoint
from daf.system.files import write_json
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    config = DAFDeploymentConfig.from_dict(snakemake.params.deployment)
    deployed = daf_deploy_policy(
        snakemake.input.package,
        require_endpoint(config),
        season=config.season,
        mission=MissionRecipe.model_validate(snakemake.params.mission).config,
        validate=snakemake.input.validation,
        options=DeployOptions(
            verification_key=config.verification_key, require_non_inferiority=config.require_non_inferiority
        ),
    )
    context.logger.info(f"deployed: {deployed}")
    write_json(snakemake.output[0], asdict(deployed))
