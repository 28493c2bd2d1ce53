"""Figures and HTML pages of results. Numbers are computed elsewhere and only displayed here.

page             shared by all pages: templates, words and symbols of verdicts, failed policies
viewpoint        a comparison as one policy sees it, and the answer in a sentence
chart_rows       rows of charts that all pages share
comparison_page  the page of a comparison
comparison_charts  its charts, as data
score_points     the points of its charts, with their seeds
comparison_tables  its tables, and the lines of what failed
notes            its notes, in groups
facts            records as lists of facts in words
checklist        what reviewers ask, filled in from records
mission_page     the page of a mission
mission_charts   its charts, as data
sweep_page       the page of a sweep, also while it runs
sweep_rows       its trials: how each ended, in words, and the table
sweep_charts     its charts, as data
sweep_words      its sentences
objectives       what its objective is called, and how its values are written
tournament_page  the page of a tournament
tournament_charts  its charts, as data
tournament_tables  its tables
beside_run       a process beside the workflow that writes pages
live_sweeps      a process that keeps pages of running sweeps up to date
index_page       the page of an experiment
index_facts      what it shows, collected from files
index_history    its history of runs, in words
leaderboard_page  the leaderboard of an output folder
leaderboard_facts  which scores may share a board
live_index       a process that keeps it up to date
page_heads       what every page says in its head
curve_samples    learning curves of training runs that may still run
sparklines       small pictures of them
disk_use         what an output folder takes on disk
templating       the environment of all templates
learning_tables  learning curves of recipes, compared
learning_curves  charts of metrics.jsonl and of held-out evaluations
maps             heat maps of agent positions
animation        an episode as an animation without scripts
player           episodes that a reader chooses, stops and steps through
templates/       the pages' HTML
"""
