"""Rule take_look: see whether a comparison that adds episodes until its verdict needs more."""

from daf.compare.files import write_look
from daf.workflow.script import running

with running(snakemake) as (plan, logger):
    state = write_look(
        list(snakemake.input.episodes), plan.comparison(snakemake.wildcards.comparison), snakemake.output[0]
    )
    last = state["looks"][-1]
    logger.info(
        f"comparison {snakemake.wildcards.comparison}: {last['episodes']} of at most {state['cap']} episodes, "
        f"{len(last['unsettled'])} pairs without verdict"
    )
