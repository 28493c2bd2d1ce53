"""The Python half of the Snakefile.

plan                 the three static plans of an experiment
checkpoint_plan      who plays: policies and their checkpoints
episode_plan         what is played: episodes, shards, interim analyses
learning_plan        what is learned: training runs and sweeps
preflight            the check with the engine before there is a graph, once per content
engine_check         what that check looks at
lock                 Snakemake's lock, which a killed run leaves behind
runner               the Snakefile, run from Python
script               what every program in scripts/ does around its one call, and a script run by hand
snakemake_internals  every use of names that Snakemake does not document
rulegraph            the picture of the rules in the README
"""
