"""Tournaments of mixed teams, from a configuration to matches and from their results to conclusions. Pure.

seatings       which seats the policies of a team take, in balanced designs
matches        who sits where, on which mission, from the configuration alone
table          the seats table: one row per episode and seat, and its file
scores         scores of policies in single episodes
league         match tables in the layout of leagues
line_ups       who shared a team, how it scored, and what failed
values         means and values over replacement, as leagues compute them
units          what every map contributes to a mean, and intervals of means
estimates      values with intervals: by number of seats, by seat and role
contributions  marginal values, from a model of who plays in which seat
cross_play     the score of every candidate with every partner
comparisons    verdicts on candidates, and when more episodes are not needed
preferences    which of two candidates does better in the same place
ratings        Elo, OpenSkill, Soft Condorcet
equilibria     maximal lotteries, Nash averaging, alpha-rank
rank_sets      the ranks that the data do not exclude
rankings       every ranking of the field
coverage       which missions candidates have results on
results        everything that a tournament found
answers        what they mean, in sentences
files          the files of a tournament, written and read
"""
