"""Rule analyze_tournament: compute values, rankings and verdicts from the seats table of a tournament."""

from pathlib import Path

from daf.compare.tournaments import analyze_files
from daf.config import DAFTournamentConfig
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    results = analyze_files(
        snakemake.input.seats,
        DAFTournamentConfig.from_dict(snakemake.params.tournament),
        Path(snakemake.output.results).parent,
    )
    context.logger.info(f"tournament {snakemake.wildcards.tournament}:\n{results}")
