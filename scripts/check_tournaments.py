"""Rule check_tournaments: end the run with an error if a policy made too many episodes of tournaments fail."""

from daf.evaluation.tolerance import check_failures, count_failures_of_seats
from daf.system.files import write_json
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    counts = count_failures_of_seats(list(snakemake.input.seats))
    write_json(snakemake.output[0], check_failures(counts, snakemake.params.max_failed_share))
    context.logger.info(f"{sum(count.failed for count in counts)} failures of policies in mixed teams")
