"""How results look: figures and HTML pages. Numbers are made elsewhere and only shown here.

page             what all pages share: templates, symbols, rows
comparison_page  the page of a comparison
mission_page     the page of a mission
sweep_page       the page of a sweep
figures          palettes, axes and the figures of one mission
overall_figures  the figures over all missions
learning_curves  metrics.jsonl read and drawn
maps             where agents went
animation        an episode moving
templates/       the pages' HTML
"""
