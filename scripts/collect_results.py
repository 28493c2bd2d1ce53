"""Rule collect_results: collect old results of a sweep in one file."""

from daf.search.files import collect_results, read_results
from daf.system.files import write_json
from daf.workflow.script import script_context

with script_context(snakemake):
    write_json(snakemake.output[0], collect_results(read_results(snakemake.input.results)))
