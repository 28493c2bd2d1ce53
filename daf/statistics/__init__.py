"""Statistics of policy comparison, from arrays to verdicts. Random numbers come from named streams only.

records           rows of the tables: every column with its type and meaning
pair_table        rows about pairs as columns, for millions of them
checked_episodes  an episodes table from anywhere, checked
gaps              results that were never played, filled
unit_collection   independent units of an episodes table, and notes on what is omitted
units             the units of policies on missions, normalized if declared
levels            the significance level of a confidence level
intervals         means and their intervals
large_samples     normal limits of many units
resampled_counts  resamples as counts of units, and statistics of them
joint_bootstrap   units that are drawn once for all missions
order_statistics  quantiles far out in the tails, without sorting
roots             Brent's method for many equations at once
bootstrap         many policies over many missions at once
labellings        all labellings of two samples
hypothesis_tests  p-values and corrections
crossed           variance of recipes' means, by training seeds and environment seeds
recipe_bootstrap  many recipes at once, for other training seeds and environment seeds
effects           standardized effects, power
ranking           ranks, and the probability of being first
few_run_ranks     ranks of resamples of few training runs, which have few different means
streams           one random stream per figure
summary           how each policy scored on each mission
pair_group        pairs whose rows are about the same missions
checkpoint_pairs  a pair of policies, by paired episodes
checkpoint_batch  all pairs at once that have one common episode on each mission
recipe_resamples  resamples of recipes that all pairs share
recipe_pairs      a pair of policies, by training seeds
recipe_batch      all pairs at once that have one score per training run
outline           a comparison in a line and a few tables, for terminals and notebooks
progress          progress of long comparisons, as lines of the log
cautions          what in the data makes a verdict less reliable than its p-value
calibration       how often verdicts are false, by simulated data, and which data resemble a pair's
primary           the quantity that decides, and where others contradict it
planning          power of a pair, and how many more units it needs
verdicts          families of tests: adjusted p-values and verdicts
pairs             all pairs: what they share, and their rows
overall           all missions together: aggregates, ranks, profiles
comparison        an episodes table and a configuration in, results out
sequential        comparisons that add episodes until there is a verdict
explanations      what a comparison answers, and the notes that go with it
advice            how many units would show a stated difference
sentences         verdicts as sentences
comparison_file   the layout of comparison.json
pair_files        files of many rows about pairs
learning_records  learning curves as a comparison reports them
learning_curves   learning curves of recipes, compared
data_dictionary   what every column means
learning_sentences  the same in words
results           the results of a comparison, and their files
scores            tables of scores from elsewhere
score_files       the forms and files that such tables come in
other_layouts     layouts that need a conversion, and which one
marl_eval_files   scores in the layout of marl-eval
export            episodes in that layout
"""
