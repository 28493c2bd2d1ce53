"""Rule choose_finalists: choose the trials that run again on fresh seeds."""

from daf.config import DAFSweepConfig
from daf.search.files import choose_finalists, read_results, sweep_results
from daf.system.files import write_json
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    config = DAFSweepConfig.from_dict(snakemake.params.sweep)
    finalists = choose_finalists(sweep_results(config, read_results(snakemake.input.results)))
    write_json(snakemake.output[0], finalists)
    trials = [finalist["trial"] for finalist in finalists["finalists"]]
    context.logger.info(f"sweep {config.name}: trials {trials} run on fresh seeds")
