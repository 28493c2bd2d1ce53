"""Train a network that knows each agent's index, and see how it plays."""

from daf import distributed_training, mission_analysis

STEPS, EPISODES = 100_000, 8
MISSION = "training_facility_1"

if __name__ == "__main__":
    job = distributed_training.daf_launch_distributed_training(
        MISSION, name="roles", num_steps=STEPS, init_kwargs={"agent_id": True}, output_dir="out"
    )
    policy = {"data_path": job.wait_for_completion()}
    print(mission_analysis.daf_analyze_mission(MISSION, policy=policy, episodes=EPISODES).sentence())
