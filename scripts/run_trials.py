"""Rule run_trials_…: propose and run several trials of a sweep in turn, in one process."""

from pathlib import Path

from daf.config import DAFSweepConfig
from daf.search.files import read_prior, read_results
from daf.search.recipe import ready_recipe
from daf.search.trial import TrialJob, propose_and_run
from daf.workflow.script import cores_of_job, script_context

with script_context(snakemake) as context:
    config = DAFSweepConfig.from_dict(snakemake.params.sweep)
    recipe, weights = ready_recipe(snakemake.params.trial, snakemake.input)
    results = read_results(snakemake.input.results)
    prior = [result for path in snakemake.input.prior for result in read_prior(path, config)]
    for trial, path in enumerate(snakemake.output.results, start=snakemake.params.first):
        job = TrialJob(
            label=f"sweep {config.name} · trial {trial}",
            device=context.settings.device,
            logger=context.logger,
            log_file=Path(snakemake.log[0]),
            cores=cores_of_job(snakemake),
            weights=weights,
        )
        propose_and_run(config, trial, results, prior, recipe, Path(path).parent, job)
