"""Partners in training: who plays, what is learned, and that runs with partners resume and share work exactly."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from daf.config import DAFTrainingConfig, PartnersConfig, PolicyConfig
from daf.config.frozen_policy import FrozenPolicyRecipe
from daf.config.partners import HistoryRecipe, PartnersRecipe
from daf.config.recipes import HeldOutRecipe, TrainingRecipe
from daf.distributed.process_group import Group
from daf.engine.policies import build_policy, resolve_policy
from daf.engine.random_state import random_state_kept
from daf.engine.rollout import seed_everything
from daf.engine.teams import Lineup
from daf.errors import BadInputError, CheckpointError, ConfigError
from daf.logging_config import create_daf_logger
from daf.system.files import file_sha256
from daf.system.json_files import read_json
from daf.training.frozen_policies import partners_recipe, prepare_partners
from daf.training.isolation import may_end_the_process
from daf.training.launch import run_training
from daf.training.loop import train
from daf.training.options import RunOptions, TrainingSpec
from daf.training.partnering import LEARNER, SeatDraw, require_seats, validation_lineup
from daf.training.paths import state_folder
from daf.training.rollout import Rollout
from daf.training.trainer import Trainer
from tests.unit.training.small import metrics_of, options_of
from tests.unit.training.test_loop import CPU, UPDATE_STEPS, Crash, crash, recipe_of, run, stop_in_update

EVERY = UPDATE_STEPS  # a checkpoint of the history after every update


def beside(
    *names: str, history: int | None = None, policy: str = "grid", updates: int = 4, **partners: Any
) -> TrainingRecipe:
    """A run with these policies as partners."""
    found = PartnersRecipe(
        pool=tuple(FrozenPolicyRecipe(class_path=name) for name in names),
        history=None if history is None else HistoryRecipe(every=history),
        **partners,
    )
    return recipe_of(policy, updates=updates).model_copy(update={"partners": found})


def model(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def begun(recipe: TrainingRecipe) -> Trainer:
    trainer = Trainer(recipe, Group(), CPU)
    trainer.begin(None)
    return trainer


def collected(trainer: Trainer) -> Rollout:
    rollout, _ = trainer.collect()
    assert rollout is not None
    return rollout


# ---- who plays ------------------------------------------------------------------------------------------------


def seats_of(share: float, agents: int, pool: int = 2, weight: float | None = None, earlier: int = 3) -> np.ndarray:
    """The seats of 4,000 episodes."""
    recipe = PartnersRecipe(
        pool=(FrozenPolicyRecipe(class_path="random"),) * pool,
        history=None if weight is None else HistoryRecipe(every=1, weight=weight),
        share=share,
    )
    draw = SeatDraw(partners=recipe, seed=3, num_agents=agents)
    return np.array([draw.seats(env, episode, earlier) for env in range(40) for episode in range(100)])


@pytest.mark.parametrize(("share", "agents"), [(0.5, 4), (0.3, 4), (0.75, 4), (0.1, 2), (0.5, 3)])
def test_partners_play_the_declared_share_of_every_seat(share: float, agents: int) -> None:
    seats = seats_of(share, agents)
    counts = (seats != LEARNER).sum(axis=1)
    assert counts.mean() == pytest.approx(share * agents, abs=0.03)
    assert counts.max() < agents
    assert counts.max() - counts.min() <= 1
    for seat in range(agents):
        assert (seats[:, seat] != LEARNER).mean() == pytest.approx(share, abs=0.03)


def test_seats_go_to_the_pool_and_the_history_by_weight() -> None:
    seats = seats_of(0.5, 4, pool=2, weight=2.0)
    shares = Counter(seats[seats != LEARNER].tolist())
    assert {partner: pytest.approx(count / 8000, abs=0.02) for partner, count in shares.items()} == {
        0: 1 / 4, 1: 1 / 4, 2: 1 / 6, 3: 1 / 6, 4: 1 / 6,
    }  # fmt: skip
    of_history = [set(episode[episode >= 2].tolist()) for episode in seats]
    assert max(map(len, of_history)) == 1
    assert set(seats_of(0.5, 4, pool=0, weight=1.0).ravel().tolist()) == {LEARNER, 0, 1, 2}


def test_seats_depend_on_seed_environment_and_episode_alone() -> None:
    recipe = beside("random").partners
    assert recipe is not None
    draw, other = (SeatDraw(partners=recipe, seed=seed, num_agents=4) for seed in (1, 2))
    there = [draw.seats(env, episode, 0) for env in range(9) for episode in range(9)]
    assert there == [draw.seats(env, episode, 0) for env in range(9) for episode in range(9)]
    assert there != [other.seats(env, episode, 0) for env in range(9) for episode in range(9)]
    assert len({tuple(seats) for seats in there}) == 6


@pytest.mark.parametrize("partner", ["noop", "lstm", "starter"])
def test_partners_play_their_seats_until_the_episode_ends(partner: str) -> None:
    trainer = begun(beside(partner))
    seen: list[np.ndarray] = []
    begin = trainer.environment.begin_step

    def begin_step(block: range) -> None:
        seen.append(trainer.environment.buffers.actions[trainer.environment.rows(block)].copy())
        begin(block)

    trainer.environment.begin_step = begin_step  # type: ignore[method-assign]
    rollouts = [collected(trainer) for _ in range(3)]
    learns = torch.cat([rollout.learns for rollout in rollouts if rollout.learns is not None]).numpy()
    chosen = torch.cat([rollout.actions for rollout in rollouts]).numpy()
    played = np.array(seen)
    assert learns.shape == played.shape == (48, 16)
    assert (played == chosen)[learns].all()
    assert (played != chosen)[~learns].any()
    if partner == "noop":
        assert (played[~learns] == 0).all()
    assert learns.reshape(48, 4, 4).sum(axis=2).tolist() == [[2] * 4] * 48
    changes = np.flatnonzero((learns[1:] != learns[:-1]).any(axis=1)) + 1
    assert changes.tolist() == [21, 42]


def test_a_partner_plays_as_in_an_evaluation() -> None:
    """Scripted, with its own generators: the same actions as in the engine's seats for the same observations."""

    trainer = begun(beside("random"))
    environment = trainer.environment
    with random_state_kept():
        expected = {}
        for env in range(4):
            seats = trainer._collector.partners._draw(env, 0, 0)  # type: ignore[union-attr]
            seed_everything(environment.running_seed(env))
            built = build_policy(resolve_policy("random"), environment.factory.interface)
            agents = {agent: built.agent_policy(agent) for agent, partner in enumerate(seats) if partner != LEARNER}
            names = environment.factory.interface.all_action_names
            expected[env] = [
                {agent: names.index(one.step(None).name) for agent, one in agents.items()}  # type: ignore[arg-type]
                for _ in range(16)
            ]
    seen: list[np.ndarray] = []
    begin = environment.begin_step

    def begin_step(block: range) -> None:
        seen.append(environment.buffers.actions[environment.rows(block)].copy())
        begin(block)

    environment.begin_step = begin_step  # type: ignore[method-assign]
    collected(trainer)
    for env, steps in expected.items():
        for step, actions in enumerate(steps):
            assert {agent: seen[step][env * 4 + agent] for agent in actions} == actions


# ---- what is learned ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["grid", "lstm"])
def test_nothing_is_learned_from_the_seats_of_partners(policy: str) -> None:
    recipe = beside("random", policy=policy)
    rollout = collected(begun(recipe))
    assert rollout.learns is not None
    theirs = ~rollout.learns
    disturbed = replace(
        rollout,
        advantages=torch.where(theirs, torch.full_like(rollout.advantages, 1e3), rollout.advantages),
        values=torch.where(theirs, torch.full_like(rollout.values, -7.0), rollout.values),
        actions=torch.where(theirs, torch.zeros_like(rollout.actions), rollout.actions),
        log_probs=torch.where(theirs, torch.full_like(rollout.log_probs, -3.0), rollout.log_probs),
    )
    results = []
    for one in (rollout, disturbed, replace(rollout, learns=None)):
        learner = begun(recipe)
        collected(learner)
        results.append((learner.learn(one), learner._weights()))
    (figures, weights), (same, same_weights), (other, _) = results
    assert figures == same != other
    assert all(weights[name].equal(same_weights[name]) for name in weights)


@pytest.mark.parametrize("policy", ["grid", "lstm"])
def test_figures_are_means_over_the_samples_of_the_network(policy: str) -> None:
    recipe = beside("random", policy=policy, share=0.7)
    trainer = begun(
        recipe.model_copy(
            update={
                "hyperparameters": recipe_of(
                    policy, minibatch_size=UPDATE_STEPS, epochs=1, normalize_advantages=False
                ).hyperparameters
            }
        )
    )
    rollout = collected(trainer)
    assert rollout.learns is not None
    with torch.no_grad():
        logits, values = trainer.network.sequence(rollout.observations.transpose(0, 1), rollout.state, rollout.starts.T)
    log_probs = torch.log_softmax(logits, dim=2)
    entropy = -(log_probs.exp() * log_probs).sum(dim=2)[rollout.learns.T].mean()
    error = (values - (rollout.advantages + rollout.values).T).square()[rollout.learns.T]
    figures = trainer.learn(rollout)
    assert figures is not None
    assert figures["entropy"] == pytest.approx(float(entropy), rel=1e-4)
    assert figures["value_loss"] == pytest.approx(float(0.5 * error.mean()), rel=1e-4)


def test_metrics_tell_what_partners_played(tmp_path: Path) -> None:
    run(beside("noop", share=0.75), tmp_path)
    lines = metrics_of(tmp_path)
    assert [line["partner_share"] for line in lines] == [0.75] * 4
    assert all((line["learner_reward"] is None) == (line["episodes"] == 0) for line in lines)
    run(recipe_of(), tmp_path / "alone")
    assert "partner_share" not in metrics_of(tmp_path / "alone")[0]


# ---- exact resume ---------------------------------------------------------------------------------------------


CASES: list[tuple[str, dict[str, Any]]] = [
    ("grid", {"names": ("starter", "random"), "history": EVERY}),
    ("lstm", {"names": ("lstm",), "history": 2 * EVERY}),
]


@pytest.mark.parametrize(
    ("policy", "how"), [CASES[0], pytest.param(*CASES[1], marks=pytest.mark.long)], ids=["scripted", "recurrent"]
)
def test_killed_resumed_and_with_workers_it_ends_with_the_same_bytes(
    policy: str, how: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = beside(*how["names"], history=how["history"], policy=policy, share=0.6)
    run(recipe, tmp_path / "whole")
    for update in (2, 3, 4):
        with monkeypatch.context() as patch:
            stop_in_update(patch, update, crash)
            with pytest.raises(Crash):
                run(recipe, tmp_path / str(update))
        run(recipe, tmp_path / str(update))
        assert metrics_of(tmp_path / str(update)) == metrics_of(tmp_path / "whole")
        assert model(tmp_path / str(update)) == model(tmp_path / "whole")
        assert (
            read_json(tmp_path / str(update) / "run.json")["snapshots"]
            == (read_json(tmp_path / "whole/run.json")["snapshots"])
        )
    for workers in (1, 2):
        run_training(recipe, tmp_path / f"workers-{workers}", options_of(env_workers=workers))
        assert model(tmp_path / f"workers-{workers}") == model(tmp_path / "whole")


@pytest.mark.long
def test_ranks_draw_their_own_seats_and_share_the_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = beside("random", history=EVERY, updates=3, share=0.6).model_copy(update={"world_size": 2})
    for name in ("a", "b"):
        assert run_training(recipe, tmp_path / name, options_of()).status == "completed"
    assert model(tmp_path / "a") == model(tmp_path / "b")
    assert metrics_of(tmp_path / "a") == metrics_of(tmp_path / "b")
    assert 0.5 < metrics_of(tmp_path / "a")[0]["partner_share"] < 0.7


# ---- the history ----------------------------------------------------------------------------------------------


def test_the_history_holds_the_weights_of_its_steps(tmp_path: Path) -> None:
    recipe = beside(history=2 * UPDATE_STEPS, updates=5)
    run(recipe, tmp_path)
    folder = state_folder(tmp_path, recipe)
    named = read_json(tmp_path / "run.json")["snapshots"]
    assert [snapshot["agent_steps"] for snapshot in named] == [0, 2 * UPDATE_STEPS, 4 * UPDATE_STEPS]
    files = sorted(folder.glob("history-*.safetensors"))
    assert [file_sha256(path) for path in files] == [snapshot["sha256"] for snapshot in named]
    assert len({snapshot["sha256"] for snapshot in named}) == 3


def test_a_lost_file_of_the_history_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = beside(history=UPDATE_STEPS)
    with monkeypatch.context() as patch:
        stop_in_update(patch, 4, crash)
        with pytest.raises(Crash):
            run(recipe, tmp_path)
    path = state_folder(tmp_path, recipe) / f"history-{UPDATE_STEPS:012d}.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="an earlier checkpoint of this run") as raised:
        run(recipe, tmp_path)
    assert str(path) in raised.value.where
    assert "delete" in (raised.value.hint or "")


# ---- validation -----------------------------------------------------------------------------------------------


def test_validation_seats_the_network_one_to_all_times_beside_the_pool() -> None:
    trainer = begun(recipe_of())
    lineup = validation_lineup(trainer.policy, [trainer.policy] * 3, 500, 4)
    assert isinstance(lineup, Lineup)
    seats = [lineup.assignments(4, 500 + number) for number in range(40)]
    assert [episode.count(0) for episode in seats] == [1, 2, 3, 4] * 10
    others = Counter(member for episode in seats for member in episode if member)
    assert set(others) == {1, 2, 3}
    assert max(others.values()) - min(others.values()) <= 2
    assert len({tuple(episode) for episode in seats}) > 10
    assert seats == [lineup.assignments(4, 500 + number) for number in range(40)]


def test_the_best_checkpoint_is_chosen_beside_the_validation_pool(tmp_path: Path) -> None:
    held_out = HeldOutRecipe(
        num_evaluations=2, episodes=8, seed=500, objective_metric="mean_reward", optimize_direction="maximize"
    )
    validation = (FrozenPolicyRecipe(class_path="noop"), FrozenPolicyRecipe(class_path="grid"))
    recipe = beside("random", validation=validation, updates=2).model_copy(update={"held_out": held_out})
    run(recipe, tmp_path / "beside")
    evaluations = read_json(tmp_path / "beside/run.json")["evaluations"]
    assert [evaluation["episodes"] for evaluation in evaluations] == [8, 8]
    alone = beside("random", updates=2).model_copy(update={"held_out": held_out})
    run(alone, tmp_path / "alone")
    assert evaluations[0]["objective"] != read_json(tmp_path / "alone/run.json")["evaluations"][0]["objective"]
    only = recipe_of(updates=2).model_copy(
        update={"held_out": held_out, "partners": PartnersRecipe(validation=validation)}
    )
    run(only, tmp_path / "only")
    assert "partner_share" not in metrics_of(tmp_path / "only")[0]


def test_an_episode_of_validation_counts_by_the_seats_of_the_network() -> None:
    held_out = HeldOutRecipe(
        num_evaluations=1, episodes=8, seed=500, objective_metric="mean_reward", optimize_direction="maximize"
    )
    recipe = beside(validation=(FrozenPolicyRecipe(class_path="noop"),)).model_copy(update={"held_out": held_out})
    evaluator = begun(recipe).evaluator
    assert evaluator is not None
    assert evaluator._mean({0: 1.0, 1: 2.0, 7: 3.0}) == pytest.approx((1 + 2 * 2 + 4 * 3) / 7)
    assert evaluator._mean({}) is None


# ---- recipes, weights, and what is refused -----------------------------------------------------------------------


def test_trained_partners_are_known_by_their_weights(tmp_path: Path) -> None:
    run(recipe_of(updates=1), tmp_path / "partner")
    weights = tmp_path / "partner/model.safetensors"
    trained = FrozenPolicyRecipe(training="t", seed=1)
    planned = recipe_of(updates=2).model_copy(
        update={"partners": PartnersRecipe(pool=(FrozenPolicyRecipe(class_path="random"), trained))}
    )
    recipe, paths = prepare_partners(planned, [weights, weights.with_suffix(".json")])
    assert paths == (weights,)
    assert recipe.partners is not None
    assert [policy.weights_sha256 for policy in recipe.partners.pool] == [None, file_sha256(weights)]
    assert recipe.partners.pool[1].training is None
    logger = create_daf_logger("test", level="error")
    options = RunOptions(label="test", partner_weights=paths)
    train(recipe, tmp_path / "own", options, group=Group(), device=CPU, logger=logger)
    assert metrics_of(tmp_path / "own")[0]["partner_share"] == 0.5
    run(recipe_of(updates=2), tmp_path / "partner")
    with pytest.raises(CheckpointError, match="weights with sha256"):
        train(recipe, tmp_path / "other", options, group=Group(), device=CPU, logger=logger)
    shutil.rmtree(tmp_path / "partner")
    with pytest.raises(CheckpointError, match="the partner's weights"):
        prepare_partners(planned, [weights])


def test_the_recipe_of_partners(tmp_path: Path) -> None:
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"x")
    policies = {"mine": PolicyConfig(class_path="lstm", data_path=weights)}
    config = PartnersConfig(
        pool=["baseline", "mine"], history={"every": 5, "weight": 2}, share=0.25, validation=["mine"]
    )
    found = partners_recipe(config, 1, policies, {})
    mine = FrozenPolicyRecipe(class_path="lstm", weights_sha256=file_sha256(weights))
    assert found == PartnersRecipe(
        pool=(FrozenPolicyRecipe(class_path="baseline"), mine),
        history=HistoryRecipe(every=5, weight=2.0),
        share=0.25,
        validation=(mine,),
    )
    assert partners_recipe(None, 1, {}, {}) is None
    assert "partners" not in recipe_of().to_dict()
    assert beside("random").digest != beside("noop").digest
    assert TrainingRecipe.model_validate(beside("random", history=3).to_dict()) == beside("random", history=3)


@pytest.mark.parametrize(
    ("share", "agents", "where"),
    [(0.5, 1, "mission 'm'"), (0.8, 4, "mission 'm': partners.share"), (0.6, 2, "mission 'm': partners.share")],
)
def test_missions_without_a_seat_for_either(share: float, agents: int, where: str) -> None:
    found = PartnersRecipe(pool=(FrozenPolicyRecipe(class_path="random"),), share=share)
    with pytest.raises(BadInputError) as raised:
        require_seats(found, agents, "m")
    assert raised.value.where == where
    require_seats(found.model_copy(update={"share": (agents - 1) / agents}), max(2, agents), "m")


def test_partners_that_say_nothing() -> None:
    for wrong in ({}, {"share": 0.5}, {"pool": ["a", "a"]}, {"pool": ["a"], "share": 1.0}, {"history": {"every": 0}}):
        with pytest.raises(ConfigError):
            PartnersConfig(**wrong)
    unplayed = {"partners": {"validation": ["noop"]}, "num_evaluations": 0}
    with pytest.raises(ConfigError, match="in which the validation pool plays"):
        DAFTrainingConfig.from_dict(unplayed)


def test_weights_of_a_users_class_are_trained_beside_in_isolation(tmp_path: Path) -> None:
    def isolated(class_path: str) -> bool:
        weights = tmp_path / "model.safetensors"
        weights.write_bytes(b"")
        weights.with_suffix(".json").write_text(json.dumps(description | {"policy_class_path": class_path}))
        options = options_of(partner_weights=(weights,))
        return may_end_the_process(TrainingSpec(recipe=beside("noop"), folder=tmp_path, options=options), "cpu")

    run(recipe_of(updates=1), tmp_path / "one")
    description = read_json(tmp_path / "one" / "model.json")
    assert isolated("my_policies.Scout")
    assert not isolated(description["policy_class_path"])
