"""Training: PPO on vectorized environments, resumable bit for bit, in one process or many.

ppo           advantages and losses: pure functions of tensors
rollout       playing the environments of one process
learner       minibatches, gradients summed over processes, the optimizer
trainer       all of that in one process, and its state as plain data
loop          update after update: metrics, checkpoints, the published model
evaluator     evaluations during training, which choose what is published
stopping      ending a training early, at a step or because it lags behind
metrics       metrics.jsonl and the figures in it
trackers      the same figures for TensorBoard and its likes
random_state  the global generators
checkpoints   trainer state on disk
paths         the files of a training, by name
launch        one process or a group, started again when it fails
worker        the program of one process of a group
run           one seed of a run, as the workflow asks for it
"""
