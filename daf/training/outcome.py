"""How training ended: its outcome, and run.json, the published record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NotRequired, Self, TypedDict

from daf.config.recipes import TrainingRecipe
from daf.distributed.failures import Cause, Failure, read_failures
from daf.system.files import write_json
from daf.system.provenance import engine_stamp, provenance
from daf.system.readers import FROM_A_RUN
from daf.system.validated import read_record, validated
from daf.training.paths import RUN, failed_run_path, state_folder


@dataclass(frozen=True, kw_only=True)
class TrainingOutcome:
    """How training ended.

    Attributes:
        status: `completed`, `paused` by a stop condition, `interrupted` by a signal, `diverged` (without a model), or
            `failed`.
        cause: why it was interrupted, diverged or failed.
        reason: the same in words.
        agent_steps: agent-steps trained.
        seconds: spent on training, over all its starts; None if unknown.
        processes: what actually ran, see `daf.distributed.process_group.Group.facts`; and `env_workers`, the number of
            environment workers of each process.
    """

    status: Literal["completed", "paused", "interrupted", "diverged", "failed"]
    cause: Cause | None = None
    reason: str | None = None
    agent_steps: int = 0
    seconds: float | None = None
    processes: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of_failure(cls, failure: Failure) -> Self:
        return cls(status="failed", cause=failure.cause, reason=failure.reason, agent_steps=failure.agent_steps or 0)

    def write(self, path: Path) -> None:
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> Self:
        return read_record(path, cls, "how training ended")


@dataclass(frozen=True, kw_only=True)
class RunDetails:
    """Facts known only once training has ended.

    Attributes:
        recent_episode_reward: mean over the last finished episodes.
        evaluations: held-out evaluations, oldest first.
        published: agent_steps and objective of the published weights; None without a model.
        observation_shape: tokens per agent and numbers per token.
        action_names: names of the actions, by number.
        started_from: the weights that training started from; null if they were random.
        snapshots: the earlier checkpoints that were partners, oldest first, see `daf.training.history`.
    """

    recent_episode_reward: float | None = None
    evaluations: Sequence[dict[str, Any]] = ()
    published: dict[str, Any] | None = None
    observation_shape: Sequence[int] | None = None
    action_names: Sequence[str] | None = None
    started_from: dict[str, Any] | None = None
    snapshots: Sequence[dict[str, Any]] = ()


def write_run_record(
    folder: Path, recipe: TrainingRecipe, outcome: TrainingOutcome, details: RunDetails | None = None
) -> None:
    """Write run.json; a failed run has the same keys, with null for unknown values.

    That of a failed run is also kept where a workflow, which removes the outputs of a failed job, does not remove it.
    """
    record = {
        **asdict(outcome),
        **asdict(details or RunDetails()),
        "restarts": read_failures(state_folder(folder, recipe)),
        "steps_per_second": outcome.agent_steps / outcome.seconds if outcome.seconds else None,
        "engine": engine_stamp(),
        "recipe": recipe.to_dict(),
        "provenance": provenance(recipe.to_dict(), {"training": recipe.seed}),
    }
    write_json(folder / RUN, record)
    if outcome.status in ("failed", "diverged"):
        write_json(failed_run_path(folder), record)


def read_failed_run(folder: Path, recipe: Mapping[str, Any] | None = None) -> TrainingOutcome | None:
    """How the last start of a run failed; None if it did not, or left no record.

    Args:
        recipe: as plain data; a record of another one does not count. None: any.
    """
    path = failed_run_path(folder)
    if not path.exists():
        return None
    record = read_record(path, _Recorded, "the record of a failed training run")
    if recipe is not None and any(record.get("recipe", {}).get(key) != value for key, value in recipe.items()):
        return None
    return TrainingOutcome(status=record["status"], cause=record.get("cause"), reason=record.get("reason"))


def read_run_record(folder: Path) -> dict[str, Any]:
    """The content of run.json; empty if there is none.

    Raises:
        BadInputError: it is damaged, or not the record of a run.
    """
    path = folder / RUN
    if not path.exists():
        return {}
    content = read_record(path, dict[str, Any], "the record of a training run")
    validated(_Recorded, content, str(path), FROM_A_RUN)
    return content


class _Recorded(TypedDict):
    """What readers of run.json rely on."""

    status: Literal["completed", "paused", "interrupted", "diverged", "failed"]
    cause: NotRequired[Cause | None]
    reason: NotRequired[str | None]
    agent_steps: NotRequired[int]
    seconds: NotRequired[float | None]
    processes: NotRequired[dict[str, Any]]
    evaluations: NotRequired[list[dict[str, Any]]]
    published: NotRequired[dict[str, Any] | None]
    restarts: NotRequired[list[dict[str, Any]]]
    steps_per_second: NotRequired[float | None]
    recipe: NotRequired[dict[str, Any]]
