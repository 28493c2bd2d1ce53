"""The training loop: rollout, update, metrics, checkpoints.

One function, `train`, runs in every process of a group; each process owns a share of the environments, and gradients
are summed over processes, so the group computes what one process with all environments would. The loop is a
function of its recipe: everything random comes from the recipe's seed, and everything the next update depends on is in
a checkpoint, so a run that was killed and resumed ends with the same weights as one that was not.
"""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
import torch
from torch import Tensor

from daf.config import PolicyConfig
from daf.engine.missions import resolve_mission
from daf.engine.model_files import MODEL, save_model
from daf.engine.networks import PolicyNetwork, State
from daf.engine.policies import build_policy, resolve_policy
from daf.engine.stamps import engine_stamp
from daf.engine.vector import FinishedEpisode, VectorEnvironment
from daf.errors import BadInputError
from daf.files import atomic_path, write_bytes, write_json
from daf.logging_config import DAFLogger
from daf.provenance import provenance
from daf.recipes import TrainingRecipe
from daf.training.checkpoints import load_newest_checkpoint, save_checkpoint
from daf.training.group import Group
from daf.training.ppo import generalized_advantages, ppo_loss, scheduled_learning_rate

METRICS = "metrics.jsonl"
CHECKPOINT_STEPS = 100_000  # agent-steps between two checkpoints unless the caller says otherwise


@dataclass(frozen=True, kw_only=True)
class TrainingOutcome:
    """How a training ended: `completed`, `diverged` (with a reason; no model is published), or `interrupted`."""

    status: str
    reason: str | None
    agent_steps: int
    seconds: float
    facts: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """What T steps of N agents left behind. Observations are uint8 [T, N, tokens, 3]; the rest is [T, N]."""

    observations: Tensor
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    advantages: Tensor
    starts: Tensor  # an episode begins with this observation
    state: State | None  # before the first step


class StopRequest:
    """Remembers SIGTERM and SIGUSR1 (what schedulers send before they take a machine away)."""

    def __init__(self) -> None:
        self.received: str | None = None

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number).name

    @contextmanager
    def watching(self) -> Iterator[StopRequest]:
        previous = {number: signal.signal(number, self._remember) for number in (signal.SIGTERM, signal.SIGUSR1)}
        try:
            yield self
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


class Trainer:
    """The state of one training in one process."""

    def __init__(self, recipe: TrainingRecipe, group: Group, device: torch.device) -> None:
        knobs = recipe.hyperparameters
        self.recipe, self.group, self.device, self.knobs = recipe, group, device, knobs
        share = share_of_environments(recipe, group)
        mission = resolve_mission(recipe.mission.config, recipe.mission.name)
        self.environment = VectorEnvironment(mission, num_envs=share, seed=recipe.seed, first_env=group.rank * share)
        torch.manual_seed(recipe.seed)  # the same initial weights in every process
        policy = resolve_policy(PolicyConfig(class_path=recipe.policy_class_path, init_kwargs=recipe.init_kwargs))
        built = build_policy(policy, self.environment.factory.interface, device=device.type)
        self.network = PolicyNetwork(built, policy.label)
        self.network.module.to(device).train()
        self.parameters = [p for p in self.network.module.parameters() if p.requires_grad]
        self.optimizer = make_optimizer(self.parameters, recipe)
        self.sampling = torch.Generator().manual_seed(recipe.seed * 1_000_003 + group.rank)
        self.shuffling = torch.Generator().manual_seed(recipe.seed * 1_000_003 + group.rank + 500_000)
        self.update = 0
        self.agent_steps = 0
        self.seconds = 0.0
        agents = self.environment.num_agents
        self.carried = self.network.initial_state(agents, device)
        self.starting = torch.ones(agents, dtype=torch.bool)
        self.steps_per_update = agents * group.world_size * knobs.horizon
        self.num_updates = math.ceil(recipe.num_steps / self.steps_per_update)

    # ---- one update ---------------------------------------------------------------------------------------

    @torch.no_grad()
    def collect(self) -> tuple[Rollout | None, list[FinishedEpisode]]:
        """Play `horizon` steps with the current network; no rollout if its action logits were not finite."""
        environment, network, knobs = self.environment, self.network, self.knobs
        steps, agents = knobs.horizon, environment.num_agents
        observations = torch.empty((steps, *environment.buffers.observations.shape), dtype=torch.uint8)
        actions = torch.empty((steps, agents), dtype=torch.long)
        log_probs, values, rewards, next_values = (torch.empty((steps, agents)) for _ in range(4))
        starts, done = (torch.empty((steps, agents), dtype=torch.bool) for _ in range(2))
        state, starting = self._cleared(self.carried, self.starting), self.starting
        first_state = self.carried
        episodes: list[FinishedEpisode] = []
        cut_short: list[tuple[int, slice, Tensor, State | None]] = []
        live = torch.from_numpy(environment.buffers.observations)
        for t in range(steps):
            observations[t] = live
            network.prepare(observations[t])
            starts[t] = starting
            logits, values[t], state = self._step(observations[t], state)
            if not bool(torch.isfinite(logits).all()):
                return None, episodes
            all_log_probs = torch.log_softmax(logits, dim=1)
            chosen = torch.multinomial(all_log_probs.exp(), 1, generator=self.sampling)
            actions[t] = chosen.squeeze(1)
            log_probs[t] = all_log_probs.gather(1, chosen).squeeze(1)
            environment.buffers.actions[:] = actions[t].numpy()
            step_rewards, terminated, truncated, finished = environment.step()
            rewards[t] = torch.from_numpy(step_rewards)
            done[t] = torch.from_numpy(terminated | truncated)
            for episode in finished:
                if episode.final_observations is not None:
                    first = episode.environment * environment.agents_per_env
                    rows = slice(first, first + environment.agents_per_env)
                    final = network.prepare(torch.from_numpy(episode.final_observations))
                    own_state = None if state is None else (state[0][rows].clone(), state[1][rows].clone())
                    cut_short.append((t, rows, final, own_state))
            episodes += finished
            starting = done[t]
            state = self._cleared(state, starting)
        self.carried, self.starting = state, starting.clone()
        if knobs.reward_clip is not None:
            rewards.clamp_(-knobs.reward_clip, knobs.reward_clip)
        _, last_values, _ = self._step(network.prepare(live.clone()), state)
        next_values[:-1], next_values[-1] = values[1:], last_values
        next_values[done] = 0.0
        for t, rows, final, own_state in cut_short:
            _, next_values[t, rows], _ = self._step(final, own_state)
        advantages = generalized_advantages(
            rewards=rewards,
            values=values,
            next_values=next_values,
            done=done,
            gamma=knobs.gamma,
            gae_lambda=knobs.gae_lambda,
        )
        return Rollout(
            observations=network.trim(observations),
            actions=actions,
            log_probs=log_probs,
            values=values,
            advantages=advantages,
            starts=starts,
            state=first_state,
        ), episodes

    def _step(self, observations: Tensor, state: State | None) -> tuple[Tensor, Tensor, State | None]:
        logits, values, state = self.network.step(observations.to(self.device), state)
        return logits.float().cpu(), values.float().cpu(), state

    def _cleared(self, state: State | None, starting: Tensor) -> State | None:
        if state is None or not starting.any():
            return state
        keep = (~starting).to(self.device, state[0].dtype)[:, None, None]
        return state[0] * keep, state[1] * keep

    def learn(self, rollout: Rollout) -> dict[str, float] | None:
        """Improve the network on a rollout; None if a loss, a gradient or a weight was not finite."""
        knobs, group = self.knobs, self.group
        learning_rate = scheduled_learning_rate(knobs, self.update, self.num_updates)
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = learning_rate
        returns = rollout.advantages + rollout.values
        totals = torch.zeros(6)
        samples_seen = 0
        for _ in range(knobs.epochs):
            for batch in self._minibatches(rollout, returns):
                parts = self._gradients(batch)
                if parts is None:
                    return None
                totals += parts
                samples_seen += len(batch["actions"])
                self.optimizer.step()
        if not self.finite_weights():
            return None
        group.sum(totals)
        samples = samples_seen * group.world_size
        policy, value, entropy, kl, clipped, norm = (totals / samples).tolist()
        return {
            "learning_rate": learning_rate,
            "policy_loss": policy,
            "value_loss": value,
            "entropy": entropy,
            "approx_kl": kl,
            "clip_fraction": clipped,
            "gradient_norm": norm,
            "explained_variance": self._explained_variance(rollout, returns),
        }

    def finite_weights(self) -> bool:
        """Whether all weights are numbers; the same in every process, as the weights are."""
        return all(bool(p.isfinite().all()) for p in self.parameters)

    @torch.no_grad()
    def finite_actions(self) -> bool:
        """Whether the network can still choose: weights may be numbers, yet too large for it."""
        live = torch.from_numpy(self.environment.buffers.observations).clone()
        logits, _, _ = self._step(self.network.prepare(live), self._cleared(self.carried, self.starting))
        return not self.group.any(not bool(torch.isfinite(logits).all()), self.device)

    def _minibatches(self, rollout: Rollout, returns: Tensor) -> Iterator[dict[str, Any]]:
        """Shuffled minibatches: single steps, or whole agents for a network that carries state."""
        steps, agents = rollout.actions.shape
        size = max(1, self.knobs.minibatch_size // self.group.world_size)
        columns = {
            "actions": rollout.actions,
            "old_log_probs": rollout.log_probs,
            "old_values": rollout.values,
            "advantages": rollout.advantages,
            "returns": returns,
        }
        if rollout.state is None:
            flat = {name: column.flatten() for name, column in columns.items()}
            observations = rollout.observations.flatten(0, 1)
            for chosen in torch.randperm(steps * agents, generator=self.shuffling).split(size):
                batch = {name: column[chosen] for name, column in flat.items()}
                yield batch | {"observations": observations[chosen]}
            return
        for chosen in torch.randperm(agents, generator=self.shuffling).split(max(1, size // steps)):
            batch = {name: column[:, chosen].T.flatten() for name, column in columns.items()}
            yield batch | {
                "observations": rollout.observations[:, chosen].transpose(0, 1),
                "starts": rollout.starts[:, chosen].T,
                "state": (rollout.state[0][chosen], rollout.state[1][chosen]),
            }

    def _gradients(self, batch: dict[str, Any]) -> Tensor | None:
        """Accumulate the gradient of one minibatch over all processes, clipped; None if it is not finite."""
        device = self.device
        if "state" in batch:
            logits, values = self.network.sequence(
                batch["observations"].to(device), batch["state"], batch["starts"].to(device)
            )
            logits, values = logits.flatten(0, 1), values.flatten()
        else:
            logits, values, _ = self.network.step(batch["observations"].to(device), None)
        columns = {
            name: batch[name].to(device) for name in ("actions", "old_log_probs", "old_values", "advantages", "returns")
        }
        samples = len(columns["actions"])
        moments = torch.stack(
            [
                columns["advantages"].sum(),
                columns["advantages"].square().sum(),
                torch.tensor(float(samples), device=device),
            ]
        ).double()
        total, squares, count = self.group.sum(moments).tolist()
        if self.knobs.normalize_advantages and count > 1:
            mean = total / count
            deviation = math.sqrt(max(0.0, squares / count - mean**2) * count / (count - 1))
            columns["advantages"] = (columns["advantages"] - mean) / (deviation + 1e-8)
        parts = ppo_loss(logits=logits.float(), values=values.float(), knobs=self.knobs, **columns)
        self.optimizer.zero_grad(set_to_none=True)
        (parts.total / count).backward()
        self.group.sum_gradients(self.parameters)
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.knobs.max_grad_norm)
        if self.group.any(not bool(torch.isfinite(norm) & torch.isfinite(parts.total)), device):
            return None
        sums = (parts.policy, parts.value, parts.entropy, parts.approx_kl, parts.clipped, norm * samples)
        return torch.stack([value.detach().float().cpu() for value in sums])

    def _explained_variance(self, rollout: Rollout, returns: Tensor) -> float | None:
        residual, spread = (returns - rollout.values).var(), returns.var()
        share = torch.tensor([residual.item(), spread.item()])
        residual_sum, spread_sum = self.group.sum(share).tolist()
        return 1 - residual_sum / spread_sum if spread_sum > 0 else None

    # ---- state --------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything the next update depends on, of all processes."""
        environments = self.environment.state()
        mine = {
            "episode": environments["episode"],
            "actions": [
                torch.frombuffer(bytearray(log), dtype=torch.uint8) if log else None for log in environments["actions"]
            ],
            "sampling": self.sampling.get_state(),
            "shuffling": self.shuffling.get_state(),
            "carried": self.carried,
            "starting": self.starting,
        }
        return {
            "recipe": self.recipe.digest,
            "update": self.update,
            "agent_steps": self.agent_steps,
            "seconds": self.seconds,
            "network": self.network.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "processes": self.group.gather(mine),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.update, self.agent_steps, self.seconds = state["update"], state["agent_steps"], state["seconds"]
        self.network.module.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        mine = state["processes"][self.group.rank]
        logs = [b"" if log is None else log.numpy().tobytes() for log in mine["actions"]]
        self.environment.restore({"episode": mine["episode"], "actions": logs})
        self.sampling.set_state(mine["sampling"])
        self.shuffling.set_state(mine["shuffling"])
        self.starting = mine["starting"]
        carried = mine["carried"]
        self.carried = None if carried is None else (carried[0].to(self.device), carried[1].to(self.device))


def share_of_environments(recipe: TrainingRecipe, group: Group) -> int:
    """Environments per process.

    Raises:
        BadInputError: they cannot be shared equally.
    """
    total = recipe.hyperparameters.num_envs
    if total % group.world_size:
        raise BadInputError(
            f"num_envs divisible by the {group.world_size} training processes", str(total), "hyperparameters.num_envs"
        )
    return total // group.world_size


def make_optimizer(parameters: list[torch.nn.Parameter], recipe: TrainingRecipe) -> torch.optim.Optimizer:
    knobs = recipe.hyperparameters
    if knobs.optimizer == "sgd":
        return torch.optim.SGD(
            parameters, lr=knobs.learning_rate, momentum=knobs.adam_beta1, weight_decay=knobs.weight_decay
        )
    kind = torch.optim.AdamW if knobs.optimizer == "adamw" else torch.optim.Adam
    return kind(
        parameters,
        lr=knobs.learning_rate,
        betas=(knobs.adam_beta1, knobs.adam_beta2),
        eps=knobs.adam_eps,
        weight_decay=knobs.weight_decay,
        fused=True,
    )


def train(
    recipe: TrainingRecipe,
    folder: Path,
    *,
    group: Group,
    device: torch.device,
    logger: DAFLogger,
    label: str,
    checkpoint_steps: int = CHECKPOINT_STEPS,
) -> TrainingOutcome:
    """Train a recipe in `folder`, resuming what is there, and write model.safetensors, model.json, run.json and
    metrics.jsonl.

    The model is written last and only if every update was finite. Trainer state and the growing metrics live in
    `state_folder(folder, recipe)`, so another recipe never resumes them, a finished one publishes its model again
    without training, and a workflow that removes the outputs of a failed job does not touch them.
    """
    torch.set_num_threads(1)  # small batches: more threads cost more than they bring, and ranks share the cores
    state = state_folder(folder, recipe)
    trainer = Trainer(recipe, group, device)
    facts = group.facts(device)
    found = load_newest_checkpoint(state, lambda text: logger.warning(text))
    if found is not None:
        trainer.restore(found)
        finished = trainer.update == trainer.num_updates
        logger.info(f"{label}: {'trained already' if finished else 'resuming'} at {trainer.agent_steps:,} agent-steps")
    metrics_path = state / METRICS
    if group.is_leader:
        _keep_metrics_up_to(metrics_path, trainer.update)
        if trainer.update < trainer.num_updates:  # another recipe's model must not pass for this one's
            (folder / MODEL).unlink(missing_ok=True)
    progress = logger.progress(label, trainer.num_updates * trainer.steps_per_update, "agent-steps")
    reason: str | None = None
    resumed_at = saved_at = trainer.agent_steps
    if 0 < resumed_at < progress.total:
        progress.update(resumed_at)
    rewards = RecentRewards(found.get("recent_rewards", []) if found else [])
    with StopRequest().watching() as stop:
        while trainer.update < trainer.num_updates:
            began = time.perf_counter()
            rollout, episodes = trainer.collect()
            if group.any(rollout is None, device) or rollout is None:
                reason = f"action logits not finite at {trainer.agent_steps:,} agent-steps"
                break
            losses = trainer.learn(rollout)
            if losses is None:
                reason = f"loss, gradient or weights not finite at {trainer.agent_steps:,} agent-steps"
                break
            trainer.update += 1
            trainer.agent_steps += trainer.steps_per_update
            elapsed = time.perf_counter() - began
            trainer.seconds += elapsed
            summary = _episode_summary(group, episodes, rewards)
            if group.is_leader:
                line = {
                    "update": trainer.update,
                    "agent_steps": trainer.agent_steps,
                    "seconds": trainer.seconds,
                    "steps_per_second": trainer.steps_per_update / elapsed,
                    **summary,
                    **losses,
                    "memory_mb": psutil.Process().memory_info().rss / 2**20,
                }
                with metrics_path.open("a") as stream:
                    stream.write(json.dumps(line) + "\n")
                progress.update(trainer.agent_steps, **rewards.shown())
            interrupted = group.any(stop.received is not None, device)
            last = trainer.update == trainer.num_updates
            if interrupted or last or trainer.agent_steps - saved_at >= checkpoint_steps:
                saved_at = trainer.agent_steps
                content = trainer.state() | {"recent_rewards": rewards.values}
                if group.is_leader:
                    save_checkpoint(state, trainer.update, content)
            if interrupted and not last:
                return _outcome(trainer, "interrupted", f"{stop.received or 'a signal'} received", facts)
    if group.is_leader and trainer.agent_steps > resumed_at:
        progress.done()
    if reason is None and not (trainer.finite_weights() and trainer.finite_actions()):
        reason = "weights or action logits not finite at the end"
    outcome = _outcome(trainer, "completed" if reason is None else "diverged", reason, facts)
    if group.is_leader:
        _publish(trainer, outcome, folder, rewards)
    return outcome


def state_folder(folder: Path, recipe: TrainingRecipe) -> Path:
    """Where a recipe's trainer state lives in a training's folder."""
    return folder / "state" / recipe.digest[:16]


class RecentRewards:
    """Mean reward of the last 100 finished episodes, for people watching."""

    def __init__(self, values: list[float]) -> None:
        self.values = values

    def add(self, values: list[float]) -> None:
        self.values = [*self.values, *values][-100:]

    @property
    def mean(self) -> float | None:
        return sum(self.values) / len(self.values) if self.values else None

    def shown(self) -> dict[str, float]:
        return {} if self.mean is None else {"reward": self.mean}


def _episode_summary(group: Group, episodes: list[FinishedEpisode], recent: RecentRewards) -> dict[str, Any]:
    everyone = [
        episode for share in group.gather([(e.mean_reward, e.length, e.success) for e in episodes]) for episode in share
    ]
    recent.add([reward for reward, _, _ in everyone])
    successes = [success for _, _, success in everyone if success is not None]

    def mean(values: list[Any]) -> float | None:
        return float(sum(values) / len(values)) if values else None

    return {
        "episodes": len(everyone),
        "episode_reward": mean([reward for reward, _, _ in everyone]),
        "episode_length": mean([length for _, length, _ in everyone]),
        "success_rate": mean(successes),
    }


def _keep_metrics_up_to(path: Path, update: int) -> None:
    """Drop lines of updates that a resumed run makes again."""
    lines = path.read_text().splitlines() if path.exists() else []
    kept = []
    for line in lines:
        try:
            if json.loads(line)["update"] <= update:
                kept.append(line)
        except (json.JSONDecodeError, KeyError):  # the line a crash cut off
            break
    with atomic_path(path) as temporary:
        temporary.write_text("".join(line + "\n" for line in kept))


def _outcome(trainer: Trainer, status: str, reason: str | None, facts: dict[str, Any]) -> TrainingOutcome:
    return TrainingOutcome(
        status=status, reason=reason, agent_steps=trainer.agent_steps, seconds=trainer.seconds, facts=facts
    )


def _publish(trainer: Trainer, outcome: TrainingOutcome, folder: Path, rewards: RecentRewards) -> None:
    """metrics.jsonl, run.json, then, if all went well, the model: its weights, written last, say that all is there."""
    write_bytes(folder / METRICS, (state_folder(folder, trainer.recipe) / METRICS).read_bytes())
    interface = trainer.environment.factory.interface
    write_json(
        folder / "run.json",
        {
            "status": outcome.status,
            "reason": outcome.reason,
            "agent_steps": outcome.agent_steps,
            "seconds": outcome.seconds,
            "steps_per_second": outcome.agent_steps / outcome.seconds if outcome.seconds else None,
            "recent_episode_reward": rewards.mean,
            "processes": outcome.facts,
            "observation_shape": list(interface.observation_shape),
            "action_names": list(interface.action_names),
            "engine": engine_stamp(),
            "recipe": trainer.recipe.to_dict(),
            "provenance": provenance(trainer.recipe.to_dict(), {"training": trainer.recipe.seed}),
        },
    )
    if outcome.status == "completed":
        recipe = trainer.recipe
        save_model(
            folder,
            trainer.network.module.state_dict(),
            recipe=recipe,
            policy_class_path=resolve_policy(recipe.policy_class_path).class_path,
            interface=interface,
            agent_steps=outcome.agent_steps,
        )
