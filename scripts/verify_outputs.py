"""Rule verify: check every file of the output folder against its digest and the record of its job."""

from daf.output_manager import daf_verify_outputs
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    report = daf_verify_outputs(context.settings.output_dir)
    report.require_intact()
    context.logger.info(str(report))
