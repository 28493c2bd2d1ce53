"""One trial of a sweep: train with the assigned hyperparameters, then score on the sweep's evaluation episodes.

A diverged or impossible trial is a result with status `failed`, not an error: the study continues and learns from it.
The same applies if the policy raises an exception, or if training crashes twice in the same way. A killed rank or a
full disk is not the trial's fault. If all trials fail in the same way, the study ends (`daf.search.budget`).

Results are also kept under `state/`, indexed by everything that determined them. If a trial is requested again, for
example because the workflow was killed before it recorded the result, the result is published again without training or
scoring.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from daf.config import DAFSweepConfig
from daf.config.recipes import TrainingRecipe, TrialRecipe
from daf.distributed.failures import Cause, Failure, TrainingFailedError
from daf.errors import BadInputError
from daf.logging_config import DAFLogger
from daf.search.assignment import TrialAssignment
from daf.search.budget import reason_to_end
from daf.search.files import finished_trials, propose_trial, read_assignment, read_lag
from daf.search.paths import CURVE, PROPOSAL, RESULT, trial_name
from daf.search.recipe import TrialWeights
from daf.search.results import TrialResult
from daf.search.trial_scores import SeedRun, added, combined, further_seeds, score_on
from daf.statistics.sentences import number
from daf.system.files import digest, write_bytes, write_json
from daf.system.locks import exclusive
from daf.system.provenance import provenance
from daf.system.readers import read_bytes
from daf.system.validated import read_record
from daf.training.launch import TrainingInterruptedError
from daf.training.metrics_file import read_metrics
from daf.training.outcome import TrainingOutcome, read_run_record
from daf.training.paths import METRICS, MODEL, OUTCOME, STATE
from daf.training.stopping import StopCondition

CURVE_POINTS = 40  # of the learning curve in a result
RESULTS = "results"  # in the state of a trial: copies of what it published

# Failures that hyperparameters can cause, apart from divergence; after other failures the trial is retried.
FAULTS_OF_HYPERPARAMETERS = frozenset({Cause.ERROR, Cause.OUT_OF_MEMORY})


class TrialInterruptedError(TrainingInterruptedError):
    """The trial was interrupted and wrote a checkpoint; another run continues from it."""


@dataclass(frozen=True, kw_only=True)
class TrialJob:
    """How a trial runs here. This does not affect results.

    Attributes:
        label: name of the trial in messages.
        log_file: file to which the processes of its training also write.
        cores: those that its training may use; None: see `daf.training.options.RunOptions`.
        weights: those that its recipe needs, as `daf.search.recipe.ready_recipe` returns them.
    """

    label: str
    device: str
    logger: DAFLogger
    log_file: Path | None = None
    cores: int | None = None
    weights: TrialWeights = field(default_factory=TrialWeights)


def run_trial(
    assignment: TrialAssignment, recipe: TrialRecipe, folder: Path, job: TrialJob, *, state: Path | None = None
) -> dict[str, Any]:
    """Run a trial and write result.json and curve.jsonl into `folder`.

    Args:
        state: folder of its training; default `folder`/state. Training found there is resumed.

    Returns:
        The content of result.json.

    Raises:
        TrialInterruptedError: after SIGTERM or SIGUSR1.
        DafError: a failure that the hyperparameters did not cause.
    """
    state = state or folder / STATE
    # A killed workflow may leave a process that still runs this trial.
    with exclusive(state / RESULTS, job.logger.warning):
        return _run_locked(assignment, recipe, folder, job, state)


def _run_locked(
    assignment: TrialAssignment, recipe: TrialRecipe, folder: Path, job: TrialJob, state: Path
) -> dict[str, Any]:
    kept = state / RESULTS / digest({"assignment": assignment.to_dict(), "recipe": recipe.to_dict()})[:16]
    if (kept / RESULT).is_file():
        job.logger.info(f"{job.label}: finished before, published again")
    else:
        result, curve = _TrialRun(assignment, recipe, state, job).result()
        # Whoever repeats a trial after a failure of its code has corrected something.
        kept = folder if result["failure"] else kept
        write_bytes(kept / CURVE, curve)
        write_json(kept / RESULT, result)
    for name in (CURVE, RESULT):
        write_bytes(folder / name, read_bytes(kept / name))
    published = read_record(folder / RESULT, dict[str, Any])
    if published.get("status") == "completed":
        job.logger.info(f"{job.label}: completed, {recipe.objective_metric} {number(published.get('objective'))}")
    else:
        tell = job.logger.error if published.get("failure") else job.logger.info
        tell(f"{job.label}: {published.get('status')}, {published.get('reason')}")
    return published


def run_proposed_trial(proposal: Path, recipe: TrialRecipe, folder: Path, job: TrialJob) -> dict[str, Any]:
    """Run the trial of a proposal.json, unless the sweep has ended because its trials fail in the same way.

    Args:
        folder: OUT/sweeps/{sweep}/trial-{trial}.
    """
    assignment = read_assignment(proposal)
    if assignment.skip is None:
        finished = finished_trials(folder.parent, recipe.digest)
        lag = read_lag(proposal)
        assignment = replace(assignment, skip=reason_to_end(lag, assignment.trial or 0, finished))
    return run_trial(assignment, recipe, folder, job)


def propose_and_run(
    config: DAFSweepConfig,
    trial: int,
    results: Sequence[TrialResult],
    prior: Sequence[TrialResult],
    recipe: TrialRecipe,
    folder: Path,
    job: TrialJob,
) -> dict[str, Any]:
    """Write a trial's proposal.json and run it: two rules in one process.

    Args:
        results: at least those that the trial may see.
        prior: finished trials of another sweep to learn from.
    """
    write_json(folder / PROPOSAL, propose_trial(config, trial, results, prior=prior))
    return run_proposed_trial(folder / PROPOSAL, recipe, folder, job)


def run_promoted_trial(assignment: TrialAssignment, recipe: TrialRecipe, folder: Path, job: TrialJob) -> dict[str, Any]:
    """Run the trial that fills a rung entry; its training continues from the previous rung.

    Args:
        folder: OUT/sweeps/{sweep}/rung-{rung}/entry-{entry}.
    """
    home = folder if assignment.trial is None else folder.parents[1] / trial_name(assignment.trial)
    return run_trial(assignment, recipe, folder, job, state=home / STATE)


def run_finalist(
    assignment: TrialAssignment, recipe: TrialRecipe, folder: Path, job: TrialJob, *, index: int
) -> dict[str, Any]:
    """Run a finalist on a fresh training seed.

    Args:
        folder: OUT/sweeps/{sweep}/confirmation/rank-{rank}/seed-{index}.
        index: index of the fresh seed.
    """
    # Next to the trial, so that earlier runs are found again if ranks change.
    home = folder if assignment.trial is None else folder.parents[2] / trial_name(assignment.trial)
    return run_trial(assignment, recipe, folder, job, state=home / f"state-confirmation-{index}")


def learning_curve(lines: Sequence[Mapping[str, Any]]) -> list[list[float]]:
    """Agent-steps and reward per episode of some updates, evenly spaced, always with the last.

    Args:
        lines: of a metrics.jsonl.
    """
    known = [
        [line["agent_steps"], line["episode_reward"]]
        for line in lines
        if line.get("episode_reward") is not None and line.get("agent_steps") is not None
    ]
    return known[:: -max(1, math.ceil(len(known) / CURVE_POINTS))][::-1]


class _CrashedError(Exception):
    """Training crashed because of the policy's code, or twice in the same way."""


@dataclass(frozen=True)
class _Trained:
    """How training ended, and the folder with its model and metrics at that time."""

    outcome: TrainingOutcome
    folder: Path


@dataclass(frozen=True)
class _TrialRun:
    """A running trial."""

    assignment: TrialAssignment
    recipe: TrialRecipe
    state: Path
    job: TrialJob

    def result(self) -> tuple[dict[str, Any], bytes]:
        """The content of result.json and of curve.jsonl."""
        assignment = self.assignment
        if assignment.skip is not None or assignment.seed is None:
            return {**self._blank(), "status": "skipped", "reason": assignment.skip, "seconds": 0.0}, b""
        began = time.perf_counter()
        runs: list[SeedRun] = []
        for run in self._by_seed(assignment.seed):
            runs.append(run._trained_and_scored())
            if runs[-1].facts.get("status") != "completed":
                break
        training = runs[0].training
        facts = combined(runs, self.recipe)
        seeds = {"training": training.seed, "evaluation": self.recipe.evaluation_seed}
        result = {
            **self._blank(),
            **facts,
            # Resumed training has taken longer than this process.
            "seconds": max(time.perf_counter() - began, sum(run.resumed_seconds for run in runs)),
            "provenance": provenance(training.to_dict(), seeds),
        }
        return result, runs[0].curve

    def _by_seed(self, first: int) -> list[_TrialRun]:
        """This run, then one for each further training seed, whose state lies in a folder below."""
        further = [
            replace(self, assignment=replace(self.assignment, seed=seed), state=self.state / f"further-seed-{number}")
            for number, seed in enumerate(further_seeds(first, self.recipe.seeds), start=1)
        ]
        return [self, *further]

    def _trained_and_scored(self) -> SeedRun:
        """Train with one seed and score the model."""
        assignment, curve, resumed_seconds = self.assignment, b"", 0.0
        training = self.recipe.training_with({}, assignment.seed or 0)
        facts: dict[str, Any] = {}
        try:
            training = self.recipe.training_with(assignment.hyperparameters, assignment.seed or 0)
            trained = self._train(training)
        except (BadInputError, _CrashedError) as error:
            facts["reason"] = facts["failure"] = str(error)
        else:
            curve = read_bytes(trained.folder / METRICS)
            scoring = time.perf_counter()
            facts = self._facts_of(trained, training)
            facts["learning_curve"] = learning_curve(read_metrics(trained.folder / METRICS))
            resumed_seconds = (trained.outcome.seconds or 0.0) + time.perf_counter() - scoring
        return SeedRun(training=training, facts=facts, curve=curve, resumed_seconds=resumed_seconds)

    def _blank(self) -> dict[str, Any]:
        return {
            "trial": self.assignment.trial,
            "seed": self.assignment.seed,
            "hyperparameters": dict(self.assignment.hyperparameters),
            "status": "failed",
            "reason": None,
            "objective": None,
            "objective_metric": self.recipe.objective_metric,
            "failure": None,
            "recipe_digest": self.recipe.digest,
            "agent_steps": 0,
            "rung": self.assignment.rung,
        }

    def _facts_of(self, trained: _Trained, training: TrainingRecipe) -> dict[str, Any]:
        """What training and the evaluation of its model add to the result."""
        outcome = trained.outcome
        facts: dict[str, Any] = {"agent_steps": outcome.agent_steps, "training_seconds": outcome.seconds or 0.0}
        if training.held_out is not None:
            evaluations = read_run_record(trained.folder)["evaluations"]
            facts["curve"] = [evaluation["objective"] for evaluation in evaluations]
            facts["stopped_early"] = outcome.reason if outcome.status == "paused" else None
        if outcome.status not in ("completed", "paused"):
            failure = outcome.reason if outcome.status == "failed" else None
            return {**facts, "reason": f"{outcome.status}: {outcome.reason}", "failure": failure}
        recipe, job = self.recipe, self.job
        missions = recipe.score_missions or (training.mission,)
        objectives: list[float] = []
        for mission in missions:
            weights = trained.folder / MODEL
            objective, figures, first = score_on(mission, weights, recipe, job.label, job.device, job.logger)
            facts |= added(facts, figures)
            on = f" on {mission.name}" if len(missions) > 1 else ""
            if objective is None:
                none = f"no episode has a {recipe.objective_metric}{on}"
                if first is None:
                    return {**facts, "reason": none, "failure": none}
                return {**facts, "reason": f"all evaluation episodes failed{on}: {first}", "failure": first.cause}
            objectives.append(objective)
        scores = [
            {"seed": training.seed, "mission": mission.name, "objective": objective}
            for mission, objective in zip(missions, objectives, strict=True)
        ]
        return {**facts, "status": "completed", "objective": objectives[0], "scores": scores}

    def _train(self, training: TrainingRecipe) -> _Trained:
        """Train, or read how earlier training ended.

        Training that stops at a step continues in the next rung and changes its files, so a copy is kept.
        """
        at_steps = self.recipe.stop_at_steps
        kept = self.state / f"at-{at_steps}-{training.digest[:16]}"
        if at_steps is not None and (kept / OUTCOME).is_file():
            return _Trained(TrainingOutcome.read(kept / OUTCOME), kept)
        outcome = self._trained_with_one_retry(training)
        if outcome.status == "interrupted":
            raise TrialInterruptedError.of(self.job.label, outcome)
        if at_steps is None:
            return _Trained(outcome, self.state)
        kept.mkdir(parents=True, exist_ok=True)
        for path in self.state.iterdir():
            if path.is_file():
                shutil.copyfile(path, kept / path.name)
        outcome.write(kept / OUTCOME)
        return _Trained(outcome, kept)

    def _trained_with_one_retry(self, training: TrainingRecipe) -> TrainingOutcome:
        """Train, and try once more after a failure caused by either the hyperparameters or chance.

        Raises:
            _CrashedError: the policy's code failed, or the second failure is the same.
        """
        try:
            return self._run_training(training)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            first = Failure.of_exception(error)
            if first.cause is Cause.USER_CODE:
                reason = error.found if isinstance(error, TrainingFailedError) else first.reason
                raise _CrashedError(reason) from error
            if first.cause not in FAULTS_OF_HYPERPARAMETERS:
                raise
        self.job.logger.warning(f"{self.job.label}: {first.reason}; trying once more, in case it was by chance")
        try:
            return self._run_training(training)
        except Exception as error:
            again = Failure.of_exception(error)
            # Messages about memory contain amounts that vary.
            same = again.cause is first.cause and (again.cause is Cause.OUT_OF_MEMORY or again.reason == first.reason)
            if not same:
                raise
            raise _CrashedError(f"twice: {again.reason}") from error

    def _run_training(self, training: TrainingRecipe) -> TrainingOutcome:
        from daf.training.launch import run_training
        from daf.training.options import RunOptions

        job = self.job
        weights = job.weights.options_with(self.assignment.hyperparameters)
        options = RunOptions(label=job.label, device=job.device, cores=job.cores, log_file=job.log_file, **weights)
        stop_condition = StopCondition(
            at_steps=self.recipe.stop_at_steps,
            worse_than=self.assignment.pruning_thresholds or (),
            optimize_direction=self.recipe.optimize_direction,
        )
        return run_training(training, self.state, options, stop_condition=stop_condition)
