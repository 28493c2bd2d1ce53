"""The page of a comparison: what leads, what error bars are, and the training seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from daf.comparison import daf_compare_scores


def page(folder: Path, means: dict[str, float], n: int, sd: float = 1.0) -> str:
    rng = np.random.default_rng(3)
    rows = [
        {"policy": policy, "mission": mission, "seed": seed, "episode": episode, "score": rng.normal(mean, sd)}
        for policy, mean in means.items()
        for mission in ("m", "k")
        for seed in range(6)
        for episode in range(n)
    ]
    daf_compare_scores(pd.DataFrame(rows), num_resamples=200, output_dir=folder)
    return (folder / "report.html").read_text()


@pytest.fixture(scope="module")
def one_score_per_seed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("page")
    return folder, page(folder, {"a": 0.0, "b": 9.0, "c": 9.7}, n=1)


def test_the_page_leads_with_the_answered_question(one_score_per_seed: tuple[Path, str]) -> None:
    _, html = one_score_per_seed
    lead = html[html.index('id="verdicts"') : html.index('id="question"')]
    assert "The recipe b beats the recipe a over 2 missions" in lead
    assert "insufficient data" not in lead
    assert html.index("These recipes · answered") < html.index("These checkpoints · not answered")
    matrix = html[html.index('id="matrix"') : html.index("All tests")]
    assert "insufficient data" not in matrix


def test_error_bars_are_named_beside_each_figure_and_in_its_file(one_score_per_seed: tuple[Path, str]) -> None:
    folder, html = one_score_per_seed
    for note in ("Thick bars: 95 % confidence intervals", "Bars: 95 % confidence intervals of each pair alone"):
        assert note in html
    for name in ("iqm-recipes", "mean-recipes", "profile-recipes", "differences-overall", "intervals-overall"):
        assert "95 %" in (folder / "figures" / f"{name}.svg").read_text().rpartition('class="figure">')[2]
    assert "Bands: 95 % pointwise percentile-bootstrap intervals over training seeds." in html


def test_training_seeds_are_points_on_the_interval_of_the_recipe(one_score_per_seed: tuple[Path, str]) -> None:
    folder, html = one_score_per_seed
    svg = (folder / "figures" / "intervals-m.svg").read_text()
    assert (svg.count('class="seed"'), svg.count('class="recipe"')) == (18, 3)
    assert "SD of seeds" in html


def test_a_bar_that_excludes_zero_without_a_winner_is_explained_beside_it(tmp_path: Path) -> None:
    html = page(tmp_path, {"a": 0.0, "b": 0.9, "c": 0.05, "d": -0.1}, n=1)
    beside = html[html.index('class="undecided"') :]
    assert (
        "is undecided: the interval excludes 0, but it is for this pair alone: among 6 tests, p is"
        in (beside[: beside.index("</ul>")])
    )
