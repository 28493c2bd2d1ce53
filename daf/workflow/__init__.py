"""The Python half of the Snakefile.

configuration        the experiment's files, and --config
plan                 the three static plans of an experiment
checkpoint_plan      who plays: policies and their checkpoints
episode_plan         what is played: episodes, shards, interim analyses
learning_plan        what is learned: training runs and sweeps
preflight            the check with the engine before the graph is built, once per content
engine_check         what that check examines
shadowing            files of the user's that hide modules which the engine imports
code_changes         why results are made again, in words
rehearsal_plan       which policies run a user's code, and what each will have to do
targets              what a user may request, and errors for what no target can be
lock                 removes the lock that a killed Snakemake leaves behind
runner               the Snakefile, run from Python
script               what every program in scripts/ does around its one call, and running a script by hand
snakemake_internals  every use of undocumented names of Snakemake
rulegraph            the rule graph in the README
"""
