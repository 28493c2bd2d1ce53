"""Figures and HTML pages of results. Numbers are computed elsewhere and only displayed here.

page             shared by all pages: templates, symbols, rows
comparison_page  the page of a comparison
checklist        what reviewers ask, filled in from records
mission_page     the page of a mission
sweep_page       the page of a sweep
figures          palettes, axes and the figures of one mission
overall_figures  the figures over all missions
figure_notes     what error bars of a comparison's figures show
learning_curves  plots of metrics.jsonl
maps             heat maps of agent positions
animation        an episode as an animation
templates/       the pages' HTML
"""
