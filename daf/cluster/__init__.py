"""Slurm: the facts of a cluster, checks before jobs are submitted, and trainings as batch jobs.

settings      what differs between clusters: the model of profiles/slurm/cluster.yaml
inventory     what a cluster has, according to Slurm's own programs
check         whether the cluster has what jobs ask for
orphans       jobs that outlived the Snakemake that submitted them
states        Slurm's names for the states of a job that is over
status        the status program of the cluster-generic profile
batch_job     a training as a Slurm job
training_job  a training in the background, on this machine or as a Slurm job
"""
