"""Layouts in which papers and tools publish scores: read rightly, or refused in four parts with how to convert them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from daf.errors import BadInputError
from daf.statistics.score_files import read_scores
from daf.statistics.scores import to_episodes

ROWS = [
    {"policy": policy, "mission": mission, "seed": seed, "score": value + 0.25 * seed}
    for policy, mission, value in (("DQN", "Alien", 1620.5), ("C51", "Alien", -20.5), ("C51", "Pong", 3.0))
    for seed in range(2)
]
TABLE = pd.DataFrame(ROWS)
SINGLE_RUNS = "a mean with its spread is not enough: write the score of every single run, a row for each"


def read(source: Any) -> tuple[pd.DataFrame, list[str]]:
    return to_episodes(read_scores(source))


def written(tmp_path: Path, name: str, content: Any) -> Path:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def refused(source: Any) -> BadInputError:
    with pytest.raises(BadInputError) as caught:
        read(source)
    assert all((caught.value.expected, caught.value.found, caught.value.where, caught.value.hint))
    return caught.value


# ---- read -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orient", ["split", "records", "index", "columns", "table"])
def test_json_of_pandas_is_read_whatever_its_layout(orient: Any, tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    TABLE.to_json(path, orient=orient)
    pd.testing.assert_frame_equal(read(path)[0], read(TABLE)[0])
    pd.testing.assert_frame_equal(read([path])[0], read(TABLE)[0])


@pytest.mark.parametrize("more", [{}, {"config": {"lr": 0.1, "gamma": 0.9, "seed": 7}, "git": "abc"}])
def test_a_json_file_for_each_run_is_a_row_for_each(more: dict[str, Any], tmp_path: Path) -> None:
    for number, row in enumerate(ROWS):
        written(tmp_path, f"{number}.json", row | more)
    table, notes = read(tmp_path)
    pd.testing.assert_frame_equal(table, read(TABLE)[0])
    assert notes == (["Columns of the table that are not used: 'config', 'git'."] if more else [])
    assert len(read(tmp_path / "0.json")[0]) == 1


def test_a_json_file_for_each_run_may_hold_its_episodes(tmp_path: Path) -> None:
    run = {"policy": "a", "mission": "m", "seed": 3, "score": [1.5, 2.5], "config": {"lr": 0.1, "gamma": 0.9}}
    table, _ = read(written(tmp_path, "run.json", run))
    assert table[["train_seed", "episode", "mean_reward"]].to_numpy().tolist() == [[3, 0, 1.5], [3, 1, 2.5]]


def test_a_minus_sign_copied_from_a_page_is_a_minus_sign(tmp_path: Path) -> None:
    text = TABLE.to_csv(index=False).replace("-20", "\N{MINUS SIGN}20")
    pd.testing.assert_frame_equal(read(written(tmp_path, "scores.csv", text))[0], read(TABLE)[0])
    frame = TABLE.assign(score=[f"{score}".replace("-", "\N{MINUS SIGN}") for score in TABLE["score"]])
    pd.testing.assert_frame_equal(read(frame)[0], read(TABLE)[0])


def test_words_for_a_missing_score_are_read_as_one(tmp_path: Path) -> None:
    words = ["N/A", "n/a", "NA", "nan", "NULL", "None", ""]
    rows = [f"a,m,{number},{word}" for number, word in enumerate(words)]
    table, _ = read(written(tmp_path, "scores.csv", "\n".join(["policy,mission,seed,score", *rows, "a,m,9,1.5"])))
    assert table["mean_reward"].isna().tolist() == [True] * len(words) + [False]


def test_a_column_of_row_numbers_is_left_out_with_a_note(tmp_path: Path) -> None:
    table, notes = read(written(tmp_path, "scores.csv", TABLE.to_csv()))
    pd.testing.assert_frame_equal(table, read(TABLE)[0])
    assert notes == ["Columns of the table that are not used: 'Unnamed: 0'."]


# ---- read, with a note ------------------------------------------------------------------------------------


def test_names_that_hardly_differ_are_noted() -> None:
    one = {"policy": "DQN", "mission": "Ms Pacman", "score": 1}
    _, notes = read([one, one | {"policy": "dqn", "mission": "ms_pacman"}, one | {"mission": "Pong"}])
    assert notes == [
        "'DQN' and 'dqn' count as different policies; if they are the same, write the name in one way.",
        "'Ms Pacman' and 'ms_pacman' count as different missions; if they are the same, write the name in one way.",
    ]
    assert read(TABLE)[1] == []


@pytest.mark.parametrize("name", ["Mean", "MEDIAN", "average"])
def test_a_row_that_sums_up_the_others_is_noted(name: str) -> None:
    one = {"policy": "a", "mission": "Pong", "score": 1}
    _, notes = read([one, one | {"mission": name}])
    assert notes == [f"'{name}' in the column 'mission' counts as a mission; if it sums up the others, leave it out."]
    assert read([one | {"mission": name}])[1] == []


def test_copied_rows_are_noted_unless_their_episodes_are_numbered() -> None:
    copied = pd.concat([TABLE, TABLE[:1]])
    text = (
        "1 row repeats another one, with the same score, and counts as a further episode; if it is a copy, delete it."
    )
    assert text in read(copied)[1]
    text = "6 rows repeat others, with the same scores, and count as further episodes; if they are copies, delete them."
    assert text not in read(copied)[1]
    assert text in read(pd.concat([TABLE.assign(score=TABLE["score"] + 0.1)] * 2))[1]
    numbered = copied.assign(episode=[0] * len(TABLE) + [1])
    assert not any("repeat" in note for note in read(numbered)[1])
    whole = pd.concat([TABLE.assign(score=1.0)] * 2)  # successes are often alike
    assert not any("repeat" in note for note in read(whole)[1])


# ---- refused ----------------------------------------------------------------------------------------------


def melted(names: list[str], variable: str) -> str:
    return f"unpivot it: table.melt({names}, var_name='{variable}', value_name='score')"


@pytest.mark.parametrize(
    ("table", "hint"),
    [
        ("Game,Human,DQN\nAlien,7127.7,1620\n", f"{melted(['Game'], 'policy')}; rename 'Game' to 'mission'"),
        ("Game;Human;DQN\nAlien;7127,7;1620\n", f"{melted(['Game'], 'policy')}; rename 'Game' to 'mission'"),
        ("Agent,Alien,Pong\nDQN,1,2\n", f"{melted(['Agent'], 'mission')}; rename 'Agent' to 'policy'"),
        ("policy,mission,seed_0,seed_1\nDQN,Alien,1,2\n", melted(["policy", "mission"], "seed")),
        ("policy,mission,0,1,2\nDQN,Alien,1,,2\n", melted(["policy", "mission"], "seed")),
        ("mission,seed,DQN,C51\nAlien,0,1,2\n", melted(["mission", "seed"], "policy")),
        ("Game,Human,DQN\nAlien,7127.7 ± 3,1620 ± 5\n", SINGLE_RUNS),
        ("policy,mission,score_mean,score_std\nDQN,Alien,1,2\n", SINGLE_RUNS),
        ("algo,env,mean,ci\nDQN,Alien,1,2\n", SINGLE_RUNS),
        ("policy,mission,score\nDQN,Alien,20.1 ± 0.3\n", SINGLE_RUNS),
        ("policy,mission,score\nDQN,Alien,20.1±0.3\n", SINGLE_RUNS),
        ("policy,mission,score\nDQN,Alien,20.1 (0.3)\n", SINGLE_RUNS),
        ("policy,mission,score\nDQN,Alien,20.1 +/- 0.3\n", SINGLE_RUNS),
        ("policy,mission,score\nDQN,Alien,20.1 [19.5 20.8]\n", SINGLE_RUNS),
        ("policy,mission,score\nDQN,Alien,45.2%\n", "write scores without a percent sign, all in the same unit"),
        ("policy,mission,score\nDQN,Alien,45 %\n", "write scores without a percent sign, all in the same unit"),
        ("policy,mission,score\nDQN,Alien,-\n", "leave the cell empty if there is no result"),
        ('policy,mission,score\nDQN,Alien,"12,345"\n', "write one number, with a decimal point and no other mark"),
        ("policy,mission,score\nDQN,Alien,12 345\n", "write one number, with a decimal point and no other mark"),
        ("policy;mission;score\nDQN;Alien;1.234,5\n", "write scores with a decimal point and no other mark"),
        ("policy,mission,score\n1,DQN,Alien,5\n2,C51,Alien,6\n", "the rows seem to be numbered"),
        ("# run of May\npolicy,mission,score\nDQN,Alien,5\n", "the header is in line 2: delete the lines above it"),
        ("policy,mission,seed,score\nDQN,Alien,0,5\nDQN,Al", "is the file complete?"),
        ("policy,mission,score,note\nDQN,Alien\n", "Write the separators of empty cells, too"),
        ("", "write a row for each score, below a header"),
        ("policy,mission,seed,episode,score\na,m,0,0,1\na,m,0,0,1\n", "delete the repeated row"),
    ],
)  # fmt: skip
def test_a_csv_in_another_layout_is_refused_with_its_conversion(table: str, hint: str, tmp_path: Path) -> None:
    assert hint in refused(written(tmp_path, "scores.csv", table)).hint


def test_a_row_that_lacks_only_what_has_no_meaning_is_read(tmp_path: Path) -> None:
    table, _ = read(written(tmp_path, "scores.csv", "policy,mission,score,note\nDQN,Alien,5\n"))
    assert table["mean_reward"].tolist() == [5]


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (
            {"algo": "a", "env": "m", "seed": 1, "return": 2.0},
            "rename 'algo' to 'policy', 'env' to 'mission', 'return'",
        ),
        ({"results": ROWS, "date": "May"}, "write the list of 'results' alone"),
        ({"DQN": {"Alien": 1.0}}, "write a row for each score, with policy, mission and score"),
        ({"DQN": {"Alien": [1.0, 2.0]}}, "write a row for each score"),
        ({"DQN": 1.0, "C51": 2.0}, "write a row for each score, with policy, mission and score"),
        ([["policy", "mission", "score"], ["a", "m", 1.0]], "rows need names"),
    ],
)
def test_json_in_another_layout_is_refused_with_its_conversion(content: Any, hint: str, tmp_path: Path) -> None:
    assert hint in refused(written(tmp_path, "scores.json", content)).hint


def test_frames_with_names_in_their_index_say_how_to_make_columns_of_it() -> None:
    indexed = TABLE.set_index(["policy", "mission"])
    assert refused(indexed).hint == "make columns of the index: table.reset_index(), which adds 'policy' and 'mission'"
    assert refused(indexed["score"]).hint == "make a table of it: scores.reset_index(name='score')"
    wide = TABLE.pivot_table(index="mission", columns="policy", values="score")
    assert refused(wide).hint == "unpivot it: table.melt(ignore_index=False, value_name='score').reset_index()"


def test_the_advised_conversions_give_what_can_be_read() -> None:
    games = pd.DataFrame({"Game": ["Alien", "Pong"], "DQN": [1.0, 2.0], "C51": [3.0, 4.0]})
    advised = games.melt(["Game"], var_name="policy", value_name="score").rename(columns={"Game": "mission"})
    wide = advised.pivot_table(index="mission", columns="policy", values="score")
    expected = {("DQN", "Alien"): 1.0, ("DQN", "Pong"): 2.0, ("C51", "Alien"): 3.0, ("C51", "Pong"): 4.0}
    for table in (
        advised,
        wide.melt(ignore_index=False, value_name="score").reset_index(),
        advised.set_index(["policy", "mission"]).reset_index(),
        advised.set_index(["policy", "mission"])["score"].reset_index(name="score"),
    ):
        found = read(table)[0]
        assert (
            dict(zip(zip(found["policy"], found["mission"], strict=True), found["mean_reward"], strict=True))
            == expected
        )
