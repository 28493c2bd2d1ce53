"""Comparisons that play something.

suites       named sets of missions
leaderboard  results of suites from run to run
ablation     a policy or a training with one thing changed at a time
"""
