"""Hyperparameter search: a sweep's trials, what they try, how they run, and what they show.

space        what varies, as dimensions that map [0, 1) to values
strategy     the interface of strategies, and what they share
bayesian     Bayesian optimization by Optuna, without a database
proposers    strategies by name, and the proposal of a trial
history      which results a proposal reads, and in which blocks
halving      successive halving as a static graph
budget       median stopping and the time used
assignment   what one job trains and scores
records      the keys of the JSON files that have no other type
results      finished trials as frozen values, the best of them, its confirmation
plan         every trial, rung, block, and confirmation run of a sweep, and which file needs which
paths        the files of a sweep, by name
recipe       what determines a sweep's proposals, results and best trial
files        the content of these files
trial        one trial: train, then score
trial_scores  its score, on several missions and training seeds
in_process   a sweep of a Python function
importance   which parameters decide whether a trial ranks among the best
analysis     progress, failures, cost, importance, and interactions of a sweep
"""
