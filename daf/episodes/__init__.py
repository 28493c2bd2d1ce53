"""What an episode says: the table of episodes and pure functions of its rows.

table          the columns, reading and writing, provenance inside the file
statistics     names of the engine's statistics, as columns and in expressions
success        when an episode counts as a success
objective      the figure that trials and held-out evaluations are scored by
failure_modes  how episodes went wrong
"""
