"""Training: PPO on vectorized environments, resumable bit for bit, in one process or many.

ppo           advantages and losses: pure functions of tensors
rollout       playing the environments of one process
acting        what the network does in a step: a plain call on a CPU, queued work on a GPU
arithmetic    how exactly a GPU computes
learner       minibatches, gradients summed over processes
optimizers    optimizers, without torch's compiler
trainer       all of that in one process, and its state as plain data
start         the trained weights that a training starts from
start_weights  whether these fit
teaching      what is learned from a teacher
curriculum    which of several missions episodes play
partnering    who plays which seat, in training and in held-out evaluations
frozen_policies  teachers and partners, found before training begins
history       earlier checkpoints of a run as partners, and their files
earlier_weights  weights that a run had after a share of its steps
trainable     whether a policy can be trained on a mission
loop          update after update: metrics, checkpoints, the published model
evaluator     evaluations during training, which select the published weights
stopping      stopping training early, at a step or because it performs poorly
metrics       the metrics of an update
metrics_file  metrics.jsonl, written and read
trackers      the same metrics for TensorBoard and libraries like wandb
checkpoints   trainer state on disk
paths         the files of a training run, by name
options       how training runs, and the file that describes a whole run
outcome       how training ended, and run.json
launch        starting one process or a group, and restarting it when it fails
isolation     training of users' policies in a process that they may end
worker        the program of one process of a group
run           one seed of a run, for the workflow
request       one seed of a run, for Python code
"""
