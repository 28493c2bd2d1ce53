"""Rule evaluate_policy: play one shard of a policy's episodes on a mission."""

from daf.compare.files import reason_to_skip
from daf.config.recipes import EvaluationRecipe
from daf.evaluation.shards import evaluate_shard, write_skipped_shard
from daf.workflow.script import evaluation_device, script_context

with script_context(snakemake) as context:
    recipe = EvaluationRecipe.model_validate(snakemake.params.recipe)
    reason = reason_to_skip(list(snakemake.input.interim_analyses))
    if reason:
        write_skipped_shard(recipe, reason, snakemake.output[0])
        context.logger.info(reason)
    else:
        evaluate_shard(
            recipe,
            weights=list(snakemake.input.weights),
            output=snakemake.output[0],
            device=evaluation_device(snakemake, context.settings.device),
            workers=snakemake.threads,
            logger=context.logger,
        )
