"""Rule analyze_mission: describe how each policy performs on a mission."""

from daf.config.recipes import MissionRecipe
from daf.reporting.mission_page import write_mission_report
from daf.reporting.page_heads import INDEX
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    analyses = write_mission_report(
        MissionRecipe.model_validate(snakemake.params.mission),
        list(snakemake.input.episodes),
        json_path=snakemake.output.analysis,
        html_path=snakemake.output.page,
        series=snakemake.params.page["series"],
        replays=snakemake.params.page["replays"],
        index=f"../../{INDEX}",
    )
    for analysis in analyses:
        context.logger.info(analysis.sentence())
