"""Rule propose_trial: choose the hyperparameters of a trial."""

from daf.files import read_json, write_json
from daf.rule import running
from daf.sweeps import propose_trial

with running(snakemake) as (plan, logger):
    trial = int(snakemake.wildcards.trial)
    results = [read_json(path) for path in snakemake.input.results]
    proposal = propose_trial(plan.sweep(snakemake.wildcards.sweep), trial, results)
    write_json(snakemake.output[0], proposal)
    logger.info(f"sweep {snakemake.wildcards.sweep} · trial {trial}: {proposal['hyperparameters']}")
