"""Episodes to files and findings.

shards    evaluation as the workflow asks for it: shards of episodes with provenance
replays   an episode again, for `cogames replay` or the page of a mission
traces    where agents went
"""
