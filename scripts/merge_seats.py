"""Rule merge_seats: merge the batches of all matches of a tournament into one table."""

from daf.evaluation.matches import merge_batches
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    merge_batches(list(snakemake.input.batches), snakemake.output[0])
    count = len(snakemake.input.batches)
    context.logger.info(f"tournament {snakemake.wildcards.tournament}: merged {count} batch{'es' * (count != 1)}")
