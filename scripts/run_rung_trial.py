"""Rule run_rung_trial: let a promoted trial train on and score it again."""

from pathlib import Path

from daf.search.trial import run_promoted_trial
from daf.system.files import read_json
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    wildcards = snakemake.wildcards
    run_promoted_trial(
        read_json(snakemake.input.promotions)["entries"][str(int(wildcards.entry))],
        snakemake.params.trial,
        Path(snakemake.output.result).parent,
        rung=int(wildcards.rung),
        label=f"sweep {wildcards.sweep} · rung {wildcards.rung} · entry {int(wildcards.entry)}",
        device=context.settings.device,
        max_action_time_ms=context.plan.experiment.evaluation.max_action_time_ms,
        logger=context.logger,
        log_file=Path(snakemake.log[0]),
    )
