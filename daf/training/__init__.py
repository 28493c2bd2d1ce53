"""Training: PPO on vectorized environments, resumable bit for bit, in one process or many.

recipe        what is trained, and the digest that names it
ppo           advantages and losses: pure functions of tensors
loop          rollout, update, metrics, checkpoints, in one process of a group
group         the process group: one process alone, or torch.distributed
checkpoints   trainer state on disk
launch        torchrun, alone or one agent per machine
worker        the program that torchrun starts
"""
