"""Rule promote_trials: decide which trials of a bracket train on."""

from daf.search.files import promote_trials
from daf.system.files import read_json, write_json
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    sweep = context.plan.sweep_plan(snakemake.wildcards.sweep)
    rung, bracket = int(snakemake.wildcards.rung), int(snakemake.wildcards.bracket)
    promotions = promote_trials(sweep, rung, bracket, [read_json(path) for path in snakemake.input.results])
    write_json(snakemake.output[0], promotions)
    trials = [one["trial"] for one in promotions["entries"].values()]
    context.logger.info(f"sweep {sweep.config.name} · rung {rung} · bracket {bracket}: trials {trials} train on")
