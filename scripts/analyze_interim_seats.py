"""Rule analyze_interim_seats: check whether a tournament with `episodes: auto` needs more of them."""

from daf.config import DAFTournamentConfig
from daf.evaluation.matches import write_interim_analysis
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    config = DAFTournamentConfig.from_dict(snakemake.params.tournament)
    state = write_interim_analysis(list(snakemake.input.batches), config, snakemake.output[0])
    last = state["interim_analyses"][-1]
    context.logger.info(
        f"tournament {snakemake.wildcards.tournament}: {last['episodes']} of at most {config.episodes_cap} episodes "
        f"per match, {len(last['unsettled'])} pairs open"
    )
