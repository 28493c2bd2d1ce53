"""Generates api.md, outputs.md and calibration.md.

api_page          the public names, from signatures and docstrings
calibration_page  how often verdicts are false, from stored results
outputs_page      the files that the workflow writes, as a page
output_files      all of these files, by stage
output_learning   those of sweeps and training runs
output_types      what describes a file: its path, rule, purpose and keys
meanings          fields of records with their types and meanings
"""
