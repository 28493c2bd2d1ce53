"""Rule replay_episode: write the best, median or worst episode for `cogames replay`."""

from daf.config.recipes import MissionRecipe
from daf.evaluation.replays import daf_write_replay
from daf.workflow.script import script_context

with script_context(snakemake) as context:
    row = daf_write_replay(
        snakemake.input.episodes,
        snakemake.output[0],
        snakemake.wildcards.replay,
        mission=MissionRecipe.model_validate(snakemake.params.mission).config,
    )
    context.logger.info(
        f"episode {row['episode']}, mean reward {row['mean_reward']:.3f}: cogames replay {snakemake.output[0]}"
    )
