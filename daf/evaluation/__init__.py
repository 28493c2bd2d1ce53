"""Turns episodes into files and findings.

shards     evaluation in the workflow: shards of episodes with provenance
mission    how a policy performs on a mission
tolerance  failed episodes against the declared tolerance
replays    episodes replayed for `cogames replay`
traces     where agents went
"""
