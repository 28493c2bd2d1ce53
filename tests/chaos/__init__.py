"""Faults while the workflow runs: whatever happens, the same command ends with the files of an undisturbed run.

experiment   a small experiment, and its command
faults       what can happen: kills, stops, full disks, two runs at once, lost and damaged files
disturbed    a run with faults, and what it ended with
contents     files without what depends on the clock
injected     a module that Python loads at its start, to make a disk appear full

`python -m tests.chaos --faults 200` is the long form; `test_chaos.py` runs a short one.
"""
