"""Rule run_slot: let a promoted trial train on and score it again."""

from pathlib import Path

from daf.search.trial import run_promoted_trial
from daf.system.files import read_json
from daf.workflow.script import running

with running(snakemake) as (plan, logger):
    wildcards = snakemake.wildcards
    run_promoted_trial(
        read_json(snakemake.input.promotions)["slots"][str(int(wildcards.slot))],
        snakemake.params.trial,
        Path(snakemake.output.result).parent,
        rung=int(wildcards.rung),
        label=f"sweep {wildcards.sweep} · rung {wildcards.rung} · slot {int(wildcards.slot)}",
        device=plan.experiment.daf.device,
        max_action_time_ms=plan.experiment.evaluation.max_action_time_ms,
        logger=logger,
        log_file=Path(snakemake.log[0]),
    )
