"""Held-out evaluations: what they measure, what they do not change, and that the best weights are published."""

from __future__ import annotations

import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from daf.config import Hyperparameters, MissionConfig, PolicyConfig
from daf.config.recipes import HeldOutRecipe, MissionRecipe, TrainingRecipe
from daf.distributed.process_group import Group
from daf.engine.evaluation import EvaluationOptions, evaluate_policy
from daf.engine.missions import resolve_mission
from daf.engine.model_files import read_weights
from daf.engine.random_state import capture_random_state, restore_random_state
from daf.errors import BadInputError
from daf.logging_config import create_daf_logger
from daf.system.forked_work import note_step
from daf.system.json_files import read_json
from daf.training.evaluator import Evaluator, check_objective
from daf.training.loop import train
from daf.training.options import RunOptions
from daf.training.outcome import TrainingOutcome
from daf.training.trainer import Trainer

CPU = torch.device("cpu")
MISSION = MissionRecipe.of("short", {"short": MissionConfig(source="training_facility_1", max_steps=21)})


def recipe_of(policy: str = "grid", *, updates: int = 6, **held_out: Any) -> TrainingRecipe:
    settings = {"num_evaluations": 3, "episodes": 4, "seed": 900, "objective_metric": "mean_reward"}
    return TrainingRecipe(
        mission=MISSION,
        policy_class_path=policy,
        init_kwargs={"hidden_size": 32, "embedding_size": 16} if policy == "grid" else {},
        hyperparameters=Hyperparameters(num_envs=4, horizon=16, minibatch_size=64, learning_rate=0.02),
        num_steps=updates * 4 * 4 * 16,
        seed=1,
        world_size=1,
        held_out=HeldOutRecipe(**{**settings, "optimize_direction": "maximize", **held_out}),
    )


def run(recipe: TrainingRecipe, folder: Path) -> TrainingOutcome:
    logger = create_daf_logger("test", level="error")
    return train(recipe, folder, RunOptions(label="test"), group=Group(), device=CPU, logger=logger)


def metrics_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_published_weights_are_those_of_the_best_evaluation(direction: str, tmp_path: Path) -> None:
    """What the published file scores on the evaluation's episodes, by the ordinary evaluation, is the best figure."""
    recipe = recipe_of(optimize_direction=direction, objective_metric="action.move.success")
    run(recipe, tmp_path)
    facts = read_json(tmp_path / "run.json")
    lines = metrics_of(tmp_path)
    assert [entry["update"] for entry in facts["evaluations"]] == [2, 4, 6]
    objectives = [entry["objective"] for entry in facts["evaluations"]]
    assert [line["held_out_objective"] for line in lines] == [v for objective in objectives for v in (None, objective)]
    best = (max if direction == "maximize" else min)(objectives)
    worst = (min if direction == "maximize" else max)(objectives)
    assert best != worst
    assert facts["published"]["objective"] == best
    number = len(objectives) - 1 - objectives[::-1].index(best)
    assert facts["published"]["agent_steps"] == facts["evaluations"][number]["agent_steps"]
    assert read_json(tmp_path / "model.json")["agent_steps"] == facts["published"]["agent_steps"]
    policy = PolicyConfig(class_path="grid", data_path=tmp_path / "model.safetensors", init_kwargs=recipe.init_kwargs)
    mission, metric = resolve_mission(MISSION.config, "short"), "action.move.success"
    options = EvaluationOptions(objective_metric=metric)
    episodes = evaluate_policy(policy, mission, episodes=4, seed=900, options=options)
    assert episodes["objective"].mean() == pytest.approx(best, abs=1e-6)


def test_without_evaluations_the_last_weights_are_published(tmp_path: Path) -> None:
    recipe = recipe_of().model_copy(update={"held_out": None})
    run(recipe, tmp_path / "none")
    assert read_json(tmp_path / "none" / "run.json")["evaluations"] == []
    last = recipe_of(num_evaluations=1)  # one, at the end
    run(last, tmp_path / "last")
    first, second = (read_weights(tmp_path / name / "model.safetensors") for name in ("none", "last"))
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("policy", ["grid", "lstm"])
def test_evaluations_do_not_disturb_the_training(policy: str, tmp_path: Path) -> None:
    figures = []
    for number in (0, 6):
        held_out = None if number == 0 else recipe_of(num_evaluations=number).held_out
        recipe = recipe_of(policy).model_copy(update={"held_out": held_out})
        run(recipe, tmp_path / str(number))
        figures.append([(line["policy_loss"], line["entropy"]) for line in metrics_of(tmp_path / str(number))])
    assert figures[0] == figures[1]


def test_the_share_of_a_process_is_part_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes play half of the episodes each and agree on what one alone finds."""
    recipe = recipe_of(episodes=5, objective_metric="length")
    trainer = Trainer(recipe, Group(), CPU)
    assert trainer.evaluator is not None
    whole = trainer.evaluator.evaluate()
    assert whole["episodes"] == 5
    assert whole["objective"] == 21.0
    gathered: list[Any] = []
    monkeypatch.setattr(Group, "gather", lambda self, mine: gathered.append(mine) or [mine])
    mission, factory = trainer.environment.mission, trainer.environment.factory
    for rank in range(2):
        group = Group(rank=rank, world_size=2)
        policy, resolved = trainer.evaluator._policy, trainer.policy
        Evaluator(recipe.held_out, mission, factory, policy, resolved, group, CPU).evaluate()
    assert [[number for number, *_ in share] for share, _ in gathered] == [[0, 2, 4], [1, 3]]
    rewards = [reward for share, _ in gathered for _, _, reward in share]
    assert sum(rewards) / 5 == pytest.approx(whole["mean_reward"])


@pytest.mark.parametrize(
    ("num_evaluations", "num_updates", "due"),
    [(1, 7, [7]), (3, 7, [3, 5, 7]), (7, 7, [1, 2, 3, 4, 5, 6, 7]), (9, 2, [1, 2])],
)
def test_evaluations_are_evenly_spaced_and_the_last_comes_at_the_end(
    num_evaluations: int, num_updates: int, due: list[int]
) -> None:
    evaluator = Trainer(recipe_of(num_evaluations=num_evaluations), Group(), CPU).evaluator
    assert evaluator is not None
    assert [update for update in range(1, num_updates + 1) if evaluator.is_due(update, num_updates)] == due


@pytest.mark.parametrize(
    ("direction", "new", "old", "better"),
    [
        ("maximize", 2.0, 1.0, True),
        ("maximize", 1.0, 2.0, False),
        ("maximize", 1.0, 1.0, True),
        ("minimize", 2.0, 1.0, False),
        ("minimize", 1.0, 2.0, True),
        ("maximize", None, 1.0, False),
        ("maximize", None, None, True),
        ("minimize", 0.0, None, True),
    ],
)
def test_which_evaluation_wins(direction: str, new: float | None, old: float | None, better: bool) -> None:
    evaluator = Trainer(recipe_of(optimize_direction=direction), Group(), CPU).evaluator
    assert evaluator is not None
    assert evaluator.is_better(new, old) is better


def test_what_cannot_be_measured_is_said_before() -> None:
    endless = resolve_mission(MISSION.config, "short")
    endless = resolve_mission(endless.env_config.model_copy(deep=True), "endless")
    endless.env_config.game.max_steps = 0
    with pytest.raises(BadInputError, match="a step limit"):
        check_objective("mean_reward", endless)
    with pytest.raises(BadInputError, match="defines success"):
        check_objective("success_rate", resolve_mission("tutorial"))
    check_objective("success_rate", resolve_mission("tutorial.miner"))


def test_all_global_generators_come_back() -> None:
    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)
    np.random.standard_normal()  # leaves a second number in store
    state = capture_random_state()

    def draw() -> tuple[float, float, int, float]:
        return random.random(), np.random.standard_normal(), np.random.randint(10**6), torch.rand(()).item()

    first = draw()
    assert draw() != first
    restore_random_state(state)
    assert draw() == first


def test_a_resumed_process_draws_on_where_the_other_stopped() -> None:
    """What a network may draw from unasked, in a dropout layer say, is part of the trainer's state."""
    trainer = Trainer(recipe_of(), Group(), CPU)
    state = trainer.state()
    first = random.random(), np.random.random(), torch.rand(3).tolist()
    trainer.restore(state)
    assert (random.random(), np.random.random(), torch.rand(3).tolist()) == first


def test_a_misspelt_metric_is_told_from_a_statistic() -> None:
    mission = resolve_mission("tutorial.miner")
    with pytest.raises(BadInputError, match="did you mean 'mean_reward'"):
        check_objective("mean_rewrd", mission)
    check_objective("cogs/carbon.deposited", mission)


@pytest.mark.parametrize("policy", ["grid", "tests.unit.engine.networks_of_users.Doubter"])
def test_every_step_of_an_evaluation_is_a_sign_of_life(policy: str) -> None:
    """Of a large mission with a large network, an episode may take longer than the watchdog waits."""
    recipe = recipe_of(policy, episodes=3)
    beats: list[int] = []
    trainer = Trainer(recipe, Group(), CPU)
    assert trainer.evaluator is not None
    trainer.evaluator._group = SimpleNamespace(  # type: ignore[assignment]
        rank=0, world_size=1, gather=lambda value: [value], alive=lambda: beats.append(1)
    )
    trainer.evaluator.evaluate()
    assert len(beats) >= 21
    watched = len(beats)
    note_step(3)
    assert len(beats) == watched
