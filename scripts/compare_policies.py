"""Rule compare_policies: compare policies with intervals and corrected tests."""

from pathlib import Path

from daf.compare.curves import training_curves
from daf.compare.files import compare_files
from daf.config import DAFComparisonConfig
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    results = compare_files(
        list(snakemake.input.episodes),
        DAFComparisonConfig.from_dict(snakemake.params.comparison),
        Path(snakemake.output.comparison).parent,
        training_curves(snakemake.params.training, snakemake.input.runs),
    )
    context.logger.info(f"comparison {snakemake.wildcards.comparison}:\n{results}")
