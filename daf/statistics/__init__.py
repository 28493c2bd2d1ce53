"""Statistics of policy comparison, from arrays to verdicts.

`intervals` (means and intervals), `bootstrap` (many policies over many missions at once), `tests` (p values and
corrections), `effects` (standardised effects, power), `ranking` are pure numpy and scipy; `units` makes independent
units of an episodes table, `analysis` and `overall` apply the former to them, `results` holds what comes out.
Randomness comes only from the generator that is passed in.
"""
