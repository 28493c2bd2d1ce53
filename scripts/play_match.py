"""Rule play_match: play a batch of episodes of one match, or of several matches of the same policies."""

from daf.config.match_recipes import MatchRecipe
from daf.evaluation.matches import play_batch, reason_to_skip, write_skipped_batch
from daf.workflow.script import evaluation_device, script_context

with script_context(snakemake) as context:
    reason = reason_to_skip(list(snakemake.input.interim_analyses))
    for output, recipe in zip(snakemake.output, snakemake.params.recipes, strict=True):
        recipe = MatchRecipe.model_validate(recipe)
        if reason:
            write_skipped_batch(recipe, reason, output)
        else:
            play_batch(
                recipe,
                weights=list(snakemake.input.weights),
                output=output,
                device=evaluation_device(snakemake, context.settings.device),
                workers=snakemake.threads,
                logger=context.logger,
            )
    if reason:
        context.logger.info(reason)
