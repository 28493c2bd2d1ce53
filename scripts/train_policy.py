"""Rule train_policy: train one seed of a run."""

from pathlib import Path

from daf.training.run import train_run
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    wildcards = snakemake.wildcards
    run = context.plan.run(wildcards.run)
    train_run(
        snakemake.params.recipe,
        Path(snakemake.output.model).parent,
        best=Path(snakemake.input.best[0]) if snakemake.input.best else None,
        label=f"train {wildcards.run} · seed {wildcards.seed}",
        num_machines=run.num_machines,
        task_per_process=bool(snakemake.resources.get("tasks_per_gpu")),
        checkpoint_steps=run.checkpoint_interval_steps,
        max_restarts=run.max_restarts,
        trackers=run.trackers,
        device=context.settings.device,
        logger=context.logger,
        log_file=Path(snakemake.log[0]),
    )
