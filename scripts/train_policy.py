"""Rule train_policy: train one seed of a run."""

from pathlib import Path

from daf.config import DAFTrainingConfig, ExperimentConfig
from daf.training.options import RunOptions
from daf.training.run import RunInputs, train_run
from daf.workflow.earlier_checkpoints_plan import kept_shares
from daf.workflow.script import cores_of_job, script_context

with script_context(snakemake) as context:
    wildcards = snakemake.wildcards
    train_run(
        snakemake.params.recipe,
        Path(snakemake.output.model).parent,
        RunOptions.of(
            DAFTrainingConfig.from_dict(snakemake.config["training"][wildcards.run]),
            label=f"train {wildcards.run} · seed {wildcards.seed}",
            device=context.settings.device,
            task_per_gpu=bool(snakemake.resources.get("tasks_per_gpu")),
            cores=cores_of_job(snakemake),
            keep=kept_shares(ExperimentConfig.from_dict(dict(snakemake.config)), wildcards.run),
            log_file=Path(snakemake.log[0]),
        ),
        RunInputs.of(snakemake.input),
        logger=context.logger,
    )
