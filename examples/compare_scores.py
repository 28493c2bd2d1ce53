"""Compare policies from a table of scores, wherever they come from: one row per episode."""

import numpy as np
import pandas as pd

from daf import comparison

rng = np.random.default_rng(1)
scores = pd.DataFrame(
    [
        {"policy": policy, "mission": mission, "train_seed": seed, "episode": episode, "score": skill + rng.normal()}
        for policy, skill in (("mine", 1.0), ("theirs", 0.0))
        for mission in ("forage", "scout")
        for seed in (1, 2, 3)
        for episode in range(16)
    ]
)
results = comparison.daf_compare_scores(scores, equivalence_margin=0.5)
print(results)
