"""Processes that train together: how they start, find one another, fail and stop. Independent of learning.

process_group  one process alone, or torch.distributed
pair           sums of two processes on one machine
torchrun       starting the agents: one per machine
elastic_agent  the program of one agent
heartbeat      detecting a process that hangs
failures       why training failed
signals        recording SIGTERM and SIGUSR1
"""
