"""Rule evaluate_policy: play one shard of a policy's episodes on a mission."""

from daf.evaluations import evaluate_shard
from daf.recipes import EvaluationRecipe
from daf.rule import running

with running(snakemake) as (plan, logger):
    evaluate_shard(
        EvaluationRecipe.model_validate(snakemake.params.recipe),
        checkpoint=plan.checkpoints[snakemake.wildcards.checkpoint],
        weights=list(snakemake.input.weights),
        output=snakemake.output[0],
        device=plan.experiment.daf.device,
        workers=snakemake.threads,
        logger=logger,
    )
