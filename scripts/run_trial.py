"""Rule run_trial: train with a trial's hyperparameters and score the result."""

from pathlib import Path

from daf.search.trial import run_trial
from daf.system.files import read_json
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    sweep, trial = snakemake.wildcards.sweep, int(snakemake.wildcards.trial)
    run_trial(
        read_json(snakemake.input.proposal),
        snakemake.params.trial,
        Path(snakemake.output.result).parent,
        label=f"sweep {sweep} · trial {trial} ({trial + 1} of {len(context.plan.sweep_plan(sweep).trials)})",
        device=context.settings.device,
        max_action_time_ms=context.plan.experiment.evaluation.max_action_time_ms,
        logger=context.logger,
        log_file=Path(snakemake.log[0]),
    )
