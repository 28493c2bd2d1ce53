"""Rule check_evaluations: end the run with an error if too many episodes of a policy failed."""

from daf.evaluation.tolerance import check_failures, count_failures
from daf.system.files import write_json
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    check = check_failures(count_failures(list(snakemake.input.episodes)), snakemake.params.max_failed_share)
    write_json(snakemake.output[0], check)
    failed = sum(count["failed"] for count in check["evaluations"])
    context.logger.info(f"{failed} of {sum(count['episodes'] for count in check['evaluations'])} episodes failed")
