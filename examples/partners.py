"""Train beside a scripted policy and earlier checkpoints, and choose the weights beside another policy."""

from daf import distributed_training

STEPS, EVERY = 60_000, 20_000

if __name__ == "__main__":
    job = distributed_training.daf_launch_distributed_training(
        "tutorial.miner",
        name="beside",
        num_steps=STEPS,
        partners={"pool": ["starter"], "history": {"every": EVERY}, "share": 0.5, "validation": ["miner"]},
        evaluation_episodes=4,
        output_dir="out",
    )
    job.wait_for_completion()
    results = distributed_training.daf_collect_training_results(job)
    shares = [line["partner_share"] for line in results.metrics]
    played = 100 * sum(shares) / len(shares)
    snapshots = len(results.run["snapshots"])
    print(f"partners played {played:.0f} % of the agent-steps; checkpoints in the history: {snapshots}")
