"""The training loop: the same recipe gives the same bytes, also when it is stopped, killed or started again."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from daf.config import Hyperparameters, MissionConfig
from daf.config.recipes import MissionRecipe, TrainingRecipe
from daf.distributed.failures import Cause
from daf.distributed.process_group import Group
from daf.engine.model_files import load_model_description, read_weights
from daf.engine.vector import VectorEnvironment
from daf.errors import EXIT_OK, EXIT_REQUEUE, BadInputError
from daf.logging_config import create_daf_logger
from daf.system.json_files import read_json
from daf.training import paths
from daf.training.checkpoints import load_newest_checkpoint
from daf.training.loop import train
from daf.training.options import RunOptions
from daf.training.outcome import TrainingOutcome
from daf.training.paths import outcome_path, state_folder
from daf.training.trainer import Trainer
from tests.stages import others_long
from tests.unit.training.forked import start_worker
from tests.unit.training.small import metrics_of

CPU = torch.device("cpu")
UPDATE_STEPS = 4 * 4 * 16  # environments, agents of each, horizon
# Episodes end inside of rollouts, and not at their borders.
MISSION = MissionRecipe.of("short", {"short": MissionConfig(source="training_facility_1", max_steps=21)})


def recipe_of(policy: str = "grid", *, updates: int = 4, seed: int = 1, **hyperparameters: Any) -> TrainingRecipe:
    small = {"num_envs": 4, "horizon": 16, "minibatch_size": 64, **hyperparameters}
    return TrainingRecipe(
        mission=MISSION,
        policy_class_path=policy,
        init_kwargs={"hidden_size": 32, "embedding_size": 16} if policy == "grid" else {},
        hyperparameters=Hyperparameters.from_dict(small),
        num_steps=updates * UPDATE_STEPS,
        seed=seed,
        world_size=1,
    )


def run(recipe: TrainingRecipe, folder: Path, checkpoint_steps: int = UPDATE_STEPS) -> TrainingOutcome:
    logger = create_daf_logger("test", level="error")
    options = RunOptions(label="test", checkpoint_interval_steps=checkpoint_steps)
    return train(recipe, folder, options, group=Group(), device=CPU, logger=logger)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What must not differ between two runs of one recipe."""

    model: bytes
    metrics: list[dict[str, Any]]
    reward: float | None


def result_of(folder: Path) -> Result:
    reward = read_json(folder / "run.json")["recent_episode_reward"]
    return Result(model=(folder / "model.safetensors").read_bytes(), metrics=metrics_of(folder), reward=reward)


def stop_in_update(monkeypatch: pytest.MonkeyPatch, number: int, how: Callable[[], None]) -> None:
    """Do something, once, while update `number` (from 1) is computed."""
    learn, done = Trainer.learn, []

    def learn_and(self: Trainer, rollout: Any) -> Any:
        if self.update + 1 == number and not done:
            done.append(True)
            how()
        return learn(self, rollout)

    monkeypatch.setattr(Trainer, "learn", learn_and)


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


class Crash(Exception):  # noqa: N818  # what happens, not an error
    """Simulates a process that dies silently."""


def crash() -> None:
    raise Crash


# ---- one recipe, one result -------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["grid", "lstm", "stateless"])
def test_a_recipe_decides_every_byte(policy: str, tmp_path: Path) -> None:
    recipe = recipe_of(policy)
    for name in ("first", "second"):
        torch.manual_seed(len(name))  # what happened before in the process must not matter
        assert run(recipe, tmp_path / name).status == "completed"
    first = result_of(tmp_path / "first")
    assert first == result_of(tmp_path / "second")
    run(recipe_of(policy, seed=2), tmp_path / "third")
    assert result_of(tmp_path / "third").model != first.model
    assert [line["update"] for line in first.metrics] == [1, 2, 3, 4]
    assert [line["agent_steps"] for line in first.metrics] == [UPDATE_STEPS * n for n in (1, 2, 3, 4)]
    assert sum(line["episodes"] for line in first.metrics) == 4 * (64 // 21)


def test_how_often_checkpoints_are_written_changes_nothing(tmp_path: Path) -> None:
    for steps in (1, 10**9):
        run(recipe_of(), tmp_path / str(steps), checkpoint_steps=steps)
    assert result_of(tmp_path / "1") == result_of(tmp_path / "1000000000")


def test_the_last_update_has_a_checkpoint_whatever_the_interval(tmp_path: Path) -> None:
    recipe = recipe_of(updates=2)
    run(recipe, tmp_path, checkpoint_steps=10**9)
    checkpoint = load_newest_checkpoint(state_folder(tmp_path, recipe), print)
    assert checkpoint is not None
    assert checkpoint["update"] == 2


def test_a_run_says_what_it_was(tmp_path: Path) -> None:
    recipe = recipe_of(updates=2)
    outcome = run(recipe, tmp_path)
    facts = read_json(tmp_path / "run.json")
    assert facts["status"] == outcome.status == "completed"
    assert facts["reason"] is None
    assert facts["agent_steps"] == outcome.agent_steps == 2 * UPDATE_STEPS
    assert facts["processes"]["world_size"] == 1
    assert facts["recipe"] == recipe.to_dict()
    assert facts["action_names"][0] == "noop"
    assert set(facts["engine"]) >= {"cogames", "mettagrid", "torch"}
    assert read_weights(tmp_path / "model.safetensors")["embedding"].shape[1] == 16
    description = load_model_description(tmp_path / "model.json")
    assert description.recipe == recipe.to_dict()
    assert description.recipe_digest == recipe.digest
    assert description.policy_class_path == "daf.engine.grid_policy.GridPolicy"
    assert description.agent_steps == outcome.agent_steps
    assert description.observation_shape == facts["observation_shape"]
    assert facts["recent_episode_reward"] == pytest.approx(result_of(tmp_path).metrics[1]["episode_reward"])


def test_steps_are_rounded_up_to_whole_updates(tmp_path: Path) -> None:
    recipe = recipe_of().model_copy(update={"num_steps": UPDATE_STEPS + 1})
    assert run(recipe, tmp_path).agent_steps == 2 * UPDATE_STEPS


def test_training_learns(tmp_path: Path) -> None:
    """Not only the same every time, but better every time: more reward than at the start."""
    recipe = recipe_of(updates=40, learning_rate=0.005, gamma=0.9, epochs=3)
    run(recipe, tmp_path, checkpoint_steps=10**9)
    rewards = [m["episode_reward"] for m in metrics_of(tmp_path) if m["episode_reward"] is not None]
    third = len(rewards) // 3
    assert np.mean(rewards[-third:]) > 1.5 * np.mean(rewards[:third])


# ---- stopped, killed, started again -----------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["grid", "lstm"])
@pytest.mark.parametrize("at", [1, 3])
def test_interrupted_and_resumed_is_never_interrupted(
    policy: str, at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(policy)
    run(recipe, tmp_path / "whole")
    with monkeypatch.context() as patch:
        stop_in_update(patch, at, terminate)
        outcome = run(recipe, tmp_path / "cut", checkpoint_steps=10**9)
    assert outcome.status == "interrupted"
    assert outcome.reason == "interrupted by SIGTERM"
    assert outcome.agent_steps == at * UPDATE_STEPS
    assert not (tmp_path / "cut" / "model.safetensors").exists()
    assert run(recipe, tmp_path / "cut", checkpoint_steps=10**9).status == "completed"
    assert result_of(tmp_path / "cut") == result_of(tmp_path / "whole")


@pytest.mark.parametrize("policy", ["grid", "lstm"])
def test_crashed_and_started_again_is_never_crashed(
    policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The crash comes two updates after the checkpoint: their metrics are made again, not doubled."""
    recipe = recipe_of(policy, updates=5)
    run(recipe, tmp_path / "whole")
    with monkeypatch.context() as patch:
        stop_in_update(patch, 5, crash)
        with pytest.raises(Crash):
            run(recipe, tmp_path / "cut", checkpoint_steps=2 * UPDATE_STEPS + 1)
    growing = state_folder(tmp_path / "cut", recipe) / "metrics.jsonl"
    assert len(growing.read_text().splitlines()) == 4
    with growing.open("a") as stream:
        stream.write('{"update": 5, "agent_st')  # the line that the crash cut off
    resumed_at: list[int] = []
    restore = Trainer.restore

    def restored(self: Trainer, *state: Any) -> None:
        restore(self, *state)
        resumed_at.append(self.update)

    monkeypatch.setattr(Trainer, "restore", restored)
    run(recipe, tmp_path / "cut")
    assert resumed_at == [3]
    assert result_of(tmp_path / "cut") == result_of(tmp_path / "whole")


def test_a_damaged_checkpoint_costs_time_not_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipe_of()
    run(recipe, tmp_path / "whole")
    with monkeypatch.context() as patch:
        stop_in_update(patch, 4, crash)
        with pytest.raises(Crash):
            run(recipe, tmp_path / "cut")
    newest = max(state_folder(tmp_path / "cut", recipe).glob("checkpoint-*.pt"))
    newest.write_bytes(newest.read_bytes()[:-1000])
    run(recipe, tmp_path / "cut")
    assert result_of(tmp_path / "cut") == result_of(tmp_path / "whole")


def test_a_signal_in_the_last_update_is_too_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_in_update(monkeypatch, 2, terminate)
    assert run(recipe_of(updates=2), tmp_path).status == "completed"
    assert (tmp_path / "model.safetensors").exists()


def test_signal_handlers_are_put_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGUSR1)
    run(recipe_of(updates=1), tmp_path)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGUSR1)) == before


def test_another_recipe_does_not_resume_the_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stop_in_update(patch, 2, terminate)
        assert run(recipe_of(), tmp_path / "shared").status == "interrupted"
    changed = recipe_of(learning_rate=0.004)
    run(changed, tmp_path / "shared")
    run(changed, tmp_path / "own")
    assert result_of(tmp_path / "shared") == result_of(tmp_path / "own")
    run(recipe_of(), tmp_path / "shared")  # and the first recipe's state is still there
    run(recipe_of(), tmp_path / "first")
    assert result_of(tmp_path / "shared") == result_of(tmp_path / "first")


def test_a_finished_recipe_publishes_again_without_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(recipe_of(), tmp_path)
    before = result_of(tmp_path)
    for name in ("model.safetensors", "model.json", "metrics.jsonl", "run.json"):
        (tmp_path / name).unlink()
    monkeypatch.setattr(Trainer, "collect", crash)
    assert run(recipe_of(), tmp_path).status == "completed"
    assert result_of(tmp_path) == before


def test_another_recipes_model_does_not_pass_for_this_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(recipe_of(updates=1), tmp_path)
    assert (tmp_path / "model.safetensors").exists()
    stop_in_update(monkeypatch, 1, terminate)
    assert run(recipe_of(updates=2), tmp_path).status == "interrupted"
    assert not (tmp_path / "model.safetensors").exists()


# ---- as a separate process --------------------------------------------------------------------------------


def wait_for(condition: Callable[[], bool], process: BaseProcess) -> None:
    """Until the condition holds; the process must not end before."""
    while not condition():
        process.join(0.01)
        assert process.is_alive()


def exit_code(process: BaseProcess) -> int | None:
    process.join(60)
    return process.exitcode


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The result of 30 updates that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole")
    run(recipe_of("lstm", updates=30), folder, checkpoint_steps=10**9)
    return result_of(folder)


@pytest.mark.slow
@pytest.mark.parametrize("number", others_long([signal.SIGTERM, signal.SIGUSR1, signal.SIGKILL], signal.SIGKILL))
def test_a_worker_that_is_stopped_ends_with_the_same_bytes(
    number: signal.Signals, whole: Result, tmp_path: Path
) -> None:
    recipe = recipe_of("lstm", updates=30)
    cut = tmp_path / "cut"
    growing = state_folder(cut, recipe) / "metrics.jsonl"
    # Killed, it has to fall back on a checkpoint; told to stop, it writes one.
    worker = start_worker(recipe, cut, 2 * UPDATE_STEPS if number == signal.SIGKILL else 10**9)
    wait_for(lambda: growing.exists() and len(growing.read_text().splitlines()) >= 3, worker)
    assert worker.pid is not None
    os.kill(worker.pid, number)
    assert exit_code(worker) == (-signal.SIGKILL if number == signal.SIGKILL else EXIT_REQUEUE)
    assert not (cut / "model.safetensors").exists()
    if number != signal.SIGKILL:
        outcome = TrainingOutcome.read(outcome_path(cut, recipe))
        assert outcome.status == "interrupted"
        assert outcome.cause is Cause.SIGNAL
        assert outcome.reason == f"interrupted by {number.name}"
    assert exit_code(start_worker(recipe, cut, 10**9)) == EXIT_OK
    assert result_of(cut) == whole
    assert TrainingOutcome.read(outcome_path(cut, recipe)).status == "completed"


# ---- divergence -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["grid", "lstm"])
@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rate": 1e30},  # shows in the loss of the second minibatch
        {"learning_rate": 1e30, "epochs": 1, "minibatch_size": 10_000},  # shows when the next action is chosen
        {"learning_rate": 1e38, "optimizer": "sgd", "epochs": 1, "minibatch_size": 10_000, "max_grad_norm": 1e6},
    ],
)
def test_a_run_that_diverges_publishes_no_model(policy: str, changes: dict[str, Any], tmp_path: Path) -> None:
    outcome = run(recipe_of(policy, **changes), tmp_path)
    assert outcome.status == "diverged"
    assert outcome.reason is not None
    assert "not finite" in outcome.reason
    assert not (tmp_path / "model.safetensors").exists()
    facts = read_json(tmp_path / "run.json")
    assert (facts["status"], facts["reason"]) == ("diverged", outcome.reason)
    assert (tmp_path / "metrics.jsonl").exists()


def test_weights_too_large_to_choose_an_action_are_no_model(tmp_path: Path) -> None:
    """The last update is the one that breaks them, so that no other update could notice."""
    outcome = run(recipe_of(updates=1, learning_rate=1e30, epochs=1, minibatch_size=10_000), tmp_path)
    assert outcome.status == "diverged"
    assert not (tmp_path / "model.safetensors").exists()


def test_the_state_before_the_divergence_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipe_of()

    def poison() -> None:
        holder[0].parameters[0].data[:] = float("nan")

    holder: list[Trainer] = []
    make = Trainer.__init__
    monkeypatch.setattr(Trainer, "__init__", lambda self, *a, **k: (make(self, *a, **k), holder.append(self))[0])
    with monkeypatch.context() as patch:
        stop_in_update(patch, 3, poison)
        outcome = run(recipe, tmp_path / "cut")
    assert outcome.status == "diverged"
    assert outcome.agent_steps == 2 * UPDATE_STEPS
    assert len((tmp_path / "cut" / "metrics.jsonl").read_text().splitlines()) == 2
    run(recipe, tmp_path / "cut")  # what was injected is gone: the run goes on from the state before
    run(recipe, tmp_path / "whole")
    assert result_of(tmp_path / "cut") == result_of(tmp_path / "whole")


# ---- every hyperparameter affects the result----------------------------------------------------------------

# The change of each, and what must hold for it to act.
HYPERPARAMETERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "learning_rate": (0.004, {}),
    "schedule": ("cosine", {}),
    "optimizer": ("sgd", {}),
    "adam_beta1": (0.5, {}),
    "adam_beta2": (0.9, {}),
    "adam_eps": (1e-3, {}),
    "weight_decay": (0.1, {}),
    "gamma": (0.9, {}),
    "gae_lambda": (0.5, {}),
    "clip_coef": (0.001, {}),
    "value_clip_coef": (None, {"value_clip_coef": 0.0001}),
    "value_coef": (1.5, {}),
    "entropy_coef": (0.1, {}),
    "normalize_advantages": (False, {}),
    "max_grad_norm": (0.01, {}),
    "reward_clip": (0.01, {}),
    "num_envs": (2, {}),
    "horizon": (8, {}),
    "epochs": (1, {}),
    "minibatch_size": (128, {}),
}
OTHERS: list[tuple[str, Any, dict[str, Any]]] = [
    ("schedule", "constant", {}),
    ("optimizer", "adamw", {"weight_decay": 0.1}),
    ("adam_beta1", 0.5, {"optimizer": "sgd"}),
    ("weight_decay", 0.1, {"optimizer": "sgd"}),
    ("weight_decay", 0.1, {"optimizer": "adamw"}),
]
CASES = [(name, value, condition) for name, (value, condition) in HYPERPARAMETERS.items()] + OTHERS


def test_every_hyperparameter_is_tried() -> None:
    assert set(HYPERPARAMETERS) == set(Hyperparameters.model_fields)


@pytest.fixture(scope="module")
def baselines(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Any]], Result]:
    """Results without the change, each made once."""
    known: dict[str, Result] = {}

    def result(condition: dict[str, Any]) -> Result:
        key = json.dumps(condition, sort_keys=True)
        if key not in known:
            folder = tmp_path_factory.mktemp("baseline")
            run(recipe_of(updates=3, **condition), folder)
            known[key] = result_of(folder)
        return known[key]

    return result


@pytest.mark.parametrize(("name", "value", "condition"), CASES, ids=[f"{n}={v}" for n, v, _ in CASES])
def test_every_hyperparameter_reaches_the_weights(
    name: str, value: Any, condition: dict[str, Any], tmp_path: Path, baselines: Callable[[dict[str, Any]], Result]
) -> None:
    run(recipe_of(updates=3, **{**condition, name: value}), tmp_path)
    assert result_of(tmp_path).model != baselines(condition).model


def test_init_kwargs_reach_the_network(tmp_path: Path) -> None:
    recipe = recipe_of(updates=1).model_copy(update={"init_kwargs": {"hidden_size": 24}})
    run(recipe, tmp_path)
    assert read_weights(tmp_path / "model.safetensors")["hidden.weight"].shape[0] == 24


def test_environments_that_cannot_be_shared_equally_are_refused() -> None:
    with pytest.raises(BadInputError) as caught:
        Trainer(recipe_of(num_envs=5), Group(rank=0, world_size=2), CPU)
    assert "a multiple of the 2 training processes" in str(caught.value)
    assert caught.value.found == "5"


# ---- what is learned from ----


def test_a_recurrent_network_learns_from_the_states_that_it_acted_with() -> None:
    """Until the first step of the optimizer, its policy is the one that acted, episodes that begin within included."""
    recipe = recipe_of("lstm", num_envs=2, horizon=32, minibatch_size=10**6, epochs=1)
    trainer = Trainer(recipe, Group(), CPU)
    with torch.no_grad():  # a policy that depends on its state
        for parameter in trainer.parameters:
            parameter.mul_(2)
    rollout, _ = trainer.collect()
    assert rollout is not None
    assert rollout.starts[1:].any()
    figures = trainer.learn(rollout)
    assert figures is not None
    assert figures["approx_kl"] == pytest.approx(0, abs=1e-9)
    assert figures["policy_loss"] == pytest.approx(0, abs=1e-6)  # of normalized advantages


# ---- what a rollout holds ---------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["training_facility_1", "tutorial.miner"])  # episodes cut short; episodes that end
@pytest.mark.parametrize("policy", ["grid", "lstm"])
def test_a_rollout_is_what_happened(policy: str, source: str) -> None:
    """Rewards, starts, values and advantages against a replay of its actions, agent by agent."""
    changes = {"num_envs": 2, "horizon": 14, "gamma": 0.9, "gae_lambda": 0.8, "reward_clip": 0.5}
    mission = MissionRecipe.of("m", {"m": MissionConfig(source=source, max_steps=9)})
    recipe = recipe_of(policy, **changes).model_copy(update={"mission": mission})
    trainer = Trainer(recipe, Group(), CPU)
    network, factory = trainer.network, trainer.environment.factory
    with torch.no_grad():  # values that matter
        for parameter in trainer.parameters:
            parameter.mul_(2)
    first, _ = trainer.collect()
    rollout, finished = trainer.collect()  # the second one starts within an episode
    assert first is not None
    assert rollout is not None
    replay = VectorEnvironment(trainer.environment.mission, num_envs=2, seed=recipe.seed)
    agents = replay.num_agents
    starting = torch.ones(agents, dtype=torch.bool)
    state = network.initial_state(agents, CPU)
    columns: dict[str, list[torch.Tensor]] = {
        name: [] for name in ("rewards", "values", "next_values", "done", "starts", "log_probs")
    }
    truncates = bool(trainer.environment.mission.env_config.game.episode_truncates)
    ends = 0

    def clear(state: Any, mask: torch.Tensor) -> Any:
        return state if state is None else tuple(part * (~mask).float()[:, None, None] for part in state)

    with torch.no_grad():
        for actions in torch.cat([first.actions, rollout.actions]):
            columns["starts"].append(starting)
            seen = network.prepare(torch.from_numpy(replay.buffers.observations.copy()))
            logits, values, state = network.step(seen, clear(state, starting))
            columns["values"].append(values)
            columns["log_probs"].append(torch.log_softmax(logits, dim=1)[torch.arange(agents), actions])
            replay.buffers.actions[:] = actions.numpy()
            rewards, terminated, truncated, episodes = replay.step()
            columns["rewards"].append(torch.from_numpy(rewards).clamp(-0.5, 0.5))
            starting = torch.from_numpy(terminated | truncated)
            columns["done"].append(starting)
            following = network.prepare(torch.from_numpy(replay.buffers.observations.copy()))
            _, next_values, _ = network.step(following, state)
            for episode in episodes:
                ends += 1
                rows = slice(episode.environment * 4, episode.environment * 4 + 4)
                next_values[rows] = 0
                assert (episode.final_observations is not None) == truncates
                if episode.final_observations is not None:
                    final = network.prepare(torch.from_numpy(episode.final_observations.copy()))
                    own = None if state is None else (state[0][rows], state[1][rows])
                    next_values[rows] = network.step(final, own)[1]
            columns["next_values"].append(next_values)
    assert ends == 6  # steps 9, 18 and 27 of 28, in both environments
    assert len(finished) == 4
    assert factory.num_agents == 4
    happened = {name: torch.stack(column)[14:] for name, column in columns.items()}
    assert torch.equal(rollout.starts, happened["starts"])
    torch.testing.assert_close(rollout.values, happened["values"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(rollout.log_probs, happened["log_probs"], rtol=1e-4, atol=1e-5)
    expected = np.zeros((14, agents))
    for agent in range(agents):
        future = 0.0
        for t in reversed(range(14)):
            at = {name: float(column[t, agent]) for name, column in happened.items()}
            future = 0.0 if at["done"] else future
            future = at["rewards"] + 0.9 * at["next_values"] - at["values"] + 0.9 * 0.8 * future
            expected[t, agent] = future
    np.testing.assert_allclose(rollout.advantages.numpy(), expected, rtol=1e-3, atol=1e-4)


def test_the_published_names_are_the_documented_ones() -> None:
    assert (paths.MODEL, paths.METRICS) == ("model.safetensors", "metrics.jsonl")


@pytest.mark.parametrize("policy", ["grid", "lstm"])
def test_blocks_that_take_turns_play_what_they_play_one_after_the_other(policy: str) -> None:
    """Turns are for GPUs; here the same two blocks are played both ways on the CPU."""
    rollouts = []
    for turns in (1, 2):
        trainer = Trainer(recipe_of(policy, num_envs=6), Group(), CPU)
        collector = trainer._collector
        collector._blocks, collector._turns = trainer.environment.blocks(12), turns
        for _ in range(3):  # beyond the end of the first episodes
            rollout, episodes = collector.collect()
        assert rollout is not None
        rollouts.append((rollout, sorted(episode.environment for episode in episodes)))
    assert len(trainer.environment.blocks(12)) == 2
    (chained, ended), (turned, ended_too) = rollouts
    assert ended == ended_too == [0, 1, 2, 3, 4, 5]
    assert torch.equal(chained.actions, turned.actions)
    assert torch.equal(chained.starts, turned.starts)
    torch.testing.assert_close(chained.advantages, turned.advantages, rtol=1e-4, atol=1e-5)
