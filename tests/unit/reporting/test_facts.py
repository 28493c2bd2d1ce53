"""Records as facts in words."""

from __future__ import annotations

from daf.config import DAFComparisonConfig
from daf.reporting.facts import facts, settings


def test_keys_become_words_and_names_stay() -> None:
    record = {
        "computation": {"episode_seeds": {"my_mission.v2": "0 to 3"}, "num_resamples": 200},
        "host": {"cpu_count": 2, "slurm_job_id": None},
        "git": {"dirty": False},
        "empty": [],
        "ratio": 1 / 3,
    }
    assert facts(record) == [
        ("Episode seeds: my_mission.v2", "0 to 3"),
        ("Resamples", "200"),
        ("Machine: CPU cores", "2"),
        ("Machine: Slurm job", "\N{EN DASH}"),
        ("Source code: Uncommitted changes", "no"),
        ("Ratio", "0.333333"),
    ]


def test_no_setting_shows_its_key_or_the_key_of_a_choice() -> None:
    config = DAFComparisonConfig(policies=["a"], missions=["m"], recipe_claim="these_episodes")
    shown = settings(config)
    assert ("Recipe claim", "these episodes") in shown
    assert "across missions" in [text for _, text in shown]
    assert not any("_" in label or "_" in text for label, text in shown)


def test_long_lists_are_cut_with_their_length() -> None:
    (fact,) = facts({"seeds": list(range(100))})
    assert fact[1].endswith("18, 19, … (100 in all)")
