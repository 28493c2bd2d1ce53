"""Rule propose_trial: choose the hyperparameters of a trial."""

from daf.search.files import propose_trial, read_evidence, read_prior
from daf.system.files import write_json
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    trial, config = int(snakemake.wildcards.trial), context.plan.sweep(snakemake.wildcards.sweep)
    prior = [one for path in snakemake.input.prior for one in read_prior(path, config)]
    proposal = propose_trial(config, trial, read_evidence(snakemake.input.results), prior=prior)
    write_json(snakemake.output[0], proposal)
    context.logger.info(f"sweep {config.name} · trial {trial}: {proposal['hyperparameters']}")
