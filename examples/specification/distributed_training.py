from daf import distributed_training

job = distributed_training.daf_launch_distributed_training(
    env_cfg=env_cfg,
    policy_class_path="lstm",
    num_steps=1_000_000,
    num_machines=4,
)
checkpoint = job.wait_for_completion()
