"""Damaged and mistaken input of every kind that DAF reads: it ends in acceptance or in an error with four parts.

python -m tests.fuzz --inputs 20000     counts by kind of file
"""
