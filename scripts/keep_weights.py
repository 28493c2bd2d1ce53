"""Rule keep_weights: publish the weights that a run had after a share of its steps."""

from pathlib import Path

from daf.config import DAFTrainingConfig
from daf.training.options import RunOptions
from daf.training.run import RunInputs, keep_weights
from daf.workflow.script import cores_of_job, script_context

with script_context(snakemake) as context:
    wildcards = snakemake.wildcards
    keep_weights(
        snakemake.params.recipe,
        Path(snakemake.input.model).parent,
        RunOptions.of(
            DAFTrainingConfig.from_dict(snakemake.config["training"][wildcards.run]),
            label=f"train {wildcards.run} · seed {wildcards.seed} · at {wildcards.share}",
            device=context.settings.device,
            task_per_gpu=bool(snakemake.resources.get("tasks_per_gpu")),
            cores=cores_of_job(snakemake),
            keep=(float(wildcards.share),),
            log_file=Path(snakemake.log[0]),
        ),
        RunInputs.of(snakemake.input),
        logger=context.logger,
    )
