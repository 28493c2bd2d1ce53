"""The training loop: rollout, update, evaluation, metrics, checkpoints, and what is published in the end.

One function, `train`, runs in every process of a group; each process owns a share of the environments, and gradients
are summed over processes, so the group computes what one process with all environments would. The loop is a
function of its recipe: everything random comes from the recipe's seed, and everything the next update depends on is in
a checkpoint, so a run that was killed and resumed ends with the same weights as one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from daf.config.recipes import TrainingRecipe
from daf.distributed.failures import Cause, read_failures
from daf.distributed.process_group import Group
from daf.distributed.signals import stop_signals
from daf.engine.model_files import DESCRIPTION, MODEL, save_model
from daf.logging_config import DAFLogger
from daf.system.files import write_bytes, write_json
from daf.system.provenance import engine_stamp, provenance
from daf.training.checkpoints import load_newest_checkpoint, save_checkpoint
from daf.training.metrics import (
    METRICS,
    MetricsFile,
    RecentRewards,
    Tracker,
    action_figures,
    episode_figures,
    memory_figures,
    numbers_of,
    time_figures,
)
from daf.training.paths import state_folder
from daf.training.stopping import StopCondition
from daf.training.trackers import make_trackers
from daf.training.trainer import Trainer

CHECKPOINT_STEPS = 100_000  # agent-steps between two checkpoints unless the caller says otherwise


@dataclass(frozen=True, kw_only=True)
class TrainingOutcome:
    """How a training ended: `completed`, `paused` as asked, `diverged` (no model is published), or `interrupted`."""

    status: str
    cause: Cause | None
    reason: str | None
    agent_steps: int
    seconds: float
    facts: dict[str, Any]


def train(
    recipe: TrainingRecipe,
    folder: Path,
    *,
    group: Group,
    device: torch.device,
    logger: DAFLogger,
    label: str,
    checkpoint_steps: int = CHECKPOINT_STEPS,
    trackers: Sequence[str] = (),
    stop_condition: StopCondition | None = None,
) -> TrainingOutcome:
    """Train a recipe in `folder`, resuming what is there, and write model.safetensors, model.json, run.json and
    metrics.jsonl.

    The model is written last and only if every update was finite. Trainer state and the growing metrics live in
    `state_folder(folder, recipe)`, so another recipe never resumes them, a finished one publishes its model again
    without training, and a workflow that removes the outputs of a failed job does not touch them.

    Args:
        stop_condition: when to stop early and publish what is there; for a training of one process.
    """
    torch.set_num_threads(1)  # small batches: more threads cost more than they bring, and ranks share the cores
    state = state_folder(folder, recipe)
    trainer = Trainer(recipe, group, device)
    facts = group.facts(device)
    found = load_newest_checkpoint(state, lambda text: logger.warning(text))
    if (
        found
        and stop_condition
        and stop_condition.at_steps
        and found["agent_steps"] - trainer.steps_per_update >= stop_condition.at_steps
    ):
        logger.warning(f"{label}: the state is past {stop_condition.at_steps:,} agent-steps; training begins anew")
        found = None
    recent = RecentRewards(found["recent_rewards"] if found else ())
    if found is not None:
        trainer.restore(found)
        finished = trainer.update == trainer.num_updates
        logger.info(f"{label}: {'trained already' if finished else 'resuming'} at {trainer.agent_steps:,} agent-steps")
    resumed_at = saved_at = trainer.agent_steps
    unfinished = trainer.update < trainer.num_updates
    if group.is_leader:
        metrics = MetricsFile(state / METRICS, trainer.update)
        if unfinished:
            for name in (MODEL, DESCRIPTION):  # another recipe's model must not pass for this one's
                (folder / name).unlink(missing_ok=True)
    progress = logger.progress(label, trainer.num_updates * trainer.steps_per_update, "agent-steps")
    if 0 < resumed_at < progress.total:
        progress.update(resumed_at)
    reason: str | None = None
    paused: str | None = None
    with ExitStack() as stack:
        stop = stack.enter_context(stop_signals())
        watching: list[Tracker] = []
        if group.is_leader and unfinished:
            watching = make_trackers(trackers, recipe, folder, label, resumed_at)
        for tracker in watching:
            stack.callback(tracker.finish)
        while trainer.update < trainer.num_updates:
            paused = stop_condition.reason(trainer.agent_steps, trainer.evaluations) if stop_condition else None
            if paused:
                break
            line = one_update(trainer, recent)
            if isinstance(line, str):
                reason = line
                break
            group.beat(trainer.update, trainer.agent_steps)
            if group.is_leader:
                metrics.append(line)
                for tracker in watching:
                    tracker.log(numbers_of(line), step=trainer.agent_steps)
                progress.update(trainer.agent_steps, **recent.shown())
            interrupted = group.any(stop.received is not None, device)
            last = trainer.update == trainer.num_updates
            if interrupted or last or trainer.agent_steps - saved_at >= checkpoint_steps:
                saved_at = trainer.agent_steps
                content = trainer.state() | {"recent_rewards": recent.values}
                if group.is_leader:
                    save_checkpoint(state, trainer.update, content)
            if interrupted and not last:
                return _outcome(trainer, "interrupted", f"{stop.received or 'a signal'} received", facts)
        if paused and trainer.agent_steps > saved_at:
            save_checkpoint(state, trainer.update, trainer.state() | {"recent_rewards": recent.values})
    if group.is_leader and trainer.agent_steps > resumed_at:
        progress.done()
    if reason is None and not trainer.can_act():
        reason = "weights or action logits not finite at the end"
    status = "diverged" if reason else "paused" if paused else "completed"
    outcome = _outcome(trainer, status, reason or paused, facts)
    if group.is_leader:
        _publish(trainer, outcome, folder, recent)
    return outcome


def one_update(trainer: Trainer, recent: RecentRewards) -> dict[str, Any] | str:
    """Play, learn, and evaluate if it is time to: the update's line of metrics, or why it could not be made."""
    group, device = trainer.group, trainer.device
    began = time.perf_counter()
    rollout, episodes = trainer.collect()
    if group.any(rollout is None, device) or rollout is None:
        return f"action logits not finite at {trainer.agent_steps:,} agent-steps"
    losses = trainer.learn(rollout)
    if losses is None:
        return f"loss, gradient or weights not finite at {trainer.agent_steps:,} agent-steps"
    trainer.update += 1
    trainer.agent_steps += trainer.steps_per_update
    elapsed = time.perf_counter() - began
    shares = time_figures(trainer.stopwatch.take(), elapsed)
    held_out = trainer.evaluate_if_due()
    trainer.seconds += time.perf_counter() - began
    recipe = trainer.recipe
    objective_metric = recipe.held_out.objective_metric if recipe.held_out else "mean_reward"
    return {
        "update": trainer.update,
        "agent_steps": trainer.agent_steps,
        "seconds": trainer.seconds,
        "steps_per_second": trainer.steps_per_update / elapsed,
        **episode_figures(group, episodes, objective_metric, recent),
        "held_out_objective": held_out,
        **losses,
        **action_figures(group, rollout.actions, trainer.environment.factory.interface.action_names),
        **shares,
        **memory_figures(device),
    }


_CAUSES = {"interrupted": Cause.SIGNAL, "diverged": Cause.NON_FINITE}


def _outcome(trainer: Trainer, status: str, reason: str | None, facts: dict[str, Any]) -> TrainingOutcome:
    return TrainingOutcome(
        status=status,
        cause=_CAUSES.get(status),
        reason=reason,
        agent_steps=trainer.agent_steps,
        seconds=trainer.seconds,
        facts=facts,
    )


def _publish(trainer: Trainer, outcome: TrainingOutcome, folder: Path, recent: RecentRewards) -> None:
    """metrics.jsonl, run.json, then, if all went well, the model: its weights, written last, say that all is there."""
    recipe = trainer.recipe
    write_bytes(folder / METRICS, (state_folder(folder, recipe) / METRICS).read_bytes())
    interface = trainer.environment.factory.interface
    published = trainer.candidate() if outcome.status in ("completed", "paused") else None
    write_json(
        folder / "run.json",
        {
            "status": outcome.status,
            "cause": outcome.cause,
            "reason": outcome.reason,
            "restarts": read_failures(state_folder(folder, recipe)),
            "agent_steps": outcome.agent_steps,
            "seconds": outcome.seconds,
            "steps_per_second": outcome.agent_steps / outcome.seconds if outcome.seconds else None,
            "recent_episode_reward": recent.mean,
            "evaluations": trainer.evaluations,
            "published": published and {"agent_steps": published.agent_steps, "objective": published.objective},
            "processes": outcome.facts,
            "observation_shape": list(interface.observation_shape),
            "action_names": list(interface.action_names),
            "engine": engine_stamp(),
            "recipe": recipe.to_dict(),
            "provenance": provenance(recipe.to_dict(), {"training": recipe.seed}),
        },
    )
    if published is not None:
        save_model(
            folder,
            published.weights,
            recipe=recipe,
            policy_class_path=trainer.policy_class_path,
            interface=interface,
            agent_steps=published.agent_steps,
        )
