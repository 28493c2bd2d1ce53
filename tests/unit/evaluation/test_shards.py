"""Files of episodes that the workflow makes."""

import io

import pytest

pytest.importorskip("cogames")

from daf.config import MissionConfig
from daf.config.recipes import EvaluationRecipe, MissionRecipe, PolicyRecipe
from daf.episodes.table import read_provenance
from daf.evaluation.shards import evaluate_shard
from daf.logging_config import create_daf_logger


@pytest.mark.parametrize(
    ("config", "success"),
    [
        (MissionConfig(source="planning_unlock_chain_easy"), "game('goal.reached') > 0"),
        (MissionConfig(source="assembler_2", max_steps=5, success="length > 4"), "length > 4"),
        (MissionConfig(source="tutorial", max_steps=5), None),
    ],
)
def test_a_file_says_what_success_was_and_what_playing_took(tmp_path, config, success):
    recipe = EvaluationRecipe(
        mission=MissionRecipe.of("mine", {"mine": config}),
        policy=PolicyRecipe(label="noop", class_path="noop"),
        first_seed=3,
        first_episode=0,
        num_episodes=2,
        max_action_time_ms=10_000,
    )
    logger = create_daf_logger("test", stream=io.StringIO())
    output = tmp_path / "episodes.parquet"
    evaluate_shard(recipe, weights=[], output=output, device="cpu", workers=1, logger=logger)
    provenance_record = read_provenance(output)
    assert provenance_record["mission"] == {"name": "mine", "success": success}
    assert provenance_record["usage"]["seconds"] > 0
    assert provenance_record["usage"]["peak_memory_mb"] > 50
