"""Rule run_trials_…: propose and run several trials of a sweep, one after another in one process."""

from pathlib import Path

from daf.search.files import read_evidence, read_prior
from daf.search.trial import propose_and_run
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    sweep = context.plan.sweep_plan(snakemake.params.sweep_name)
    evidence = read_evidence(snakemake.input.results)
    prior = [one for path in snakemake.input.prior for one in read_prior(path, sweep.config)]
    for trial, result in enumerate(snakemake.output.results, start=snakemake.params.first):
        propose_and_run(
            sweep,
            trial,
            evidence,
            prior,
            Path(result).parent,
            label=f"sweep {sweep.config.name} · trial {trial} ({trial + 1} of {len(sweep.trials)})",
            device=context.settings.device,
            max_action_time_ms=context.plan.experiment.evaluation.max_action_time_ms,
            logger=context.logger,
            log_file=Path(snakemake.log[0]),
        )
