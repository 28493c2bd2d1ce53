"""Training: PPO on vectorized environments, resumable bit for bit, in one process or many.

recipe        what is trained, and the digest that names it
ppo           advantages and losses: pure functions of tensors
loop          rollout, update, metrics, checkpoints, in one process of a group
group         the process group: one process alone, or torch.distributed
checkpoints   trainer state on disk
launch        one process or a group, started again when it fails
torchrun      agents: one per machine
agent         the program of one agent
worker        the program of one process under an agent
heartbeat     finding a process that hangs
failures      why a training failed
slurm         a training as a batch job
"""
