"""Episodes to files and findings.

shards    evaluation as the workflow asks for it: shards of episodes with provenance
mission   how a policy fares on a mission
replays   an episode again, for `cogames replay`
traces    where agents went
"""
