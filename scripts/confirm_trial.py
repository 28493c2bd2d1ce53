"""Rule confirm_trial: train and score a finalist on fresh seeds."""

from pathlib import Path

from daf.search.trial import run_finalist
from daf.system.files import read_json
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    wildcards = snakemake.wildcards
    run_finalist(
        read_json(snakemake.input.finalists),
        snakemake.params.trial,
        Path(snakemake.output.result).parent,
        rank=int(wildcards.rank),
        index=int(wildcards.seed),
        label=f"sweep {wildcards.sweep} · finalist {int(wildcards.rank) + 1} · seed {wildcards.seed}",
        device=context.settings.device,
        max_action_time_ms=context.plan.experiment.evaluation.max_action_time_ms,
        logger=context.logger,
        log_file=Path(snakemake.log[0]),
    )
