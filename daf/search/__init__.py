"""The search itself: spaces, strategies and what a finished search says. Pure: no files, no training, no engine."""
