"""Rule select_best: choose the best trial."""

from daf.config import DAFSweepConfig
from daf.search.files import read_results, select_best, sweep_provenance, sweep_results
from daf.system.files import write_json
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    config = DAFSweepConfig.from_dict(snakemake.params.sweep)
    searched, confirmations = read_results(snakemake.input.results), read_results(snakemake.input.confirmations)
    results = sweep_results(config, searched, confirmations)
    best = select_best(results)
    write_json(snakemake.output.best, {**best, "provenance": sweep_provenance(results)})
    context.logger.info(f"sweep {config.name}: {best['hyperparameters']}")
