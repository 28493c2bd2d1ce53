"""Rule render_report: draw the figures and write the page of a comparison, and its checklist."""

from pathlib import Path

from daf.reporting.checklist import write_checklist_of_files
from daf.reporting.comparison_page import MissionReport, render_workflow_report
from daf.system.validated import read_record
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    folder = Path(snakemake.input.comparison).parent
    page = render_workflow_report(
        folder,
        snakemake.output.page,
        snakemake.output.figures,
        missions={path: read_record(path, MissionReport) for path in snakemake.input.missions},
        training=snakemake.params.training,
        run_files=snakemake.input.runs,
        title=snakemake.params.title,
        series=snakemake.params.series,
    )
    write_checklist_of_files(
        folder, snakemake.output.checklist, snakemake.params.training, snakemake.input.runs, snakemake.input.sweeps
    )
    context.logger.info(f"report: {page}")
