"""Train the default policy in two processes, and read what training reports."""

from daf import distributed_training

STEPS = 100_000

if __name__ == "__main__":
    job = distributed_training.daf_launch_distributed_training(
        env_cfg="tutorial.miner",
        policy_class_path="grid",
        num_steps=STEPS,
        processes_per_machine=2,
        output_dir="out",
    )
    model = job.wait_for_completion()
    outcome = distributed_training.daf_collect_training_results(job)
    print(f"{model}: {outcome.run['status']}, {outcome.run['agent_steps']:,} agent-steps")
