"""Rule propose_trial: choose the hyperparameters of a trial."""

from daf.config import DAFSweepConfig
from daf.search.files import propose_trial, read_prior, read_results
from daf.system.files import write_json
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    trial, config = int(snakemake.wildcards.trial), DAFSweepConfig.from_dict(snakemake.params.sweep)
    prior = [result for path in snakemake.input.prior for result in read_prior(path, config)]
    proposal = propose_trial(config, trial, read_results(snakemake.input.results), prior=prior)
    write_json(snakemake.output[0], proposal)
    context.logger.info(f"sweep {config.name} · trial {trial}: {proposal['hyperparameters']}")
