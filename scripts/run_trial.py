"""Rule run_trial: train with a trial's hyperparameters and score the result."""

from pathlib import Path

from daf.search.recipe import ready_recipe
from daf.search.trial import TrialJob, run_proposed_trial
from daf.workflow.script import cores_of_job, script_context

with script_context(snakemake) as context:
    recipe, weights = ready_recipe(snakemake.params.trial, snakemake.input)
    run_proposed_trial(
        Path(snakemake.input.proposal),
        recipe,
        Path(snakemake.output.result).parent,
        TrialJob(
            label=f"sweep {snakemake.wildcards.sweep} · trial {int(snakemake.wildcards.trial)}",
            device=context.settings.device,
            logger=context.logger,
            log_file=Path(snakemake.log[0]),
            cores=cores_of_job(snakemake),
            weights=weights,
        ),
    )
