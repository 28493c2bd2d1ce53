"""Processes that train together: how they start, find one another, fail and stop. Nothing here knows about learning.

process_group  one process alone, or torch.distributed
torchrun       starting the agents: one per machine
elastic_agent  the program of one agent
heartbeat      finding a process that hangs
failures       why a training failed
signals        remembering SIGTERM and SIGUSR1
"""
