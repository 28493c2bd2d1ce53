"""The episodes table and its file."""

import json

import pandas as pd
import pytest

from daf.episodes.table import EPISODE_COLUMNS, episodes_frame, read_episodes, read_provenance, write_episodes
from daf.errors import BadInputError
from daf.evaluation.shards import merge_shards


def row(episode=0, **changes):
    base = {
        "policy": "trained",
        "checkpoint": "trained-seed-1",
        "train_seed": 1,
        "mission": "m",
        "episode": episode,
        "env_seed": 100 + episode,
        "mean_reward": 0.1 + 0.2 + episode,
        "agent_rewards": [0.1, 0.2],
        "success": True,
        "length": 40,
        "timeouts": 0,
        "failure": None,
        "action_counts": json.dumps({"move": 3}),
        "game_stats": "{}",
        "agent_stats": "[{}, {}]",
    }
    return base | changes


def test_what_is_written_is_read_back(tmp_path):
    rows = [
        row(0),
        row(1, train_seed=None, success=None, mean_reward=None, failure="ValueError: NaN", agent_rewards=[]),
    ]
    path = tmp_path / "deep" / "episodes.parquet"
    write_episodes(path, episodes_frame(rows), {"recipe_digest": "abc", "seeds": {"first_episode": 100}})
    frame = read_episodes(path)
    assert list(frame.columns) == list(EPISODE_COLUMNS)
    assert frame["mean_reward"].iloc[0] == 0.1 + 0.2  # exactly
    assert list(frame["agent_rewards"].iloc[0]) == [0.1, 0.2]
    assert frame["train_seed"].iloc[0] == 1
    assert frame["train_seed"].isna().tolist() == [False, True]
    assert frame["success"].isna().tolist() == [False, True]
    assert frame["mean_reward"].isna().tolist() == [False, True]
    assert frame["failure"].iloc[1] == "ValueError: NaN"
    assert read_provenance(path) == {"recipe_digest": "abc", "seeds": {"first_episode": 100}}
    assert [p.name for p in path.parent.iterdir()] == ["episodes.parquet"]  # no temporary file stays


def test_a_column_of_nulls_keeps_its_type(tmp_path):
    """Scripted policies on missions without success: no training seed and no success in any row."""
    path = tmp_path / "a.parquet"
    write_episodes(path, episodes_frame([row(train_seed=None, success=None)]), {})
    frame = read_episodes(path)
    assert str(frame["train_seed"].dtype) == "Int64"
    assert str(frame["success"].dtype) == "boolean"


def test_shards_become_one_table_in_the_order_of_episodes(tmp_path):
    for shard, numbers in enumerate(([4, 5], [0, 1], [2, 3])):
        frame = episodes_frame([row(number) for number in numbers])
        write_episodes(tmp_path / f"{shard}.parquet", frame, {"shard": shard})
    merge_shards([str(tmp_path / f"{shard}.parquet") for shard in range(3)], str(tmp_path / "all.parquet"))
    assert read_episodes(tmp_path / "all.parquet")["episode"].tolist() == [0, 1, 2, 3, 4, 5]
    assert read_provenance(tmp_path / "all.parquet") == {"shards": [{"shard": 0}, {"shard": 1}, {"shard": 2}]}


def test_a_row_of_the_wrong_type_is_not_written(tmp_path):
    with pytest.raises(Exception, match=r"many|int"):
        write_episodes(tmp_path / "a.parquet", episodes_frame([row(length="many")]), {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("kind", "found"), [("missing", "no such file"), ("text", ""), ("other", "no column")])
def test_files_that_are_no_episodes(tmp_path, kind, found):
    path = tmp_path / "episodes.parquet"
    if kind == "text":
        path.write_text("this is not a parquet file")
    elif kind == "other":
        pd.DataFrame({"a": [1]}).to_parquet(path)
    with pytest.raises(BadInputError) as caught:
        read_episodes(path)
    assert found in caught.value.found
    assert caught.value.where == str(path)


def test_a_table_without_provenance(tmp_path):
    path = tmp_path / "episodes.parquet"
    episodes_frame([row()]).to_parquet(path)
    with pytest.raises(BadInputError, match="written by DAF"):
        read_provenance(path)
