"""Training: PPO on vectorized environments, resumable bit for bit, in one process or many.

ppo           advantages and losses: pure functions of tensors
rollout       playing the environments of one process
learner       minibatches, gradients summed over processes, the optimizer
held_out      evaluations during training, which choose what is published
trainer       all of that in one process, and its state as plain data
loop          update after update: metrics, checkpoints, the published model
records       metrics.jsonl and the figures in it
trackers      the same figures for TensorBoard and its likes
random_state  the global generators
checkpoints   trainer state on disk
layout        where that state lies
group         the process group: one process alone, or torch.distributed
launch        one process or a group, started again when it fails
torchrun      agents: one per machine
agent         the program of one agent
worker        the program of one process under an agent
heartbeat     finding a process that hangs
failures      why a training failed
stopping      being told to stop
slurm         a training as a batch job
"""
