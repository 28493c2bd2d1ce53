"""Rule describe_sweep: describe the search."""

from daf.config import DAFSweepConfig
from daf.reporting.page_heads import INDEX
from daf.reporting.sweep_page import render_sweep_page
from daf.reporting.sweep_words import search_in_words
from daf.search.analysis import analyze
from daf.search.files import read_results, sweep_provenance, sweep_results, trials_json, write_trials_csv
from daf.system.files import write_json
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    config = DAFSweepConfig.from_dict(snakemake.params.sweep)
    searched, confirmations = read_results(snakemake.input.results), read_results(snakemake.input.confirmations)
    results = sweep_results(config, searched, confirmations)
    analysis = {**analyze(results).to_dict(), "provenance": sweep_provenance(results)}
    write_trials_csv(snakemake.output.trials, results)
    write_json(snakemake.output.table, trials_json(results))
    write_json(snakemake.output.analysis, analysis)
    render_sweep_page(results, analysis, snakemake.output.page, index=f"../../{INDEX}")
    for sentence in search_in_words(analysis):
        context.logger.info(f"sweep {config.name}: {sentence}")
