"""The table of episodes, and pure functions of its rows.

table          the table's columns, reading and writing, and the provenance in its file
statistics     names of the engine's statistics, as columns and in expressions
success        when an episode counts as a success
objective      the metric that scores trials and held-out evaluations
failure_modes  what went wrong in episodes
"""
