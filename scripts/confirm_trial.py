"""Rule confirm_trial: train and score a finalist on a fresh seed."""

from pathlib import Path

from daf.search.files import read_finalist
from daf.search.recipe import ready_recipe
from daf.search.trial import TrialJob, run_finalist
from daf.workflow.script import cores_of_job, script_context

with script_context(snakemake) as context:
    recipe, weights = ready_recipe(snakemake.params.trial, snakemake.input)
    wildcards = snakemake.wildcards
    rank, index = int(wildcards.rank), int(wildcards.seed)
    run_finalist(
        read_finalist(snakemake.input.finalists, rank, index),
        recipe,
        Path(snakemake.output.result).parent,
        TrialJob(
            label=f"sweep {wildcards.sweep} · finalist {rank + 1} · seed {index}",
            device=context.settings.device,
            logger=context.logger,
            log_file=Path(snakemake.log[0]),
            cores=cores_of_job(snakemake),
            weights=weights,
        ),
        index=index,
    )
