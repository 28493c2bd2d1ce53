"""Updating the network on a rollout: minibatches, gradients summed over processes, and optimizer steps.

The processor waits for the network's device twice in an update, never in a minibatch: for the advantages' moments, and
for the figures at the end. A GPU therefore always has the next minibatches in its queue.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from daf.config import Hyperparameters
from daf.distributed.process_group import Group
from daf.engine.networks import PolicyNetwork, State, episode_cuts
from daf.training.optimizers import make_optimizer, take_step
from daf.training.ppo import imitation_loss, ppo_loss
from daf.training.rollout import Rollout
from daf.training.teaching import Imitation


@dataclass(frozen=True, kw_only=True)
class Minibatch:
    """Samples of one gradient step. `advantages` are already normalized if normalization is enabled.

    Attributes:
        observations: uint8 [samples, tokens, 3]; for a recurrent network [agents, horizon, tokens, 3].
        columns: actions, old_log_probs, old_values, advantages and returns, [samples] each.
        learns: numbers of the samples among the observations, where partners played the others; None: these are all.
        starts, state: of whole agents, only for a recurrent network.
        cuts: the steps, after the first, with which an episode of any of these agents begins.
        total_samples: over all processes.
    """

    observations: Tensor
    columns: dict[str, Tensor]
    learns: Tensor | None
    starts: Tensor | None
    state: State | None
    cuts: Sequence[int]
    total_samples: float


class Learner:
    """Owns the optimizer of one process; all processes of a group hold the same weights.

    Attributes:
        shuffling: the generator of the minibatches, always on the CPU.
    """

    def __init__(
        self, network: PolicyNetwork, hyperparameters: Hyperparameters, group: Group, *, seed: int, device: torch.device
    ) -> None:
        self._network, self._hyperparameters, self._group, self._device = network, hyperparameters, group, device
        self.parameters = [p for p in network.module.parameters() if p.requires_grad]
        self.optimizer = make_optimizer(self.parameters, hyperparameters)
        self.shuffling = torch.Generator().manual_seed(seed)

    def learn(
        self, rollout: Rollout, learning_rate: float, imitation: Imitation | None = None
    ) -> dict[str, float | None] | None:
        """Improve the network on a rollout; None if a loss, a gradient or a weight was not finite.

        Returns:
            Means over all samples and processes: losses, entropy (nats), divergence, share of clipped ratios, and the
            gradient's norm before clipping; with imitation, the cross-entropy per sample and its weight, too.
        """
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = learning_rate
        returns = rollout.advantages + rollout.values
        num_figures = 6 if imitation is None else 7
        totals = torch.zeros(num_figures, device=self._device)
        samples = 0
        for batch in self._minibatches(rollout, returns):
            totals += self._gradients(batch, imitation)
            self._group.alive()
            samples += len(batch.columns["actions"])
            take_step(self.optimizer)
        errors, spreads = returns - rollout.values, returns
        if rollout.learns is not None:
            learns = _numbers(rollout.learns.numpy().ravel(), self._device)
            errors, spreads = errors.flatten()[learns], spreads.flatten()[learns]
        variances = torch.stack([errors.var(), spreads.var()])
        everything = torch.cat([totals, variances, self._finite().to(totals)[None]]).cpu()
        totals, variances, finite = everything.split([num_figures, 2, 1])
        totals, (residual, spread) = self._group.sum(totals), self._group.sum(variances).tolist()
        # The same in every process, since the gradients and the weights are. A norm that was not finite is in the sum.
        if not (finite.item() and bool(totals.isfinite().all())):
            return None
        everywhere = samples * self._group.world_size
        if rollout.learns is not None:
            everywhere = sum(self._group.gather(samples))
        figures = (totals / everywhere).tolist()
        policy, value, entropy, kl, clipped, norm, *imitated = figures
        return {
            "policy_loss": policy,
            "value_loss": value,
            "entropy": entropy,
            "approx_kl": kl,
            "clip_fraction": clipped,
            "gradient_norm": norm,
            "explained_variance": 1 - residual / spread if spread > 0 else None,
            **({} if imitation is None else {"teacher_loss": imitated[0], "teacher_coef": imitation.coef}),
        }

    def finite_weights(self) -> bool:
        """Whether all weights are finite; the same in every process, since the weights are."""
        return bool(self._finite())

    def _finite(self) -> Tensor:
        return torch.stack([p.isfinite().all() for p in self.parameters]).all()

    def _minibatches(self, rollout: Rollout, returns: Tensor) -> Iterator[Minibatch]:
        """The minibatches of all epochs, shuffled: single steps, or whole agents for a network that carries state."""
        steps, agents = rollout.actions.shape
        size = max(1, self._hyperparameters.minibatch_size // self._group.world_size)
        columns = {
            "actions": rollout.actions,
            "old_log_probs": rollout.log_probs,
            "old_values": rollout.values,
            "advantages": rollout.advantages,
            "returns": returns,
            **({} if rollout.labels is None else {"labels": rollout.labels}),
        }
        recurrent = rollout.state is not None
        # [units, …]: the unit of shuffling is an agent's whole segment or a single step.
        flat = {name: column.T if recurrent else column.flatten() for name, column in columns.items()}
        units_per_part = max(1, size // steps) if recurrent else size
        own_parts = self._own_parts(rollout, agents if recurrent else steps * agents, units_per_part)
        parts = torch.from_numpy(np.concatenate(own_parts)).to(self._device).split([len(part) for part in own_parts])
        counted = [_learning_in(rollout, part, self._device) if recurrent else None for part in own_parts]
        advantages = [flat["advantages"][part] for part in parts]
        if rollout.learns is not None:
            advantages = [_samples(part, learns) for part, learns in zip(advantages, counted, strict=True)]
        scales = self._advantage_scales(advantages)
        observations = rollout.observations.transpose(0, 1) if recurrent else rollout.observations.flatten(0, 1)
        starts, own_starts = rollout.starts.T.to(self._device) if recurrent else None, rollout.starts.numpy().T
        for part, own_part, learns, (mean, deviation, total_samples) in zip(
            parts, own_parts, counted, scales, strict=True
        ):
            chosen = {name: _samples(column[part], learns) for name, column in flat.items()}
            chosen["advantages"] = (chosen["advantages"] - mean) / deviation
            yield Minibatch(
                observations=observations[part],
                columns=chosen,
                learns=learns,
                starts=None if starts is None else starts[part],
                state=None if rollout.state is None else (rollout.state[0][part], rollout.state[1][part]),
                cuts=episode_cuts(own_starts[own_part]) if recurrent else (),
                total_samples=total_samples,
            )

    def _own_parts(self, rollout: Rollout, units: int, units_per_part: int) -> list[np.ndarray]:
        """The units of each minibatch of all epochs, on the CPU. Units in which only partners played are left out; of
        the others every process makes the same number of minibatches."""
        if rollout.learns is None:
            edges = range(units_per_part, units, units_per_part)
            return [part for epoch in self._shuffled(units) for part in np.split(epoch, edges)]
        learns = rollout.learns.numpy()
        used = np.flatnonzero(learns.any(axis=0) if rollout.state is not None else learns)
        in_process = self._group.gather(len(used))
        parts = min(-(-max(in_process) // units_per_part), *in_process)
        return [part for epoch in self._shuffled(len(used)) for part in np.array_split(used[epoch], parts)]

    def _shuffled(self, units: int) -> np.ndarray:
        """An order of the units for each epoch, [epochs, units]."""
        epochs = range(self._hyperparameters.epochs)
        return torch.stack([torch.randperm(units, generator=self.shuffling) for _ in epochs]).numpy()

    def _advantage_scales(self, parts: list[Tensor]) -> list[tuple[float, float, float]]:
        """For each minibatch, over all processes: the mean and deviation that normalize its advantages (0 and 1 without
        normalization), and its number of samples. One message covers all minibatches."""
        moments = torch.stack([torch.stack([part.sum(), part.square().sum()]) for part in parts]).double().cpu()
        counts = torch.tensor([[float(part.numel())] for part in parts], dtype=torch.double)
        scales = []
        for total, squares, count in self._group.sum(torch.cat([moments, counts], dim=1)).tolist():
            if self._hyperparameters.normalize_advantages and count > 1:
                mean = total / count
                variance = max(0.0, squares / count - mean**2) * count / (count - 1)
                scales.append((mean, math.sqrt(variance) + 1e-8, count))
            else:
                scales.append((0.0, 1.0, count))
        return scales

    def _gradients(self, batch: Minibatch, imitation: Imitation | None) -> Tensor:
        """Accumulate the gradient of one minibatch over all processes, clipped.

        Returns:
            This process's sums over samples [6]: policy loss, value loss, entropy, divergence, clipped ratios, and the
            gradient's norm before clipping; with imitation, also the cross-entropy.
        """
        if batch.starts is None:
            logits, values, _ = self._network.step(batch.observations, None)
        else:
            logits, values = self._network.sequence(batch.observations, batch.state, batch.starts, batch.cuts)
            logits, values = logits.flatten(0, 1), values.flatten()
        if batch.learns is not None:
            logits, values = logits[batch.learns], values[batch.learns]
        logits, columns = logits.float(), dict(batch.columns)
        labels = columns.pop("labels", None)
        if imitation is not None and imitation.alone:
            # The network did not play, so its ratio to the policy that did means nothing.
            log_probs = torch.log_softmax(logits.detach(), dim=1)
            columns["old_log_probs"] = log_probs.gather(1, columns["actions"][:, None]).squeeze(1)
        parts = ppo_loss(logits=logits, values=values.float(), hyperparameters=self._hyperparameters, **columns)
        total = parts.total
        more: tuple[Tensor, ...] = ()
        if imitation is not None and labels is not None:
            cross_entropy = imitation_loss(logits, labels)
            rest = self._hyperparameters.value_coef * parts.value if imitation.alone else parts.total
            total, more = imitation.coef * cross_entropy + rest, (cross_entropy,)
        self.optimizer.zero_grad(set_to_none=True)
        (total / batch.total_samples).backward()
        self._group.sum_gradients(self.parameters)
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self._hyperparameters.max_grad_norm)
        for parameter in self.parameters:
            if parameter.grad is not None:
                # The norm tells at the end of the update. Until then weights stay finite: networks may reject others.
                parameter.grad.nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)
        samples = len(batch.columns["actions"])
        sums = (parts.policy, parts.value, parts.entropy, parts.approx_kl, parts.clipped, norm * samples, *more)
        return torch.stack([value.detach() for value in sums])


def _numbers(flags: np.ndarray, device: torch.device) -> Tensor:
    """The places of what is true, on a device that need not be waited for."""
    return torch.from_numpy(np.flatnonzero(flags)).to(device)


def _samples(column: Tensor, learns: Tensor | None) -> Tensor:
    return column.flatten() if learns is None else column.flatten()[learns]


def _learning_in(rollout: Rollout, agents: np.ndarray, device: torch.device) -> Tensor | None:
    """The samples that count of some agents' segments; None: all do."""
    return None if rollout.learns is None else _numbers(rollout.learns.numpy().T[agents].ravel(), device)
