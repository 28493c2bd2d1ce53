"""Rule promote_trials: decide which trials of a bracket continue."""

from daf.config.recipes import PromotionRecipe
from daf.search.files import promote_trials, read_results
from daf.system.files import write_json
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    recipe = PromotionRecipe.model_validate(snakemake.params.promotion)
    promotions = promote_trials(recipe, read_results(snakemake.input.results))
    write_json(snakemake.output[0], promotions)
    trials = [entry["trial"] for entry in promotions["entries"].values()]
    bracket = f"rung {recipe.rung} · bracket {recipe.bracket}"
    context.logger.info(f"sweep {recipe.sweep} · {bracket}: trials {trials} continue")
