"""Rule list_statistics: the statistics that a mission's `success` expression may name."""

from daf.episodes.statistics import episode_statistics
from daf.episodes.table import read_episodes, read_provenance
from daf.system.files import write_json
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    paths = list(snakemake.input.episodes)
    names = episode_statistics(read_episodes(paths)).names()
    write_json(snakemake.output[0], {**names, "provenance": {"episodes": [read_provenance(path) for path in paths]}})
    context.logger.info(f"game: {', '.join(names['game'])}")
    context.logger.info(f"agent: {', '.join(names['agent'])}")
