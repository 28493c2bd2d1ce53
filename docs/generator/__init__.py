"""Generates documents, and adapts the others for the site.

api_page          the public names, from signatures and docstrings
calibration_page  how often verdicts are false, from stored results
command_page      the subcommands of `daf`, from its parser
outputs_page      the files that the workflow writes, as a page
output_files      all of these files, by stage
output_learning   those of sweeps and training runs
output_runs       those about an experiment as a whole, and about its runs
output_tournaments  those of tournaments
output_types      what describes a file: its path, rule, purpose and keys
meanings          fields of records with their types and meanings
mkdocs_hooks      what mkdocs asks while it builds the site: pages that lie elsewhere, links
flowchart         mermaid flow charts as SVG
"""
