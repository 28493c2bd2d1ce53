"""Rule rollback_deployment: make an earlier version current again at the endpoint."""

from dataclasses import asdict

from daf.config import DAFDeploymentConfig
from daf.deployment import daf_rollback_deployment
from daf.packaging.endpoints import require_endpoint
from daf.system.files import write_json
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    deployment = DAFDeploymentConfig.from_dict(snakemake.params.deployment)
    current = daf_rollback_deployment(
        snakemake.wildcards.checkpoint,
        require_endpoint(deployment),
        snakemake.wildcards.version,
        verification_key=deployment.verification_key,
    )
    if current.details.get("unchanged"):
        hint = "nothing was switched; the version in this target's name is the one to return to"
        context.logger.warning(f"{current.name} {current.version} serves already: {hint}")
    else:
        context.logger.info(f"current again: {current}")
    write_json(snakemake.output[0], asdict(current))
