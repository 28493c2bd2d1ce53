"""Episodes replayed from their actions: the engine's own replay, and where agents were."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from mettagrid.policy.policy import PolicySpec
from mettagrid.runner.rollout import resolve_env_for_seed, run_episode_local
from mettagrid.simulator import Simulator

from daf.config import MissionConfig
from daf.config.recipes import MissionRecipe
from daf.engine.episode import pack_actions, unpack_actions
from daf.engine.evaluation import evaluate_policy
from daf.engine.missions import resolve_mission
from daf.engine.replays import trace_episode
from daf.episodes.table import write_episodes
from daf.errors import BadInputError, DafError
from daf.evaluation import replays
from daf.evaluation.replays import daf_write_replay, pick_episode
from daf.system.files import write_json

if TYPE_CHECKING:
    import pandas as pd

MINER = MissionConfig(source="tutorial.miner", max_steps=80)
SEED = 5


@pytest.fixture(scope="module")
def episodes() -> pd.DataFrame:
    return evaluate_policy("miner", MINER, episodes=4, seed=SEED)


@pytest.mark.parametrize("policy", ["miner", "random"])  # random changes its vibe as well
def test_a_replay_is_the_file_that_the_engine_would_have_written(policy: str, tmp_path: Path) -> None:
    frame = evaluate_policy(policy, MINER, episodes=3, seed=SEED)
    row = daf_write_replay(frame, tmp_path / "daf.json.z", "best", mission=MINER)
    assert row["mean_reward"] == frame["mean_reward"].max()
    ours = json.loads(zlib.decompress((tmp_path / "daf.json.z").read_bytes()))
    assert ours["infos"]["episode_rewards"] == pytest.approx(row["agent_rewards"])
    if policy == "random":  # the engine's own would draw other numbers: its random is not seeded
        return
    run_episode_local(
        policy_specs=[PolicySpec(class_path=policy)],
        assignments=[0] * 4,
        env=resolve_mission(MINER).env_config,
        seed=int(row["env_seed"]),
        replay_path=tmp_path / "engine.json.z",
    )
    assert ours == json.loads(zlib.decompress((tmp_path / "engine.json.z").read_bytes()))


def test_a_replay_names_the_member_of_a_team(tmp_path: Path) -> None:
    frame = evaluate_policy({"miner": 0.5, "noop": 0.5}, MINER, episodes=1, seed=SEED)
    daf_write_replay(frame, tmp_path / "a.json.z", mission=MINER)
    replay = json.loads(zlib.decompress((tmp_path / "a.json.z").read_bytes()))
    agents = {one["agent_id"]: one for one in replay["objects"] if one.get("type_name") == "agent"}
    names = [agents[agent]["policy_infos"]["policy_name"] for agent in range(4)]
    assert names == list(frame["agent_policies"][0])


def test_a_trace_says_where_agents_were(episodes: pd.DataFrame) -> None:
    """Against the engine's own simulation, stepped with the same actions."""
    mission, row = resolve_mission(MINER), episodes.iloc[1]
    actions = unpack_actions(row["actions"], 4, int(row["length"]))
    trace = trace_episode(mission, int(row["env_seed"]), actions, row["agent_rewards"])
    simulation = Simulator().new_simulation(
        resolve_env_for_seed(mission.env_config, int(row["env_seed"])), int(row["env_seed"])
    )
    assert trace.positions.shape == (81, 4, 2)
    assert trace.walls.shape == (simulation.map_height, simulation.map_width)
    expected_walls = {
        (thing["r"], thing["c"]) for thing in simulation.grid_objects().values() if thing["type_name"] == "wall"
    }
    assert {(int(r), int(c)) for r, c in np.argwhere(trace.walls)} == expected_walls
    assert {thing.type_name for thing in trace.objects} >= {"hub", "carbon_extractor"}
    for step in range(81):
        if step:
            for agent in range(4):
                simulation.agent(agent).set_action(simulation.action_names[actions[0, step - 1, agent]])
            simulation.step()
        if step % 20 == 0:
            where = {
                thing["agent_id"]: [thing["r"], thing["c"]]
                for thing in simulation.grid_objects().values()
                if "agent_id" in thing
            }
            assert trace.positions[step].tolist() == [where[agent] for agent in range(4)]
            assert trace.rewards[step].tolist() == simulation.episode_rewards.tolist()
    assert len(np.unique(trace.positions[:, 0], axis=0)) > 10


def test_an_episode_that_comes_out_differently_is_no_replay(episodes: pd.DataFrame, tmp_path: Path) -> None:
    changed = episodes.head(1).copy()
    changed["agent_rewards"] = [[9.0, 9.0, 9.0, 9.0]]
    with pytest.raises(DafError, match="replayed from its actions"):
        daf_write_replay(changed, tmp_path / "a.json.z", mission=MINER)
    assert list(tmp_path.iterdir()) == []


def test_actions_survive_their_packing() -> None:
    actions = np.random.default_rng(0).integers(0, 157, (2, 33, 3), dtype=np.uint8)
    assert (unpack_actions(pack_actions(actions), 3, actions.shape[1]) == actions).all()


# ---- which episode ----------------------------------------------------------------------------------------


def test_best_median_and_worst(episodes: pd.DataFrame) -> None:
    frame = episodes.assign(mean_reward=[2.0, 5.0, 1.0, 2.0])
    picked = {which: pick_episode(frame, which)["episode"] for which in ("best", "median", "worst")}
    assert picked == {"best": 1, "median": 0, "worst": 2}  # of the two in the middle the first played
    assert pick_episode(frame.assign(mean_reward=1.0), "best")["episode"] == 0
    failed = frame.assign(failure=[None, "RuntimeError: no", None, None])
    assert pick_episode(failed, "best")["episode"] == 0


def test_what_cannot_be_picked(episodes: pd.DataFrame) -> None:
    with pytest.raises(BadInputError, match="did you mean 'median'"):
        pick_episode(episodes, "medain")
    with pytest.raises(BadInputError, match="4 that failed"):
        pick_episode(episodes.assign(failure="RuntimeError: no"), "best")
    with pytest.raises(BadInputError, match="one checkpoint"):
        pick_episode(episodes.assign(checkpoint=["a", "a", "b", "b"]), "best")


def test_any_episode_is_picked_by_its_seed(episodes: pd.DataFrame) -> None:
    assert pick_episode(episodes, SEED + 2)["episode"] == 2
    with pytest.raises(BadInputError, match=rf"(?s)one of the seeds from {SEED} to {SEED + 3}.*99"):
        pick_episode(episodes, 99)


def test_a_failed_episode_cannot_be_picked(episodes: pd.DataFrame) -> None:
    failed = episodes.assign(failure=["ValueError: x", None, None, None])
    with pytest.raises(BadInputError, match=r"(?s)found: .*one that failed: ValueError: x.*has the traceback"):
        pick_episode(failed, SEED)


def test_the_command_of_a_page_writes_the_episode(
    episodes: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out" / "evaluations" / "miner" / "short"
    write_episodes(folder / "episodes.parquet", episodes, {"shards": []})
    recipe = MissionRecipe(name="short", config=MINER, sha256=None)
    report = tmp_path / "out" / "reports" / "short.json"
    tables = {"miner": "../evaluations/miner/short/episodes.parquet"}
    write_json(report, {"mission": "short", "recipe": recipe.to_dict(), "episodes": tables})
    monkeypatch.chdir(tmp_path)
    assert replays.main(["out/reports/short.json", "miner", str(SEED + 1)]) == 0
    file = tmp_path / f"miner-short-{SEED + 1}.json.z"
    assert f"episode 1 (seed {SEED + 1})" in (printed := capsys.readouterr().out)
    assert f"cogames replay {file.name}" in printed
    replay = json.loads(zlib.decompress(file.read_bytes()))
    assert replay["infos"]["episode_rewards"] == pytest.approx(list(episodes["agent_rewards"][1]))
    assert replays.main(["out/reports/short.json", "minor", "best"]) == 2
    assert "did you mean 'miner'" in capsys.readouterr().err
