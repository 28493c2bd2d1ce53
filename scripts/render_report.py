"""Rule render_report: draw the figures and write the page of a comparison."""

from pathlib import Path

from daf.reporting.comparison_page import MissionReport, render_report
from daf.system.validated import read_record
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    page = render_report(
        Path(snakemake.input.comparison).parent,
        snakemake.output.page,
        snakemake.output.figures,
        mission_reports=[read_record(path, MissionReport) for path in snakemake.input.missions],
        training_metrics={" ".join(Path(path).parts[-3:-1]): path for path in snakemake.input.metrics},
        title=snakemake.params.title,
    )
    context.logger.info(f"report: {page}")
