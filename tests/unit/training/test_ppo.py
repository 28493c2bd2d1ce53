"""Advantages, losses and schedules against references in plain numpy, written from the papers' formulas."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from daf.config import Hyperparameters
from daf.training.ppo import LossParts, generalized_advantages, ppo_loss, scheduled_learning_rate

# ---- advantages -------------------------------------------------------------------------------------------


def advantages_by_definition(
    rewards: np.ndarray, values: np.ndarray, next_values: np.ndarray, done: np.ndarray, gamma: float, lam: float
) -> np.ndarray:
    """Schulman et al. 2016, eq. 16: the sum over l of (gamma lambda)^l delta_{t+l}, up to the end of the episode."""
    steps, agents = rewards.shape
    advantages_by_hand = np.zeros((steps, agents))
    for agent in range(agents):
        for t in range(steps):
            for later in range(t, steps):
                delta = rewards[later, agent] + gamma * next_values[later, agent] - values[later, agent]
                advantages_by_hand[t, agent] += (gamma * lam) ** (later - t) * delta
                if done[later, agent]:
                    break
    return advantages_by_hand


def segment(seed: int, steps: int = 9, agents: int = 5) -> dict[str, Any]:
    """Random play: agent 0 never ends, 1 ends in the middle, 2 in the last step, 3 often, 4 in the first step."""
    rng = np.random.default_rng(seed)
    done = np.zeros((steps, agents), dtype=bool)
    done[4, 1] = done[steps - 1, 2] = done[0, 4] = True
    done[:, 3] = rng.random(steps) < 0.4
    values = rng.normal(size=(steps, agents))
    next_values = np.concatenate([values[1:], rng.normal(size=(1, agents))])
    truncated = done & (rng.random(done.shape) < 0.5)
    next_values[done] = 0.0
    next_values[truncated] = rng.normal(size=int(truncated.sum()))
    return {"rewards": rng.normal(size=(steps, agents)), "values": values, "next_values": next_values, "done": done}


def tensors(columns: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.asarray(column)) for name, column in columns.items()}


@pytest.mark.parametrize(("gamma", "lam"), [(0.98, 0.95), (1.0, 1.0), (0.9, 0.0), (0.0, 0.95), (0.7, 1.0)])
@pytest.mark.parametrize("seed", range(3))
def test_advantages_equal_their_definition(seed: int, gamma: float, lam: float) -> None:
    columns = segment(seed)
    computed = generalized_advantages(**tensors(columns), gamma=gamma, gae_lambda=lam)
    expected = advantages_by_definition(**columns, gamma=gamma, lam=lam)
    np.testing.assert_allclose(computed.numpy(), expected, rtol=1e-12, atol=1e-12)


def test_the_last_step_of_a_segment_has_an_advantage() -> None:
    computed = generalized_advantages(
        rewards=torch.tensor([[0.0], [1.0]]),
        values=torch.tensor([[0.0], [0.25]]),
        next_values=torch.tensor([[0.25], [2.0]]),
        done=torch.tensor([[False], [False]]),
        gamma=0.5,
        gae_lambda=0.5,
    )
    last = 1.0 + 0.5 * 2.0 - 0.25
    assert computed.flatten().tolist() == pytest.approx([0.5 * 0.25 + 0.25 * last, last])


def test_an_end_and_a_cut_differ_in_the_value_of_what_follows_alone() -> None:
    def advantages_before(next_value: float) -> list[float]:
        return (
            generalized_advantages(
                rewards=torch.ones(3, 1),
                values=torch.zeros(3, 1),
                next_values=torch.tensor([[0.0], [next_value], [5.0]]),
                done=torch.tensor([[False], [True], [False]]),
                gamma=0.9,
                gae_lambda=0.8,
            )
            .flatten()
            .tolist()
        )

    ended, cut = advantages_before(0.0), advantages_before(2.0)
    assert ended == pytest.approx([1 + 0.72 * 1, 1.0, 5.5])
    assert cut == pytest.approx([1 + 0.72 * 2.8, 2.8, 5.5])


def test_with_lambda_one_advantages_are_discounted_returns_minus_values() -> None:
    columns = segment(1)
    gamma = 0.93
    computed = generalized_advantages(**tensors(columns), gamma=gamma, gae_lambda=1.0).numpy()
    agent = 0  # never ends: its return is bootstrapped after the last step
    rewards, steps = columns["rewards"][:, agent], len(columns["rewards"])
    for t in range(steps):
        future = sum(gamma ** (k - t) * rewards[k] for k in range(t, steps))
        future += gamma ** (steps - t) * columns["next_values"][-1, agent]
        assert computed[t, agent] == pytest.approx(future - columns["values"][t, agent])


# ---- losses -----------------------------------------------------------------------------------------------

Columns = dict[str, np.ndarray]


def batch(seed: int, samples: int = 40, actions: int = 5) -> Columns:
    """A minibatch whose ratios lie on both sides of the clip, with advantages of both signs."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(samples, actions))
    chosen = rng.integers(0, actions, samples)
    log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    old_values = rng.normal(size=samples)
    return {
        "logits": logits,
        "values": old_values + rng.normal(size=samples) * 0.4,
        "actions": chosen,
        "old_log_probs": log_probs[np.arange(samples), chosen] + rng.normal(size=samples) * 0.3,
        "old_values": old_values,
        "advantages": rng.normal(size=samples),
        "returns": old_values + rng.normal(size=samples),
    }


def loss_by_the_papers(
    c: Columns, *, clip: float, value_clip: float | None, value_coef: float, entropy_coef: float
) -> dict[str, float]:
    """Schulman et al. 2017, eq. 7 and 9, sample by sample; the value clip of their implementation."""
    sums = dict.fromkeys(("policy", "value", "entropy", "approx_kl", "clipped"), 0.0)
    for i in range(len(c["actions"])):
        exponentials = [math.exp(x) for x in c["logits"][i]]
        probabilities = [x / sum(exponentials) for x in exponentials]
        ratio = probabilities[c["actions"][i]] / math.exp(c["old_log_probs"][i])
        advantage, target = c["advantages"][i], c["returns"][i]
        kept = min(max(ratio, 1 - clip), 1 + clip)
        sums["policy"] -= min(ratio * advantage, kept * advantage)
        error = (c["values"][i] - target) ** 2
        if value_clip is not None:
            change = min(max(c["values"][i] - c["old_values"][i], -value_clip), value_clip)
            error = max(error, (c["old_values"][i] + change - target) ** 2)
        sums["value"] += error / 2
        sums["entropy"] -= sum(p * math.log(p) for p in probabilities)
        sums["approx_kl"] += ratio - 1 - math.log(ratio)
        sums["clipped"] += abs(ratio - 1) > clip
    sums["total"] = sums["policy"] + value_coef * sums["value"] - entropy_coef * sums["entropy"]
    return sums


def loss_of(columns: Columns, hyperparameters: Hyperparameters) -> LossParts:
    return ppo_loss(**tensors(columns), hyperparameters=hyperparameters)


@pytest.mark.parametrize("value_clip", [None, 0.2])
@pytest.mark.parametrize(("clip", "value_coef", "entropy_coef"), [(0.2, 0.5, 0.005), (0.05, 2.0, 0.3), (1.5, 0.0, 0.0)])
@pytest.mark.parametrize("seed", range(2))
def test_losses_equal_the_papers(
    seed: int, clip: float, value_coef: float, entropy_coef: float, value_clip: float | None
) -> None:
    columns = batch(seed)
    hyperparameters = Hyperparameters(
        clip_coef=clip, value_clip_coef=value_clip, value_coef=value_coef, entropy_coef=entropy_coef
    )
    parts = {name: float(value) for name, value in vars(loss_of(columns, hyperparameters)).items()}
    expected = loss_by_the_papers(
        columns, clip=clip, value_clip=value_clip, value_coef=value_coef, entropy_coef=entropy_coef
    )
    assert parts == pytest.approx(expected, rel=1e-10)
    if clip < 1:
        assert 0 < parts["clipped"] < len(columns["actions"])


def slopes(f: Callable[[np.ndarray], float], x: np.ndarray, h: float = 1e-6) -> np.ndarray:
    """Central differences of f at x."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += h
        down[index] -= h
        gradient[index] = (f(up) - f(down)) / (2 * h)
    return gradient


@pytest.mark.parametrize("value_clip", [None, 0.2])
@pytest.mark.parametrize("what", ["logits", "values"])
def test_gradients_of_the_loss_are_its_slopes(what: str, value_clip: float | None) -> None:
    columns = batch(7, samples=16)
    hyperparameters = Hyperparameters(value_clip_coef=value_clip, entropy_coef=0.1)
    inputs = tensors(columns)
    inputs[what].requires_grad_()
    ppo_loss(**inputs, hyperparameters=hyperparameters).total.backward()

    def total(x: np.ndarray) -> float:
        return loss_by_the_papers(
            {**columns, what: x}, clip=0.2, value_clip=value_clip, value_coef=0.5, entropy_coef=0.1
        )["total"]

    gradient = inputs[what].grad
    assert gradient is not None
    assert gradient.abs().sum() > 0
    np.testing.assert_allclose(gradient.numpy(), slopes(total, columns[what]), rtol=1e-5, atol=1e-7)


def test_a_clipped_ratio_pushes_no_further_but_still_pulls_back() -> None:
    """Where the clip binds the policy gradient is zero; on the other side of it, it is not."""
    logits = torch.tensor([[2.0, 0.0]] * 2, dtype=torch.float64, requires_grad=True)
    hyperparameters = Hyperparameters(entropy_coef=0.0, value_coef=0.0)
    ppo_loss(
        logits=logits,
        values=torch.zeros(2),
        actions=torch.tensor([0, 0]),
        old_log_probs=torch.full((2,), math.log(0.5), dtype=torch.float64),  # the ratio is about 1.76
        old_values=torch.zeros(2),
        advantages=torch.tensor([1.0, -1.0]),
        returns=torch.zeros(2),
        hyperparameters=hyperparameters,
    ).total.backward()
    assert logits.grad is not None
    assert logits.grad[0].abs().max() == 0
    assert logits.grad[1, 0] > 0.1


def test_figures_that_are_only_reported_carry_no_gradient() -> None:
    inputs = tensors(batch(0))
    inputs["logits"].requires_grad_()
    parts = ppo_loss(**inputs, hyperparameters=Hyperparameters())
    assert not parts.approx_kl.requires_grad
    assert not parts.clipped.requires_grad


def test_an_unchanged_policy_has_no_divergence_and_the_plain_policy_loss() -> None:
    columns = batch(2)
    logits = torch.from_numpy(columns["logits"])
    old = torch.log_softmax(logits, dim=1).gather(1, torch.from_numpy(columns["actions"])[:, None]).squeeze(1)
    parts = loss_of({**columns, "old_log_probs": old.numpy()}, Hyperparameters())
    assert float(parts.approx_kl) == pytest.approx(0, abs=1e-12)
    assert float(parts.clipped) == 0
    assert float(parts.policy) == pytest.approx(-columns["advantages"].sum())


# ---- schedules --------------------------------------------------------------------------------------------


def test_the_learning_rate_follows_its_schedule() -> None:
    def rates(schedule: str) -> list[float]:
        hyperparameters = Hyperparameters(learning_rate=0.4, schedule=schedule)  # type: ignore[arg-type]
        return [scheduled_learning_rate(hyperparameters, update, 8) for update in range(10)]

    assert rates("constant") == [0.4] * 10
    assert rates("linear") == pytest.approx([0.4 * (1 - k / 8) for k in range(8)] + [0, 0])
    assert rates("cosine") == pytest.approx(
        [0.2 * (1 + math.cos(math.pi * k / 8)) for k in range(8)] + [0, 0], abs=1e-8
    )
    for schedule in ("linear", "cosine"):
        fall = rates(schedule)
        assert all(after <= before for before, after in pairwise(fall))
        assert min(fall[:8]) > 0  # no update of a run is without effect
