"""Rule render_tournament: draw the figures and write the page of a tournament."""

from daf.workflow.script import script_context

with script_context(snakemake) as context:
    from daf.reporting.tournament_page import render_workflow_tournament  # with scipy

    page = render_workflow_tournament(
        snakemake.input.results,
        snakemake.output.page,
        snakemake.output.figures,
        title=snakemake.params.title,
        series=snakemake.params.series,
    )
    context.logger.info(f"report: {page}")
