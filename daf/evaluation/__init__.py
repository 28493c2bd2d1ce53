"""Turns episodes into files and findings.

shards     evaluation in the workflow: shards of episodes with provenance
matches    the same for matches of tournaments, with the analyses that end them early
interim    whether an interim analysis ends them
mission    how a policy performs on a mission
answer     which policy of a mission is better, where that is settled
tolerance  failed episodes against the declared tolerance
replays    episodes replayed for `cogames replay`
traces     where agents went
"""
