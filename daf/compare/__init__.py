"""Comparisons and tournaments of policies, tables or files.

settings     a configuration with keyword overrides
play         comparisons that play their episodes in this process
scores       comparisons of tables of scores
files        comparisons and their files
curves       learning curves of training runs
tournaments  tournaments that are played in this process, and those of seats tables and leagues
partial      failed policies at the end of a run, and comparisons without them
suites       named sets of missions, played through the workflow
leaderboard  accumulated results of suites
ablation     a policy or training run with one thing changed at a time
generated    comparisons of experiments that are made in memory
labels       names of policies in tables and paths
"""
