"""Rule run_interim_analysis: check whether a comparison that adds episodes until its verdict needs more."""

from daf.compare.files import write_interim_analysis
from daf.config import DAFComparisonConfig
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    state = write_interim_analysis(
        list(snakemake.input.episodes),
        DAFComparisonConfig.from_dict(snakemake.params.comparison),
        snakemake.output[0],
    )
    last = state["interim_analyses"][-1]
    context.logger.info(
        f"comparison {snakemake.wildcards.comparison}: {last['episodes']} of at most {state['cap']} episodes, "
        f"{len(last['unsettled'])} pairs without verdict"
    )
