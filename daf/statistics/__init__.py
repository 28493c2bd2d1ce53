"""Statistics of policy comparison, from arrays to verdicts. Randomness comes only from the generator passed in.

intervals         means and their intervals
bootstrap         many policies over many missions at once
hypothesis_tests  p values and corrections
effects           standardised effects, power
ranking           ranks and who is first
units             independent units of an episodes table
pairs             every pair of policies: difference, interval, p value, verdict
overall           all missions together: aggregates, ranks, profiles
sequential        comparisons that add episodes until there is a verdict
explanations      what the numbers mean, and what they do not
sentences         verdicts as sentences
results           what comes out
scores            tables of scores that users bring
export            the layout of marl-eval
"""
