"""Train with a scripted teacher at first, then without it."""

from daf import distributed_training

LESSONS, STEPS = 30_000, 60_000

if __name__ == "__main__":
    job = distributed_training.daf_launch_distributed_training(
        "tutorial.miner",
        name="taught",
        num_steps=STEPS,
        teacher={"policy": "baseline", "mode": "kickstart", "steps": LESSONS},
        output_dir="out",
    )
    job.wait_for_completion()
    metrics = distributed_training.daf_collect_training_results(job).metrics
    losses = [line["teacher_loss"] for line in metrics if "teacher_loss" in line]
    print(f"{len(losses)} updates with a teacher: cross-entropy {losses[0]:.2f} at first, {losses[-1]:.2f} at the end")
