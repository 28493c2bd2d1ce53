"""Results of made-up data, as they were when their stage's version was last raised."""
