"""Rule merge_episodes: merge a policy's shards on a mission into one table."""

from daf.evaluation.shards import merge_shards
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    merge_shards(list(snakemake.input.shards), snakemake.output[0])
    wildcards, count = snakemake.wildcards, len(snakemake.input.shards)
    context.logger.info(f"{wildcards.checkpoint} on {wildcards.mission}: merged {count} shard{'s' * (count != 1)}")
