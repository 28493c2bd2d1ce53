"""Statistics of policy comparison, from arrays to verdicts.

`intervals` (means and intervals), `tests` (p values and corrections), `effects` (standardised effects, power),
`ranking`, `aggregate` (scores on one scale) are pure numpy and scipy; `analysis` applies them to an episodes table.
Randomness comes only from the generator that is passed in.
"""
