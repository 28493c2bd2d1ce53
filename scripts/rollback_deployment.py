"""Rule rollback_deployment: make an earlier version the endpoint's current one again."""

from snakemake.script import snakemake

from daf.deployment import daf_rollback_deployment, require_endpoint
from daf.files import write_json
from daf.rule import running

with running(snakemake) as (plan, logger):
    current = daf_rollback_deployment(
        snakemake.wildcards.checkpoint, require_endpoint(plan.experiment.deployment), snakemake.wildcards.version
    )
    logger.info(f"current again: {current}")
    write_json(snakemake.output[0], current.to_dict())
