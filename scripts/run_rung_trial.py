"""Rule run_rung_trial: continue the training of a promoted trial and score it again."""

from pathlib import Path

from daf.search.files import read_entry
from daf.search.recipe import ready_recipe
from daf.search.trial import TrialJob, run_promoted_trial
from daf.workflow.script import cores_of_job, script_context

with script_context(snakemake) as context:
    recipe, weights = ready_recipe(snakemake.params.trial, snakemake.input)
    wildcards = snakemake.wildcards
    run_promoted_trial(
        read_entry(snakemake.input.promotions, int(wildcards.entry)),
        recipe,
        Path(snakemake.output.result).parent,
        TrialJob(
            label=f"sweep {wildcards.sweep} · rung {wildcards.rung} · entry {int(wildcards.entry)}",
            device=context.settings.device,
            logger=context.logger,
            log_file=Path(snakemake.log[0]),
            cores=cores_of_job(snakemake),
            weights=weights,
        ),
    )
