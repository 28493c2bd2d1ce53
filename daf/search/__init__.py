"""Sweeps: what to try next, what a search found, and the files in between.

space       search spaces: sampling, encoding, checking
strategy    what a strategy is, built in or a user's own
proposers   the strategies that need no model, and strategies by name
bayesian    a Gaussian process or TPE over completed trials
halving     successive halving in brackets whose sizes are known beforehand
history     which results a proposal may look at, in blocks
budget      what a trial may still cost
evidence    completed trials as strategies see them
results     trials and finished sweeps as typed records
confirmation  the best trials again, on fresh seeds
analysis    what a finished search says: progress, cost, importance
interactions  pairs of parameters that matter together
plan        the static graph of a sweep
files       the files of a sweep: proposals, results, tables
trial       one trial: its training and its score
in_process  a sweep over a function, in this process
"""
