"""Rule choose_finalists: choose the trials that run again on fresh seeds."""

from daf.search.files import choose_finalists
from daf.system.files import read_json, write_json
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    config = context.plan.sweep(snakemake.wildcards.sweep)
    finalists = choose_finalists(config, [read_json(path) for path in snakemake.input.results])
    write_json(snakemake.output[0], finalists)
    context.logger.info(
        f"sweep {config.name}: trials {[one['trial'] for one in finalists['finalists']]} run on fresh seeds"
    )
