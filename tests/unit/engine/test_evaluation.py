"""Evaluation against the engine's own rollout, and its promise: same seed, same numbers, however the work is shared."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import torch
from mettagrid.policy.policy import PolicySpec
from mettagrid.policy.policy_env_interface import PolicyEnvInterface
from mettagrid.runner.rollout import run_multi_episode_rollout
from scipy import stats

from daf.config import MissionConfig, PolicyConfig
from daf.engine import batches, rollout, simulation
from daf.engine.batches import episode_uniforms
from daf.engine.evaluation import EvaluationOptions, evaluate_policy
from daf.engine.grid_policy import GridPolicy
from daf.engine.missions import Mission, list_missions, resolve_mission
from daf.engine.networks import PolicyNetwork
from daf.episodes.table import EPISODE_COLUMNS
from daf.errors import BadInputError, DafError, UnfitEnvironmentError
from tests.stages import others_long

if TYPE_CHECKING:
    import pandas as pd

SEED = 100


def short(source: str, max_steps: int = 60, **changes: Any) -> Mission:
    return resolve_mission(MissionConfig(source=source, max_steps=max_steps, **changes))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Grid weights for training_facility_1 whose actions depend on what is seen."""
    return grid_weights(tmp_path, short("training_facility_1"))


def grid_weights(folder: Path, mission: Mission) -> Path:
    torch.manual_seed(5)
    policy = GridPolicy(PolicyEnvInterface.from_mg_cfg(mission.env_config), hidden_size=16, embedding_size=8)
    with torch.no_grad():
        policy.network().action_head.weight.normal_()
    policy.save_policy_data(str(folder / "grid.pt"))
    return folder / "grid.pt"


GRID = {"hidden_size": 16, "embedding_size": 8}


@pytest.fixture(autouse=True)
def user_policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's own module of policies, on the path."""
    shutil.copy(Path(__file__).with_name("their_policies.py"), tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "their_policies", raising=False)


def rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in row.items()}
        for row in frame.astype(object).where(frame.notna(), None).to_dict("records")
    ]


# ---- against the engine -----------------------------------------------------------------------------------


QUICK_MISSIONS = ("arena", "tutorial.miner", "distant_resources_easy")
MISSIONS = [
    name
    for name in list_missions()
    # The engine cannot build the first; the second takes it a minute for a map, and as long for an episode's last step.
    if name not in ("easy_hearts_training", "easy_large_hearts")
]
ONE_OF_EACH = [
    name for name in MISSIONS if isinstance(name, str) and not name.endswith(("_standard", "_medium", "_hard"))
]
FEWER_AGENTS = {"num_agents": 4}  # the diagnostic maps have no room for the number they declare


def on_any_mission(source: str, max_steps: int) -> Mission:
    return short(source, max_steps, **(FEWER_AGENTS if source.startswith("diagnostic_") else {}))


def assert_equal_to_the_engine(name: str, mission: Mission, folder: Path, episodes: int) -> list[dict[str, Any]]:
    """Rewards, lengths and statistics are those of `run_multi_episode_rollout`, to the last bit."""
    ours: Any = name
    spec = PolicySpec(class_path=name)
    if name == "grid":
        saved, init_kwargs = grid_weights(folder, mission), {**GRID, "greedy": True}
        ours = PolicyConfig(class_path="grid", data_path=saved, init_kwargs=init_kwargs)
        spec = PolicySpec(class_path="daf.engine.grid_policy.GridPolicy", data_path=str(saved), init_kwargs=init_kwargs)
    reference, _ = run_multi_episode_rollout(
        policy_specs=[spec],
        assignments=[0] * mission.num_agents,
        env_cfg=mission.env_config,
        episodes=episodes,
        seed=SEED,
        max_action_time_ms=10_000,
        shuffle_assignments=False,
    )
    found = rows(evaluate_policy(ours, mission, episodes=episodes, seed=SEED))
    assert [row["failure"] for row in found] == [None] * episodes
    for row, episode in zip(found, reference.episodes, strict=True):
        assert row["agent_rewards"] == [float(reward) for reward in episode.rewards]
        assert row["mean_reward"] == pytest.approx(float(np.mean(episode.rewards)), abs=1e-12)
        assert row["length"] == episode.steps
        assert json.loads(row["game_stats"]) == episode.stats["game"]
        assert json.loads(row["agent_stats"]) == [dict(agent) for agent in episode.stats["agent"]]
        assert sum(json.loads(row["action_counts"]).values()) == episode.steps * mission.num_agents
    return found


@pytest.mark.parametrize("source", others_long(MISSIONS, *QUICK_MISSIONS))
def test_episodes_of_deterministic_policies_are_the_engines_own(source: str, tmp_path: Path) -> None:
    mission = on_any_mission(source, max_steps=12)
    for name in ("starter", "grid"):
        assert_equal_to_the_engine(name, mission, tmp_path, episodes=1)


@pytest.mark.parametrize("name", ["grid", "miner", "scout"])
def test_so_are_longer_ones_that_differ_from_each_other(name: str, tmp_path: Path) -> None:
    found = assert_equal_to_the_engine(name, short("tutorial.miner", 80), tmp_path, episodes=3)
    assert any(row["agent_stats"] != found[0]["agent_stats"] for row in found[1:])
    if name == "miner":
        assert max(row["mean_reward"] for row in found) > 0


@pytest.mark.long
@pytest.mark.parametrize("source", ONE_OF_EACH)
def test_so_are_long_episodes(source: str, tmp_path: Path) -> None:
    mission = on_any_mission(source, max_steps=100)
    for name in ("noop", "starter", "grid"):
        assert_equal_to_the_engine(name, mission, tmp_path, episodes=2)


def test_rows_say_what_was_played(weights: Path) -> None:
    mission = short("training_facility_1", success="length >= 60")
    seen: list[int] = []
    frame = evaluate_policy(
        PolicyConfig(class_path="grid", data_path=weights, init_kwargs=GRID),
        mission,
        episodes=2,
        seed=SEED,
        first_episode=5,
        on_progress=seen.append,
        options=EvaluationOptions(policy_label="ours", checkpoint_label="ours-seed-3", train_seed=3),
    )
    assert list(frame.columns) == list(EPISODE_COLUMNS)
    first = rows(frame)[0]
    assert {key: first[key] for key in ("policy", "checkpoint", "train_seed", "mission")} == {
        "policy": "ours", "checkpoint": "ours-seed-3", "train_seed": 3, "mission": "training_facility_1",
    }  # fmt: skip
    assert frame["episode"].tolist() == [5, 6]
    assert frame["env_seed"].tolist() == [SEED + 5, SEED + 6]
    assert frame["success"].tolist() == [True, True]
    assert seen == [1, 2]
    failing = evaluate_policy("noop", short("training_facility_1", success="length > 60"), episodes=1, seed=0)
    assert failing["success"].tolist() == [False]
    undeclared = evaluate_policy("noop", short("tutorial", max_steps=5), episodes=1, seed=0)
    assert undeclared["success"].isna().all()


# ---- the same numbers, however the work is shared ---------------------------------------------------------


def subject(name: str, weights: Path) -> Any:
    """The same policy in every call."""
    if name == "grid":
        return PolicyConfig(class_path="grid", data_path=weights, init_kwargs=GRID)
    if name == "lstm":
        from daf.engine.policies import build_policy, resolve_policy

        torch.manual_seed(0)
        interface = PolicyEnvInterface.from_mg_cfg(short("training_facility_1").env_config)
        built = build_policy(resolve_policy("lstm"), interface)
        path = weights.with_name("lstm.pt")
        built.save_policy_data(str(path))
        return PolicyConfig(class_path="lstm", data_path=path)
    return name


SUBJECTS = ("grid", "lstm", "stateless", "random", "starter", "their_policies.Wanderer")  # stateless: untrained


@pytest.mark.parametrize("name", SUBJECTS)
def test_any_split_into_shards_gives_the_same_rows(name: str, weights: Path) -> None:
    mission, policy = short("training_facility_1", max_steps=25), subject(name, weights)

    def shard(first: int, episodes: int) -> list[dict[str, Any]]:
        return rows(evaluate_policy(policy, mission, episodes=episodes, seed=SEED, first_episode=first))

    whole = shard(0, 8)
    assert shard(0, 3) + shard(3, 5) == whole
    assert [row for number in (7, 2) for row in shard(number, 1)] == [whole[7], whole[2]]
    assert whole[0]["agent_stats"] != whole[1]["agent_stats"]
    shifted = rows(evaluate_policy(policy, mission, episodes=1, seed=SEED + 2))
    assert {**shifted[0], "episode": 2} == whole[2]  # the seed decides, not the number


def test_batches_of_networks_are_the_same_across_their_boundary(weights: Path) -> None:
    mission, policy = short("training_facility_1", max_steps=10), subject("grid", weights)
    whole = rows(evaluate_policy(policy, mission, episodes=20, seed=SEED))
    parts = [
        row
        for first, episodes in ((0, 15), (15, 2), (17, 3))
        for row in rows(evaluate_policy(policy, mission, episodes=episodes, seed=SEED, first_episode=first))
    ]
    assert parts == whole


@pytest.mark.parametrize("name", ["grid", "lstm", "stateless"])
def test_rows_with_many_tokens_do_not_change_their_neighbours(
    name: str, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Crowded observations get a second pass over all slots; alone or among others, the logits are the same."""
    shown: list[int] = []
    logits: list[np.ndarray] = []
    step, choose = PolicyNetwork.step, batches.NetworkRows._choose

    def noting_width(network: PolicyNetwork, observations: torch.Tensor, state: Any) -> Any:
        shown.append(observations.shape[1])
        return step(network, observations, state)

    def noting_logits(rows: Any, of_rows: torch.Tensor, uniforms: np.ndarray) -> Any:
        logits.append(of_rows.numpy().copy())
        return choose(rows, of_rows, uniforms)

    monkeypatch.setattr(batches, "SHOWN_TOKENS", 28)
    monkeypatch.setattr(PolicyNetwork, "step", noting_width)
    monkeypatch.setattr(batches.NetworkRows, "_choose", noting_logits)
    mission, policy = short("training_facility_1", max_steps=25), subject(name, weights)

    def played(first: int, episodes: int) -> np.ndarray:
        """Logits [steps, rows, actions]."""
        logits.clear()
        evaluate_policy(policy, mission, episodes=episodes, seed=SEED, first_episode=first)
        return np.stack(logits)

    whole = played(0, 8)
    assert shown.count(28) == 25  # always up to there
    assert 0 < shown.count(128) < 25  # some steps in full
    for number in range(8):
        mine = slice(4 * number, 4 * number + 4)
        assert (played(number, 1)[:, mine] == whole[:, mine]).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", others_long(SUBJECTS, "grid"))
def test_two_workers_give_the_same_rows(name: str, weights: Path) -> None:
    mission, policy = short("training_facility_1", max_steps=25), subject(name, weights)
    alone = rows(evaluate_policy(policy, mission, episodes=5, seed=SEED))
    seen: list[int] = []
    shared = rows(evaluate_policy(policy, mission, episodes=5, seed=SEED, workers=2, on_progress=seen.append))
    assert shared == alone
    assert sorted(seen) == [1, 2, 3, 4, 5]


def test_sampled_actions_follow_the_networks_probabilities(tmp_path: Path) -> None:
    """With a network that ignores what it sees, the shares of the actions are known."""
    mission = short("training_facility_1")
    policy = GridPolicy(PolicyEnvInterface.from_mg_cfg(mission.env_config), hidden_size=16, embedding_size=8)
    wanted = np.array([0.4, 0.05, 0.3, 0.2, 0.05])
    with torch.no_grad():
        policy.network().action_head.weight.zero_()
        policy.network().action_head.bias.copy_(torch.from_numpy(np.log(wanted)))
    policy.save_policy_data(str(tmp_path / "flat.pt"))
    config = PolicyConfig(class_path="grid", data_path=tmp_path / "flat.pt", init_kwargs=GRID)
    frame = evaluate_policy(config, mission, episodes=16, seed=SEED)
    counts = sum(np.array(list(json.loads(text).values())) for text in frame["action_counts"])
    names = list(json.loads(frame["action_counts"][0]))
    order = [names.index(name) for name in policy.policy_env_info.action_names]
    assert counts.sum() == 16 * 60 * 4
    assert stats.chisquare(counts[order], wanted * counts.sum()).pvalue > 1e-3


def line_of(text: str) -> str:
    """file:line of the only line of their_policies.py that has this text."""
    path = Path(sys.modules["their_policies"].__file__ or "")
    (number,) = [n for n, line in enumerate(path.read_text().splitlines(), start=1) if text in line]
    return f"{path}:{number}"


# ---- users' own policies ----------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["training_facility_1", "tutorial.miner"])  # the second has vibe actions
def test_the_specifications_policies_play_alike(source: str) -> None:
    mission = short(source, max_steps=30)
    batch = rows(evaluate_policy("their_policies.MyPolicy", mission, episodes=2, seed=SEED))
    single = rows(evaluate_policy("their_policies.MySingleAgentPolicy", mission, episodes=2, seed=SEED))
    for one, other in zip(batch, single, strict=True):
        assert one["failure"] is None
        assert other["failure"] is None
        for key in ("agent_rewards", "length", "action_counts", "agent_stats"):
            assert one[key] == other[key], key
        assert json.loads(one["game_stats"]) == json.loads(other["game_stats"])
        played = {name for name, count in json.loads(one["action_counts"]).items() if count}
        assert len(played) > 3
        assert any(name.startswith("change_vibe") for name in played) == (source == "tutorial.miner")


def test_an_episode_that_fails_is_a_row_and_the_others_are_kept() -> None:
    mission = short("training_facility_1", max_steps=15, success="length > 0")
    frame = evaluate_policy("their_policies.Fragile", mission, episodes=4, seed=SEED)
    doomed = []
    for seed in range(SEED, SEED + 4):
        np.random.seed(seed)
        doomed.append(np.random.randint(2) == 1)
    assert set(doomed) == {True, False}
    assert frame["failure"].notna().tolist() == doomed
    number = doomed.index(True)
    seed = SEED + number
    frame_of_user = line_of("no idea what to do")
    assert (
        frame["failure"][number]
        == f"RuntimeError: no idea what to do ({frame_of_user} in compute_action, step 5, seed {seed})"
    )
    failed, fine = rows(frame)[number], rows(frame)[doomed.index(False)]
    assert failed["mean_reward"] is None
    assert failed["success"] is None
    assert failed["agent_rewards"] == []
    assert failed["env_seed"] == SEED + number
    assert fine["length"] == 15
    assert fine["success"] is True
    quiet = rows(evaluate_policy("noop", mission, episodes=4, seed=SEED))[doomed.index(False)]
    assert fine["agent_stats"] == quiet["agent_stats"]  # action 0 is noop


def test_nothing_is_remembered_from_one_episode_to_the_next() -> None:
    frame = evaluate_policy("their_policies.Forgetful", short("training_facility_1", 5), episodes=2, seed=SEED)
    counts = [json.loads(text)["move_north"] for text in frame["action_counts"]]
    assert counts == [20, 20]


def test_a_policy_that_never_answers_ends_its_episode_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollout, "STALLED_SECONDS", 0.05)
    frame = evaluate_policy("their_policies.Stuck", short("training_facility_1", 5), episodes=2, seed=SEED)
    for seed, failure in zip((SEED, SEED + 1), frame["failure"], strict=True):
        assert failure.startswith("PolicyStalledError: no action within 0.05 s (")
        assert failure.endswith(f" in compute_action, step 0, seed {seed})")
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


@pytest.mark.parametrize("policy", ["StuckLater", "StuckAgent"])
def test_a_stuck_policy_is_interrupted_after_the_time_that_is_named(
    policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted from the begin of the step, which is neither the first one nor in time with the clock of the episode."""
    monkeypatch.setattr(rollout, "STALLED_SECONDS", 0.5)
    frame = evaluate_policy(f"their_policies.{policy}", short("training_facility_1", 5), episodes=1, seed=SEED)
    found = re.match(r"RuntimeError: interrupted after (0\.\d\d) s \(.* step 2, seed", frame["failure"][0])
    assert found, frame["failure"][0]
    assert 0.45 <= float(found[1]) < 0.75


@pytest.mark.parametrize("policy", ["noop", "starter"])
def test_the_engine_is_not_watched(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a very large map, the last step of an episode takes a minute: that is not the policy's."""
    running, step = [], simulation.BufferedSimulation.step

    def noting(self: Any) -> None:
        running.append(signal.getitimer(signal.ITIMER_REAL)[0] > 0)
        step(self)

    monkeypatch.setattr(simulation.BufferedSimulation, "step", noting)
    frame = evaluate_policy(policy, short("training_facility_1", 5), episodes=1, seed=SEED)
    assert frame["failure"].isna().all()
    assert running == [False] * 5


def test_the_members_of_a_team_that_a_network_is_in_have_as_long() -> None:
    """They are asked step by step, each within its own watch."""
    asked = SimpleNamespace(asked=0, act=lambda: time.sleep(3.0))
    installed = SimpleNamespace(installed=contextlib.nullcontext)
    team = batches.SlotTeam(
        members=["stuck"], networks=np.array([]), turns=cast(Any, asked), names=["stuck"],
        generators=cast(Any, installed),
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollout, "STALLED_SECONDS", 0.5)
        began = time.monotonic()
        with pytest.raises(rollout.StepFailedError) as caught:
            team.act(cast(Any, SimpleNamespace(current_step=0)))
    assert isinstance(caught.value.__cause__, rollout.PolicyStalledError)
    assert 0.4 < time.monotonic() - began < 0.8


def test_an_agent_that_fails_is_a_row_too() -> None:
    frame = evaluate_policy("their_policies.FragileAgent", short("training_facility_1", 5), episodes=2, seed=0)
    line = line_of("lost")
    assert frame["failure"].tolist() == [f"KeyError: 'lost' ({line} in step, step 0, seed {seed})" for seed in (0, 1)]


@pytest.mark.parametrize("action", [-1, 5, 1000])
def test_an_illegal_action_is_recorded(action: int) -> None:
    policy = PolicyConfig(class_path="their_policies.Illegal", init_kwargs={"seed": action})
    frame = evaluate_policy(policy, short("training_facility_1", 5), episodes=1, seed=0)
    failure = frame["failure"][0]
    assert failure.startswith(f"ValueError: illegal action {action}, expected 0 to 4 (")
    assert re.search(r"their_policies\.py:\d+ in step_batch, step 0, seed 0\)$", failure)
    assert frame["mean_reward"].isna().all()


def test_an_action_without_a_name_is_recorded() -> None:
    frame = evaluate_policy("their_policies.IllegalAgent", short("training_facility_1", 5), episodes=1, seed=0)
    assert "fly" in frame["failure"][0]


# ---- refusals ---------------------------------------------------------------------------------------------


def test_a_mission_that_never_ends_is_refused() -> None:
    env_config = short("training_facility_1").env_config.model_copy(deep=True)
    env_config.game.max_steps = 0
    with pytest.raises(BadInputError) as caught:
        evaluate_policy("noop", env_config, episodes=1, seed=0)
    assert "max_steps is 0" in caught.value.found
    assert "max_steps" in caught.value.hint


def test_weights_that_are_not_numbers_are_refused(weights: Path) -> None:
    broken = torch.load(weights)
    broken["bias"][0] = float("nan")
    torch.save(broken, weights)
    with pytest.raises(Exception, match=r"NaN or infinity in bias"):
        evaluate_policy(subject("grid", weights), short("training_facility_1", 5), episodes=1, seed=0)


def test_logits_that_are_not_numbers_are_a_failed_episode(weights: Path) -> None:
    """With an embedding that is huge where one feature occurs, only some episodes come to it."""
    broken = torch.load(weights)
    broken["embedding"][:] = 3e38
    torch.save(broken, weights)
    frame = evaluate_policy(subject("grid", weights), short("training_facility_1", 5), episodes=2, seed=0)
    text = "PolicyError: action logits are NaN or infinite (step 0, seed {})"
    assert frame["failure"].tolist() == [text.format(seed) for seed in (0, 1)]


# ---- the numbers that actions are drawn with --------------------------------------------------------------


def test_episode_uniforms_look_uniform_and_independent() -> None:
    seeds = np.arange(1000, 1050)
    drawn = np.stack([episode_uniforms(seeds, step, 4) for step in range(200)])  # [steps, seeds, agents]
    assert drawn.shape == (200, 50, 4)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert len(np.unique(drawn)) == drawn.size
    assert stats.kstest(drawn.ravel(), "uniform").pvalue > 1e-3
    centred = drawn - 0.5
    for axis in range(3):  # neighbouring steps, seeds and agents
        ahead, behind = np.delete(centred, 0, axis=axis), np.delete(centred, -1, axis=axis)
        correlation = float((ahead * behind).mean() * 12)
        assert abs(correlation) < 4 / np.sqrt(ahead.size)
    # Each seed alone, each step alone and each agent alone is uniform too.
    pvalues = [stats.kstest(drawn[:, s].ravel(), "uniform").pvalue for s in range(50)]
    pvalues += [stats.kstest(drawn[t].ravel(), "uniform").pvalue for t in range(200)]
    pvalues += [stats.kstest(drawn[:, :, a].ravel(), "uniform").pvalue for a in range(4)]
    assert min(pvalues) > 1e-4 / len(pvalues) * 10


def test_episode_uniforms_depend_on_seed_agent_and_step_alone() -> None:
    many = episode_uniforms(np.array([3, 4, 5]), 7, 4)
    assert episode_uniforms(np.array([4]), 7, 2).tolist() == [many[1, :2].tolist()]
    assert (many != episode_uniforms(np.array([3, 4, 5]), 8, 4)).all()
    large = episode_uniforms(np.array([2**31 + 2**20]), 10**6, 1)
    assert 0 <= large[0, 0] < 1


@pytest.mark.parametrize(("key", "value"), [("seed", -5), ("workers", 0), ("episodes", -1)])
def test_numbers_that_cannot_be_are_refused_before_anything_is_played(key: str, value: int) -> None:
    wanted: dict[str, Any] = {"episodes": 1, "seed": SEED, key: value}
    with pytest.raises(BadInputError, match=f"evaluate_policy: {key}"):
        evaluate_policy("random", short("tutorial.miner", 5), **wanted)


@pytest.mark.parametrize(
    ("device", "kind", "expected"),
    [
        ("gpu", BadInputError, "auto, cpu, cuda or cuda:<index>"),
        ("cuda", UnfitEnvironmentError, "a CUDA device"),
        ("cuda:7", UnfitEnvironmentError, "a CUDA device"),
    ],
)
@pytest.mark.parametrize("policy", ["grid", "random"])
def test_a_device_that_is_not_there_is_not_the_policys_fault(
    policy: str, device: str, kind: type[DafError], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(kind) as caught:
        evaluate_policy(policy, short("tutorial.miner", 5), episodes=1, seed=0, device=device)
    assert (caught.value.expected, caught.value.where) == (expected, "device")


def test_any_policy_plays_on_the_device_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    frame = evaluate_policy("grid", short("tutorial.miner", 5), episodes=1, seed=0, device="auto")
    assert frame.length.tolist() == [5]
