"""Proximal policy optimization: advantages and losses as pure functions of tensors.

Shapes use T for the horizon (steps of one rollout) and N for agents.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from daf.config import Hyperparameters


def generalized_advantages(
    *, rewards: Tensor, values: Tensor, next_values: Tensor, done: Tensor, gamma: float, gae_lambda: float
) -> Tensor:
    """Advantages [T, N] (Schulman et al. 2016, eq. 16).

    Args:
        rewards: [T, N], received for the action of step t.
        values: [T, N], of the observation on which the action of step t was based.
        next_values: [T, N], of the state after step t: the following observation's, the value after the horizon in the
            last row, the value of the last state of a truncated episode, and 0 after a real end.
        done: [T, N] bool, true if step t ended an episode either way; the sum over the future stops there.
    """
    deltas = rewards + gamma * next_values - values
    advantages = torch.empty_like(rewards)
    future = torch.zeros_like(rewards[0])
    carry = gamma * gae_lambda * (~done).to(rewards.dtype)
    for t in range(rewards.shape[0] - 1, -1, -1):
        future = deltas[t] + carry[t] * future
        advantages[t] = future
    return advantages


@dataclass(frozen=True, kw_only=True)
class LossParts:
    """Sums over the samples of a minibatch, all scalars; `total` is differentiated."""

    total: Tensor
    policy: Tensor
    value: Tensor
    entropy: Tensor
    approx_kl: Tensor
    clipped: Tensor


def ppo_loss(
    *,
    logits: Tensor,
    values: Tensor,
    actions: Tensor,
    old_log_probs: Tensor,
    old_values: Tensor,
    advantages: Tensor,
    returns: Tensor,
    hyperparameters: Hyperparameters,
) -> LossParts:
    """Clipped objective (Schulman et al. 2017, eq. 9), summed over samples; all inputs [samples], logits [samples, A].

    The value loss is half the squared error, clipped around the old value if `value_clip_coef` is set. The
    divergence is the estimator (ratio - 1) - log(ratio) (Schulman 2020).
    """
    log_probs = torch.log_softmax(logits, dim=1)
    log_ratio = log_probs.gather(1, actions[:, None]).squeeze(1) - old_log_probs
    ratio = log_ratio.exp()
    clipped_ratio = ratio.clamp(1 - hyperparameters.clip_coef, 1 + hyperparameters.clip_coef)
    policy = -torch.minimum(ratio * advantages, clipped_ratio * advantages).sum()
    error = (values - returns).square()
    limit = hyperparameters.value_clip_coef
    if limit is not None:
        near = old_values + (values - old_values).clamp(-limit, limit)
        error = torch.maximum(error, (near - returns).square())
    value = 0.5 * error.sum()
    entropy = -(log_probs.exp() * log_probs).sum()
    with torch.no_grad():
        approx_kl = ((ratio - 1) - log_ratio).sum()
        clipped = ((ratio - 1).abs() > hyperparameters.clip_coef).to(ratio.dtype).sum()
    total = policy + hyperparameters.value_coef * value - hyperparameters.entropy_coef * entropy
    return LossParts(total=total, policy=policy, value=value, entropy=entropy, approx_kl=approx_kl, clipped=clipped)


def imitation_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy with a teacher's actions, summed over the samples that have one.

    Args:
        logits: [samples, A].
        labels: [samples]; negative: the teacher chose an action that the network does not have.
    """
    labelled = labels >= 0
    chosen = torch.log_softmax(logits, dim=1).gather(1, labels.clamp(min=0)[:, None]).squeeze(1)
    return -(chosen * labelled).sum()


def scheduled_learning_rate(hyperparameters: Hyperparameters, update: int, num_updates: int) -> float:
    """Learning rate of update 0 … num_updates - 1; schedules decay towards zero and never rise."""
    progress = min(1.0, update / num_updates)
    match hyperparameters.schedule:
        case "constant":
            return hyperparameters.learning_rate
        case "linear":
            return hyperparameters.learning_rate * (1 - progress)
        case "cosine":
            return hyperparameters.learning_rate * 0.5 * (1 + torch.cos(torch.tensor(torch.pi * progress)).item())
