"""One trial of a sweep: train with the proposed hyperparameters, score on the sweep's evaluation episodes.

A diverged or impossible trial is a result with status `failed`, not an error: the study goes on and learns from it. So
is one whose training crashes twice in the same way; a rank that is killed or a full disk is not the trial's fault.
What was found is kept under `state/` too, filed under everything that decided it: a trial that is asked for again,
say because the workflow was killed before it took note, is published again without training or scoring.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from daf.config.recipes import TrainingRecipe, with_hyperparameters
from daf.distributed.failures import Cause, Failure
from daf.errors import BadInputError, DafError
from daf.logging_config import DAFLogger
from daf.search.evidence import Evidence
from daf.search.files import propose_trial
from daf.search.plan import SweepPlan, trial_name
from daf.system.files import digest, read_json, write_bytes, write_json
from daf.system.provenance import provenance
from daf.training.outcome import TrainingOutcome, read_run_record
from daf.training.paths import METRICS, MODEL, OUTCOME, STATE
from daf.training.stopping import StopCondition

CURVE = "curve.jsonl"
RESULT = "result.json"


class TrialInterruptedError(DafError):
    """The trial was told to stop and wrote a checkpoint; running it again goes on from there."""

    exit_code = 75


def run_trial(
    proposal: Mapping[str, Any],
    settings: Mapping[str, Any],
    folder: Path,
    *,
    state: Path | None = None,
    label: str,
    device: str,
    max_action_time_ms: int,
    logger: DAFLogger,
    log_file: Path | None = None,
) -> dict[str, Any]:
    """Run a trial and write result.json and curve.jsonl into `folder`.

    Args:
        proposal: `trial`, `hyperparameters`, `seed`, and if they are set: `skip` (why it does not run) and
            `pruning_thresholds` (see `daf.search.budget`).
        settings: `training` (a recipe), `episodes`, `evaluation_seed`, `objective_metric`, `maximize`,
            `stop_at_steps` (None: the whole training), as `SweepPlan.trial_settings` gives them.
        state: where its training lives; default `folder`/state. A training that is there already goes on.

    Raises:
        TrialInterruptedError: after SIGTERM or SIGUSR1.
        DafError: a failure that is not the hyperparameters' fault.
    """
    state = state or folder / STATE
    asked = {key: proposal.get(key) for key in ("trial", "hyperparameters", "seed", "skip", "pruning_thresholds")}
    kept = state / "results" / digest({"asked": asked, "settings": settings, "time": max_action_time_ms})[:16]
    if (kept / RESULT).is_file():
        logger.info(f"{label}: finished before, published again")
    else:
        run = _Run(proposal, settings, state, label, device, max_action_time_ms, logger, log_file)
        result, curve = run.skipped(proposal["skip"]) if proposal.get("skip") else run.result()
        write_bytes(kept / CURVE, curve)
        write_json(kept / RESULT, result)
    for name in (CURVE, RESULT):
        write_bytes(folder / name, (kept / name).read_bytes())
    published: dict[str, Any] = read_json(folder / RESULT)
    metric = settings["objective_metric"]
    logger.info(f"{label}: {published['status']}, {metric} {_shown(published['objective'])}")
    return published


def propose_and_run(
    sweep: SweepPlan,
    trial: int,
    evidence: Sequence[Mapping[str, Any]],
    prior: Sequence[Evidence],
    folder: Path,
    **how: Any,
) -> dict[str, Any]:
    """Write a trial's proposal.json and run it: what two rules do, in one process.

    Args:
        evidence: results that hold at least those the trial may see.
        prior: trials of another sweep to learn from.
        how: as in `run_trial`.
    """
    write_json(folder / "proposal.json", propose_trial(sweep.config, trial, evidence, prior=prior))
    return run_trial(read_json(folder / "proposal.json"), sweep.trial_settings(), folder, **how)


def run_promoted_trial(
    entry: Mapping[str, Any], settings: Mapping[str, Any], folder: Path, *, rung: int, **how: Any
) -> dict[str, Any]:
    """Run the trial that takes an entry of a rung; its training goes on where the rung before left it.

    Args:
        entry: what the promotion file says of it; with `skip` if no trial takes it.
        folder: OUT/sweeps/{sweep}/rung-{rung}/entry-{entry}.
        how: as in `run_trial`.
    """
    home = folder if entry["trial"] is None else folder.parents[1] / trial_name(entry["trial"])
    return run_trial(entry, {**settings, "rung": rung}, folder, state=home / STATE, **how)


def run_finalist(
    finalists: Mapping[str, Any], settings: Mapping[str, Any], folder: Path, *, rank: int, index: int, **how: Any
) -> dict[str, Any]:
    """Run a finalist on a fresh training seed.

    Args:
        finalists: content of finalists.json.
        folder: OUT/sweeps/{sweep}/confirmation/rank-{rank}/seed-{index}.
        how: as in `run_trial`.
    """
    finalist = {**finalists["finalists"][rank], "seed": finalists["seeds"][index]}
    # Beside the trial: if ranks change, what was run before is found again.
    home = folder if finalist["trial"] is None else folder.parents[2] / trial_name(finalist["trial"])
    return run_trial(finalist, settings, folder, state=home / f"state-confirmation-{index}", **how)


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


# What hyperparameters can do to a training beside making it diverge; anything else is repeated until it heals.
FAULTS_OF_HYPERPARAMETERS = frozenset({Cause.ERROR, Cause.OUT_OF_MEMORY})


class _CrashedTwiceError(Exception):
    """The training failed again from where it had failed before."""


class _Run:
    """A trial while it runs."""

    def __init__(
        self,
        proposal: Mapping[str, Any],
        settings: Mapping[str, Any],
        state: Path,
        label: str,
        device: str,
        max_action_time_ms: int,
        logger: DAFLogger,
        log_file: Path | None,
    ) -> None:
        self._proposal, self._settings, self._state = proposal, settings, state
        self._label, self._device, self._max_action_time_ms = label, device, max_action_time_ms
        self._logger, self._log_file = logger, log_file

    def skipped(self, reason: str) -> tuple[dict[str, Any], bytes]:
        return {**self._blank(), "status": "skipped", "reason": reason, "seconds": 0.0}, b""

    def result(self) -> tuple[dict[str, Any], bytes]:
        """The content of result.json and of curve.jsonl."""
        began = time.perf_counter()
        proposal, settings = self._proposal, self._settings
        result = self._blank()
        recipe = TrainingRecipe.model_validate(settings["training"]).model_copy(update={"seed": proposal["seed"]})
        curve = b""
        trained_seconds = 0.0
        try:
            recipe = with_hyperparameters(recipe, proposal["hyperparameters"])
            outcome, trained = self._trained(recipe)
        except (BadInputError, _CrashedTwiceError) as error:
            result["reason"] = str(error)
        else:
            curve = (trained / METRICS).read_bytes()
            trained_seconds = outcome.seconds or 0.0
            result |= {"agent_steps": outcome.agent_steps, "training_seconds": trained_seconds}
            if recipe.held_out is not None:
                evaluations = read_run_record(trained)["evaluations"]
                stopped = outcome.status == "paused"
                result |= {
                    "curve": [one["objective"] for one in evaluations],
                    "stopped_early": outcome.reason if stopped else None,
                }
            if outcome.status in ("completed", "paused"):
                scoring = time.perf_counter()
                score, figures = self._score(recipe, trained / MODEL)
                trained_seconds += time.perf_counter() - scoring
                result |= figures
                if score is None:
                    result["reason"] = f"no episode has a {settings['objective_metric']}"
                else:
                    result |= {"status": "completed", "objective": score}
            else:
                result["reason"] = f"{outcome.status}: {outcome.reason}"
        # A training that was resumed has taken more than this process saw.
        result["seconds"] = max(time.perf_counter() - began, trained_seconds)
        seeds = {"training": recipe.seed, "evaluation": settings["evaluation_seed"]}
        result["provenance"] = provenance(recipe.to_dict(), seeds)
        return result, curve

    def _blank(self) -> dict[str, Any]:
        return {
            "trial": self._proposal["trial"],
            "seed": self._proposal["seed"],
            "hyperparameters": self._proposal["hyperparameters"],
            "status": "failed",
            "reason": None,
            "objective": None,
            "objective_metric": self._settings["objective_metric"],
            "agent_steps": 0,
            "rung": self._settings.get("rung", 0),
        }

    def _trained(self, recipe: TrainingRecipe) -> tuple[TrainingOutcome, Path]:
        """How the training ended, and the folder with its model and metrics.

        A training that pauses at a step will go on, and its files with it; so they are kept as they are now.
        """
        from daf.training.launch import run_training
        from daf.training.options import RunOptions

        at_steps = self._settings["stop_at_steps"]
        kept = self._state / f"at-{at_steps}-{recipe.digest[:16]}"
        if at_steps is not None and (kept / OUTCOME).is_file():
            return TrainingOutcome.read(kept / OUTCOME), kept
        bars = tuple(self._proposal.get("pruning_thresholds") or ())
        stop_condition = StopCondition(at_steps=at_steps, worse_than=bars, maximize=self._settings["maximize"])
        start = partial(
            run_training,
            recipe,
            self._state,
            RunOptions(label=self._label, device=self._device, log_file=self._log_file),
            stop_condition=stop_condition,
        )
        try:
            outcome = start()
        except Exception as error:
            first = Failure.of_exception(error)
            if first.cause not in FAULTS_OF_HYPERPARAMETERS:
                raise
            self._logger.warning(f"{self._label}: {first.reason}; once more, as that may have been chance")
            outcome = self._once_more(start, first)
        if outcome.status == "interrupted":
            hint = "run it again: it goes on from here"
            raise TrialInterruptedError("the trial to finish", str(outcome.reason), self._label, hint)
        if at_steps is None:
            return outcome, self._state
        kept.mkdir(parents=True, exist_ok=True)
        for path in self._state.iterdir():
            if path.is_file():
                shutil.copyfile(path, kept / path.name)
        outcome.write(kept / OUTCOME)
        return outcome, kept

    @staticmethod
    def _once_more(start: Callable[[], TrainingOutcome], first: Failure) -> TrainingOutcome:
        try:
            return start()
        except Exception as error:
            again = Failure.of_exception(error)
            # Messages about memory name amounts that differ from time to time.
            same = again.cause is first.cause and (again.cause is Cause.OUT_OF_MEMORY or again.reason == first.reason)
            if not same:
                raise
            raise _CrashedTwiceError(f"twice: {again.reason}") from error

    def _score(self, recipe: TrainingRecipe, weights: Path) -> tuple[float | None, dict[str, Any]]:
        """The objective over the evaluation episodes (None if undefined), and figures for the result."""
        from daf.config import PolicyConfig
        from daf.engine.evaluation import EvaluationOptions, evaluate_policy
        from daf.engine.missions import resolve_mission
        from daf.episodes.objective import episode_objectives
        from daf.system.devices import resolve_device

        settings = self._settings
        progress = self._logger.progress(f"{self._label} evaluation", settings["episodes"], "episodes")
        episodes = evaluate_policy(
            PolicyConfig(data_path=weights),
            resolve_mission(recipe.mission.config, recipe.mission.name),
            episodes=settings["episodes"],
            seed=settings["evaluation_seed"],
            device=resolve_device(self._device),
            on_progress=progress.update,
            options=EvaluationOptions(max_action_time_ms=self._max_action_time_ms),
        )
        values = episode_objectives(episodes, settings["objective_metric"]).dropna()
        figures = {"episodes": len(values), "objective_sd": float(values.std()) if len(values) > 1 else None}
        return (float(values.mean()) if len(values) else None), figures
