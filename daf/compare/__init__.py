"""Comparisons that take policies, tables or files, and hand over results.

settings     a configuration with keyword overrides
play         comparisons that play their episodes in this process
scores       comparisons of tables of scores
files        comparisons and their files
suites       named sets of missions, played through the workflow
leaderboard  the results of suites, kept over many runs
ablation     a policy or a training with one thing changed at a time
generated    comparisons of experiments that are made in memory
labels       names of policies in tables and paths
"""
