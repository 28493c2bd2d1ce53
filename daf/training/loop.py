"""The training loop: rollout, update, evaluation, metrics, checkpoints, and publishing at the end.

One function, `train`, runs in every process of a group; each process owns a share of the environments, and gradients
are summed over processes, so the group computes what one process with all environments would. The loop is a function of
its recipe: all randomness comes from the recipe's seed, and a checkpoint holds everything that the next update depends
on, so a run that was killed and resumed ends with the same weights as one that was not.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

import torch

from daf.config.recipes import TrainingRecipe
from daf.distributed.failures import Cause
from daf.distributed.process_group import Group
from daf.distributed.signals import Stop, stop_signals
from daf.engine.model_files import save_model
from daf.engine.user_code import state_kept
from daf.logging_config import DAFLogger, FailureLog
from daf.system.files import write_bytes
from daf.system.readers import read_bytes
from daf.training.arithmetic import arithmetic
from daf.training.checkpoints import load_newest_checkpoint, save_checkpoint
from daf.training.earlier_weights import Keeping
from daf.training.frozen_policies import FrozenWeights
from daf.training.history import read_snapshots
from daf.training.metrics import (
    RecentRewards,
    Tracker,
    action_figures,
    episode_figures,
    memory_figures,
    numbers_of,
    partner_figures,
    time_figures,
)
from daf.training.metrics_file import MetricsFile
from daf.training.options import RunOptions, environment_workers
from daf.training.outcome import RunDetails, TrainingOutcome, write_run_record
from daf.training.paths import DESCRIPTION, METRICS, MODEL, state_folder
from daf.training.stopping import StopCondition
from daf.training.trackers import make_trackers
from daf.training.trainable import environments_per_process
from daf.training.trainer import Candidate, Trainer


def train(
    recipe: TrainingRecipe,
    folder: Path,
    options: RunOptions,
    *,
    group: Group,
    device: torch.device,
    logger: DAFLogger,
    stop_condition: StopCondition | None = None,
) -> TrainingOutcome:
    """Train a recipe in `folder`, resuming from its newest checkpoint.

    It publishes model.safetensors, model.json, run.json and metrics.jsonl there.

    The model is written last, only if every update was finite, and with held-out evaluations only if an episode of them
    had a result. Trainer state and the growing metrics are in `state_folder(folder, recipe)`, so another recipe never
    resumes them, a finished one publishes its model again without training, and a workflow that removes the outputs of
    a failed job does not remove them.

    Args:
        stop_condition: when to stop early and publish the current weights; only for single-process training.
    """
    torch.set_num_threads(1)  # with small batches, more threads cost more than they gain, and ranks share the cores
    failures = FailureLog(logger, f"{options.label}, held-out evaluation")
    share = environments_per_process(recipe.hyperparameters.num_envs, group.world_size)
    workers = environment_workers(options.env_workers, share, device.type)
    with arithmetic(device, recipe.precision):
        with state_kept():
            trainer = Trainer(
                recipe,
                group,
                device,
                failures.add,
                lambda text: logger.warning(f"{options.label}: {text}"),
                env_workers=workers,
                stall_seconds=options.stall_seconds / 2,
                frozen_weights=FrozenWeights(options.teacher_weights, options.partner_weights),
            )
        with closing(trainer):
            return _train(trainer, folder, options, logger, stop_condition)


def _train(
    trainer: Trainer, folder: Path, options: RunOptions, logger: DAFLogger, stop_condition: StopCondition | None
) -> TrainingOutcome:
    group, device = trainer.group, trainer.device
    processes = group.facts(device) | {"env_workers": trainer.environment.workers}
    recent = _resume(trainer, folder, options, logger, stop_condition)
    if trainer.update == trainer.num_updates:
        trainer.evaluate_again()
    with ExitStack() as stack:
        stop = stack.enter_context(stop_signals())
        reporter = None
        if group.is_leader:
            reporter = stack.enter_context(_Reporter(trainer, recent, folder, options, logger))
        end = _run_updates(trainer, recent, folder, options, reporter, stop, stop_condition)
    if reporter is not None and end.status != "interrupted":
        reporter.done()
    if end.status in ("completed", "paused") and not trainer.can_act():
        end = _End("diverged", "weights or action logits not finite at the end")
    if end.status in ("completed", "paused") and (failed := trainer.failed_evaluation):
        reason = f"every episode of every held-out evaluation failed, the first with {failed['failure']}"
        end = _End("failed", reason)
    outcome = TrainingOutcome(
        status=end.status,
        cause=_CAUSES.get(end.status),
        reason=end.reason,
        agent_steps=trainer.agent_steps,
        seconds=trainer.seconds,
        processes=processes,
    )
    if group.is_leader and end.status != "interrupted":
        _publish(trainer, outcome, folder, recent)
    return outcome


def _resume(
    trainer: Trainer, folder: Path, options: RunOptions, logger: DAFLogger, stop_condition: StopCondition | None
) -> RecentRewards:
    """Restore the newest checkpoint that training may resume from, or begin; return the rewards shown so far."""
    label, state = options.label, state_folder(folder, trainer.recipe)
    checkpoint = load_newest_checkpoint(state, lambda text: logger.warning(text))
    if checkpoint is None:
        if (state / METRICS).exists():
            logger.info(f"{label}: the start before ended without a checkpoint; training begins again")
        trainer.begin(options.start)
        return RecentRewards()
    at_steps = stop_condition.at_steps if stop_condition else None
    if at_steps and checkpoint["agent_steps"] - trainer.steps_per_update >= at_steps:
        logger.warning(f"{label}: the state is past {at_steps:,} agent-steps; training restarts from scratch")
        trainer.begin(options.start)
        return RecentRewards()
    trainer.restore(checkpoint, read_snapshots(state, checkpoint.get("snapshots", ())))
    finished = trainer.update == trainer.num_updates
    logger.info(f"{label}: {'trained already' if finished else 'resuming'} at {trainer.agent_steps:,} agent-steps")
    return RecentRewards(checkpoint["recent_rewards"])


class _Reporter:
    """What the leader of a group records and shows of each update: metrics.jsonl, trackers, the progress line."""

    def __init__(
        self, trainer: Trainer, recent: RecentRewards, folder: Path, options: RunOptions, logger: DAFLogger
    ) -> None:
        self._trainer, self._recent, self._folder, self._options = trainer, recent, folder, options
        self._resumed_at = trainer.agent_steps
        self._unfinished = trainer.update < trainer.num_updates
        self._trackers: list[Tracker] = []
        self._metrics = MetricsFile(state_folder(folder, trainer.recipe) / METRICS, trainer.update)
        if self._unfinished:
            for name in (MODEL, DESCRIPTION):  # must not leave another recipe's model in place
                (folder / name).unlink(missing_ok=True)
        self._progress = logger.progress(options.label, trainer.num_updates * trainer.steps_per_update, "agent-steps")
        if 0 < self._resumed_at < self._progress.total:
            self._progress.update(self._resumed_at)

    def __enter__(self) -> Self:
        if self._unfinished:
            names, label = self._options.trackers, self._options.label
            self._trackers = make_trackers(names, self._trainer.recipe, self._folder, label, self._resumed_at)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for tracker in self._trackers:
            tracker.finish()

    def report(self, figures: dict[str, Any]) -> None:
        """Record the metrics of the update that has just finished."""
        agent_steps = self._trainer.agent_steps
        self._metrics.append(figures)
        for tracker in self._trackers:
            tracker.log(numbers_of(figures), step=agent_steps)
        self._progress.update(agent_steps, **self._recent.shown())

    def done(self) -> None:
        if self._trainer.agent_steps > self._resumed_at:
            self._progress.done()


class _End(NamedTuple):
    """Why there are no more updates; `reason` is None if training completed."""

    status: Literal["completed", "paused", "interrupted", "diverged", "failed"]
    reason: str | None


_CAUSES = {"interrupted": Cause.SIGNAL, "diverged": Cause.NON_FINITE, "failed": Cause.EVALUATIONS_FAILED}


def _run_updates(
    trainer: Trainer,
    recent: RecentRewards,
    folder: Path,
    options: RunOptions,
    reporter: _Reporter | None,
    stop: Stop,
    stop_condition: StopCondition | None,
) -> _End:
    """Run updates, with checkpoints, until training ends, pauses, diverges or is interrupted."""
    group, state = trainer.group, state_folder(folder, trainer.recipe)
    saved_at = trainer.agent_steps
    on_disk = 0 if trainer.update == 0 else len(trainer.snapshots)
    keeping = Keeping.of(options, trainer.recipe.num_steps, trainer.steps_per_update)

    def save() -> None:
        nonlocal on_disk
        content = trainer.state() | {"recent_rewards": recent.values}  # gathered from all processes
        if group.is_leader:
            for snapshot in trainer.snapshots[on_disk:]:
                snapshot.write(state)
            on_disk = len(trainer.snapshots)
            save_checkpoint(state, trainer.update, content)

    while trainer.update < trainer.num_updates:
        pause = stop_condition.reason(trainer.agent_steps, trainer.evaluations) if stop_condition else None
        if keeping.is_over(trainer.update):
            return _End("paused", "all weights that were asked for are kept")
        if pause is not None:
            if trainer.agent_steps > saved_at:
                save()
            return _End("paused", pause)
        figures = one_update(trainer, recent)
        if isinstance(figures, str):
            return _End("diverged", figures)
        group.beat(trainer.update, trainer.agent_steps)
        if reporter is not None:
            reporter.report(figures)
            for kept in keeping.folders(state, trainer.update):  # before a checkpoint from which this is not repeated
                _save(trainer, kept, trainer.current())
        interrupted = group.any(stop.received is not None, trainer.device)
        last = trainer.update == trainer.num_updates
        if interrupted or last or trainer.agent_steps - saved_at >= options.checkpoint_interval_steps:
            saved_at = trainer.agent_steps
            save()
        if interrupted and not last:
            return _End("interrupted", f"interrupted by {stop.received or 'a signal'}")
    return _End("completed", None)


@state_kept()
def one_update(trainer: Trainer, recent: RecentRewards) -> dict[str, Any] | str:
    """Play, learn, and evaluate if an evaluation is due; return the update's metrics, or why it failed."""
    group, device = trainer.group, trainer.device
    began = time.perf_counter()
    rollout, episodes = trainer.collect()
    if group.any(rollout is None, device) or rollout is None:
        return f"action logits not finite at {trainer.agent_steps:,} agent-steps"
    losses = trainer.learn(rollout)
    if losses is None:
        return f"loss, gradient or weights not finite at {trainer.agent_steps:,} agent-steps"
    trainer.advance()
    elapsed = time.perf_counter() - began
    shares = time_figures(trainer.stopwatch.take(), elapsed)
    held_out = trainer.evaluate_if_due()
    trainer.seconds += time.perf_counter() - began
    recipe = trainer.recipe
    followed = recipe.curriculum.objective_metric if recipe.curriculum else None
    objective_metric = followed or (recipe.held_out.objective_metric if recipe.held_out else "mean_reward")
    return {
        "update": trainer.update,
        "agent_steps": trainer.agent_steps,
        "seconds": trainer.seconds,
        "steps_per_second": trainer.steps_per_update / elapsed,
        **episode_figures(group, episodes, objective_metric, recent, trainer.curriculum),
        "held_out_objective": held_out,
        **trainer.held_out_by_mission(),
        **losses,
        **partner_figures(group, rollout.learns, episodes),
        **action_figures(group, rollout.actions, trainer.environment.factory.interface.action_names, rollout.learns),
        **shares,
        **memory_figures(device),
    }


def _publish(trainer: Trainer, outcome: TrainingOutcome, folder: Path, recent: RecentRewards) -> None:
    """Write metrics.jsonl, run.json and, on success, the model; its weights come last and mark it as complete."""
    recipe = trainer.recipe
    write_bytes(folder / METRICS, read_bytes(state_folder(folder, recipe) / METRICS))
    interface = trainer.environment.factory.interface
    published = trainer.candidate() if outcome.status in ("completed", "paused") else None
    chosen = None if published is None else {"agent_steps": published.agent_steps, "objective": published.objective}
    details = RunDetails(
        recent_episode_reward=recent.mean,
        evaluations=trainer.evaluations,
        published=chosen,
        observation_shape=interface.observation_shape,
        action_names=interface.action_names,
        started_from=None if trainer.started_from is None else trainer.started_from.model_dump(),
        snapshots=[snapshot.record() for snapshot in trainer.snapshots],
    )
    write_run_record(folder, recipe, outcome, details)
    if published is not None:
        _save(trainer, folder, published)


def _save(trainer: Trainer, folder: Path, chosen: Candidate) -> None:
    save_model(
        folder,
        chosen.weights,
        recipe=trainer.recipe,
        policy_class_path=trainer.policy.class_path,
        interface=trainer.environment.factory.interface,
        agent_steps=chosen.agent_steps,
        started_from=trainer.started_from,
    )
