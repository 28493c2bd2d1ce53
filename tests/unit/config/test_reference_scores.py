"""Reference scores from a file, in each of its forms, and where they are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from daf.comparison import daf_compare_scores
from daf.config import DAFComparisonConfig
from daf.config.reference_scores import read_reference_scores
from daf.errors import BadInputError, ConfigError

SCORES = {"low": {"m": 1.0, "k": -2.0}, "high": {"m": 3.0, "k": 8.5}}
FILES = {
    "low.csv": "mission,low,high\nm,1,3\nk,-2,8.5\n",
    "names.csv": "Human, Mission , Random\n3, m, 1\n8.5, k, -2\n",
    "semicolons.csv": "mission;low;high\nm;1;3\nk;-2;8,5\n",
    "tabs.tsv": "Mission\tRandom\tHuman\nm\t1\t3\nk\t-2\t8,5\n",
    "tabs.csv": "mission\tzero\tone\nm\t1\t3\nk\t-2.0\t8.5\n",
    "bars.txt": "mission| low| high\nm| 1| 3\n\nk| -2| 8.5\n",
    "named.csv": "sep=;\nhigh;mission;low\n3;m;1\n8,5;k;-2\n",
    "ends.json": '{"zero": {"m": 1, "k": -2}, "one": {"k": 8.5, "m": 3}}',
    "missions.json": '{"m": {"random": 1, "human": 3}, "k": {"random": -2, "human": 8.5}}',
    "capitals.json": '[{"Mission": "m", "Random": 1, "Human": 3}, {"Mission": "k", "Random": -2, "Human": 8.5}]',
    "rows.json": '[{"mission": "m", "low": 1, "high": 3}, {"mission": "k", "low": -2, "high": 8.5}]',
}


@pytest.mark.parametrize("name", FILES)
def test_every_form_gives_the_same_scores(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(FILES[name])
    assert read_reference_scores(tmp_path / name) == SCORES


def test_a_comparison_takes_the_file_and_records_its_scores(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(FILES["low.csv"] + "other,0,1\n")  # missions that are not compared do no harm
    rows = [
        {"policy": policy, "mission": mission, "episode": episode, "score": score + episode}
        for policy, score in (("a", 1.0), ("b", 2.0))
        for mission in ("m", "k")
        for episode in range(3)
    ]
    results = daf_compare_scores(rows, normalization=path, num_resamples=100)
    means = results.summary_statistics.query("policy == 'a'").set_index("mission")["mean"]
    assert means["m"] == pytest.approx((2 - 1) / 2)
    assert means["k"] == pytest.approx((2 + 2) / 10.5)
    assert results.config.to_dict()["normalization"]["high"] == {"m": 3.0, "k": 8.5, "other": 1.0}


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("a.csv", "mission,score\nm,1\n", "mission, and low and high"),
        ("a.csv", "mission,low,high\nm,1,3\nm,1,3\n", "m twice"),
        ("a.csv", "mission,low,high\n\nm,one,3\n", "line 3: low\n  expected: a number\n  found:    'one'"),
        ("a.csv", "mission,low,high\n", "no rows"),
        ("a.csv", "", "no rows"),
        ("a.csv", "mission,low,high\nm,1\n", "found:    mission, low"),
        ("a.csv", "mission,low,high\nm,0,5,10\n", "4 in line 2: m,0,5,10"),  # 0,5 is not half a point
        ("a.json", '{"low": {"m": 1}, "high": {"k": 2}}', "only one of them of k"),
        ("a.json", "3", "int"),
        ("a.txt", "m 1 3", "mission, and low and high"),
        ("a.dat", "m 1 3", "'.dat'"),
        ("a.csv", "mission;low;high\nm;0;5;10\n", "4 in line 2: m;0;5;10"),
        ("a.csv", "mission;low;high\nm;0,5;10.5\n", "'0,5' and '10.5'"),
        ("a.csv", "mission;low;high\nm;1,000;10,000\n", "may separate thousands or decimals"),
    ],
)
def test_other_files_are_refused_with_their_reason(name: str, text: str, part: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInputError) as error:
        read_reference_scores(tmp_path / name)
    assert part in str(error.value)
    with pytest.raises(ConfigError, match=r"normalization"):
        DAFComparisonConfig.from_dict({"policies": ["a"], "missions": ["m"], "normalization": str(tmp_path / name)})


def test_the_range_of_profiles_rises() -> None:
    settings = {"policies": ["a"], "missions": ["m"]}
    assert DAFComparisonConfig.from_dict({**settings, "profile_range": [0, 2]}).profile_range == (0, 2)
    with pytest.raises(
        ConfigError, match=r"profile_range\n  expected: a profile_range that rises\n  found:    from 2\.0 to 2\.0"
    ):
        DAFComparisonConfig.from_dict({**settings, "profile_range": [2, 2]})
