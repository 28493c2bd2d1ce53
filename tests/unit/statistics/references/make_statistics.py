"""Makes statistics.json: what rliable and statsmodels say about fixed numbers. Run it in a separate environment:

    python -m venv peer && peer/bin/pip install rliable==1.2.0 statsmodels==0.15.0 "pandas<3" "numpy<2"
    peer/bin/python tests/unit/references/make_statistics.py > tests/unit/references/statistics.json

The numbers themselves are in the file, so no test depends on this program or on a random generator.
"""

import json

import numpy as np
import scipy
import statsmodels
from rliable import library, metrics
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestIndPower, TTestPower
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW, ttost_ind, ttost_paired

rng = np.random.default_rng(20)


def plain(value):
    return np.round(value, 6).tolist()


x = np.array(plain(rng.gamma(2.0, 0.5, (5, 6))))  # runs x tasks
y = np.array(plain(rng.gamma(2.0, 0.4, (7, 6))))
y[2, 3], y[4, 0] = x[1, 3], x[0, 0]  # ties
a, b = np.array(plain(rng.normal(0.4, 1, 12))), np.array(plain(rng.normal(0, 1.5, 12)))
c = np.array(plain(rng.normal(0, 2, 7)))
p = [0.001, 0.04, 0.03, 0.005, 0.2, 0.04]
thresholds = [0.25, 0.5, 1.0, 2.0]
tails = CompareMeans(DescrStatsW(a), DescrStatsW(c))

print(
    json.dumps(
        {
            "versions": {"scipy": scipy.__version__, "statsmodels": statsmodels.__version__, "rliable": "1.2.0"},
            "data": {
                "x": x.tolist(),
                "y": y.tolist(),
                "a": a.tolist(),
                "b": b.tolist(),
                "c": c.tolist(),
                "p": p,
                "thresholds": thresholds,
            },
            "rliable": {
                "iqm": [metrics.aggregate_iqm(x), metrics.aggregate_iqm(y)],
                "mean": [metrics.aggregate_mean(x), metrics.aggregate_mean(y)],
                "optimality_gap": [metrics.aggregate_optimality_gap(x, 1.0), metrics.aggregate_optimality_gap(y, 1.0)],
                "improvement": [metrics.probability_of_improvement(x, y), metrics.probability_of_improvement(y, x)],
                "profile": [float(library.run_score_deviation(x, tau)) for tau in thresholds],
            },
            "statsmodels": {
                "holm": multipletests(p, method="holm")[1].tolist(),
                "benjamini_hochberg": multipletests(p, method="fdr_bh")[1].tolist(),
                "wilson": [list(proportion_confint(k, n, method="wilson")) for k, n in ((0, 9), (4, 9), (30, 32))],
                "welch_p": tails.ttest_ind(usevar="unequal")[1],
                "welch_interval": list(tails.tconfint_diff(usevar="unequal")),
                "tost_paired": ttost_paired(a, b, -0.9, 0.9)[0],
                "tost_welch": ttost_ind(a, c, -1.5, 1.5, usevar="unequal")[0],
                "paired_power": TTestPower().power(0.5, 20, 0.05),
                "two_sample_power": TTestIndPower().power(0.7, 12, 0.05),
                "paired_n": TTestPower().solve_power(0.5, None, 0.05, 0.8),
                "two_sample_n": TTestIndPower().solve_power(0.7, None, 0.05, 0.8),
                "t_interval": list(DescrStatsW(a).tconfint_mean()),
            },
        },
        indent=1,
    )
)
