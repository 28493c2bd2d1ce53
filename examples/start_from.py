"""Train on short episodes, then go on from these weights on long ones."""

from daf import distributed_training
from daf.config import MissionConfig

EASY_STEPS, HARD_STEPS = 50_000, 50_000
MISSION = "training_facility_1"

if __name__ == "__main__":
    easy = distributed_training.daf_launch_distributed_training(
        MissionConfig(source=MISSION, max_steps=100), name="easy", num_steps=EASY_STEPS, output_dir="out"
    )
    weights = easy.wait_for_completion()
    hard = distributed_training.daf_launch_distributed_training(
        MISSION, name="hard", num_steps=HARD_STEPS, start_from=str(weights), output_dir="out"
    )
    hard.wait_for_completion()
    run = distributed_training.daf_collect_training_results(hard).run
    before = run["started_from"]
    print(f"{run['status']}: {run['agent_steps']:,} agent-steps after {before['agent_steps']:,} on {before['mission']}")
