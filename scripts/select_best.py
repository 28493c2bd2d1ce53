"""Rule select_best: choose the best trial and describe the search."""

from daf.reporting.sweep_page import render_sweep_page
from daf.search.files import analyze_trials, select_best, sweep_recipe, sweep_results, trials_json, write_trials_csv
from daf.system.files import read_json, write_json
from daf.system.provenance import provenance
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    config = context.plan.sweep(snakemake.wildcards.sweep)
    results = [read_json(path) for path in snakemake.input.results]
    confirmations = [read_json(path) for path in snakemake.input.confirmations]
    best = select_best(config, results, confirmations)
    write_trials_csv(snakemake.output.trials, sweep_results(config, results))
    write_json(snakemake.output.table, trials_json(config, results))
    made_by = provenance(sweep_recipe(config), {"search": config.seed, "evaluation": config.evaluation_seed})
    analysis = {**analyze_trials(config, results, confirmations), "provenance": made_by}
    write_json(snakemake.output.analysis, analysis)
    render_sweep_page(analysis, snakemake.output.page)
    write_json(snakemake.output.best, {**best, "provenance": made_by})
    context.logger.info(
        f"sweep {config.name}: best of {best['num_trials']} is trial {best['trial']} with "
        f"{best['objective_metric']} {best['objective']:.3f}: {best['hyperparameters']}"
    )
    if best["confirmation"]:
        mean, optimism = best["confirmation"]["mean"], best["confirmation"]["optimism"]
        context.logger.info(
            f"sweep {config.name}: {mean:.3f} on fresh seeds; the search promised {optimism:+.3f} too much"
        )
