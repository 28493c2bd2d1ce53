"""Comparisons that play something.

play         the episodes of a comparison, played in this process
files        comparisons as the workflow keeps them
suites       named sets of missions
leaderboard  results of suites from run to run
ablation     a policy or a training with one thing changed at a time
generated    experiments that are made in memory
labels       names of policies in tables and paths
"""
