"""Slurm: facts about a cluster, checks before submission, and training as batch jobs.

settings      settings that differ between clusters: the model of profiles/slurm/cluster.yaml
inventory     what a cluster has, according to Slurm's own programs
check         whether the cluster has what jobs request
orphans       jobs that outlived the Snakemake that submitted them
states        Slurm's names for the states of an ended job
status        the status program of the cluster-generic profile
batch_job     training as a Slurm job
training_job  training in the background, on this machine or as a Slurm job
"""
