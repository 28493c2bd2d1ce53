"""Where a packaged policy comes from: the sweep, its trial, the training, all seeds, and the code, by content.

Everything here follows from recipes and seeds, so that the same policy gives the same bytes. Machines and times, which
do not, are in the manifest next to the zip (`training_cost`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.config.recipes import STAGE_VERSIONS
from daf.errors import BadInputError
from daf.packaging.findings import Findings
from daf.search.records import BestFile
from daf.system.validated import read_record
from daf.training.outcome import read_run_record

if TYPE_CHECKING:
    from daf.engine.model_files import ModelDescription


_STAGES = ("propose", "select", "train", "evaluate", "compare", "package")


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What a package was made from.

    Attributes:
        identity: class, arguments, code and weights of the policy, by content.
        model: the description of the weights, if DAF trained them.
        sweep: the best trial of the sweep that chose the hyperparameters.
        findings: what a comparison found about the policy.
    """

    identity: Mapping[str, Any]
    model: ModelDescription | None = None
    sweep: BestFile | None = None
    findings: Findings | None = None


def read_best(path: str | Path, model: ModelDescription | None) -> BestFile:
    """The best trial of a sweep.

    Raises:
        BadInputError: it is missing or damaged, or the model was trained with other hyperparameters.
    """
    best = read_record(path, BestFile, "the best trial of a sweep")
    where = f"{path}: hyperparameters"
    if model is None:
        hint = "leave `sweep` out: only a model that DAF trained has a sweep"
        raise BadInputError("weights that DAF trained", "none", where, hint)
    used = {**model.recipe["hyperparameters"], **{f"init_kwargs.{k}": v for k, v in model.init_kwargs.items()}}
    for name, value in best["hyperparameters"].items():
        if used.get(name) != value:
            found = f"{name}: {value}, but the model was trained with {used.get(name)}"
            raise BadInputError(
                "the sweep of this model's hyperparameters", found, where, "train again, or name another"
            )
    return best


def lineage(sources: Sources) -> dict[str, Any]:
    """The content of lineage.json."""
    from daf import __version__

    model, best, found = sources.model, sources.sweep, sources.findings
    return {
        "daf": __version__,
        "stage_versions": {stage: STAGE_VERSIONS[stage] for stage in _STAGES},
        "policy": dict(sources.identity),
        "training": None
        if model is None
        else {
            "recipe_digest": model.recipe_digest,
            "recipe": model.recipe,
            "seed": model.recipe["seed"],
            "agent_steps": model.agent_steps,
            "code": model.recipe.get("code", {}),
            "engine": model.engine,
            "weights_sha256": model.weights_sha256,
            **({"started_from": model.started_from.model_dump()} if model.started_from else {}),
        },
        "sweep": None if best is None else dict(best),
        "evaluation": None
        if found is None
        else {
            "policy": found.policy,
            "tables_sha256": found.sha256,
            "episode_seeds": found.episode_seeds,
            "scores": [asdict(score) for score in found.scores],
        },
    }


def training_cost(weights_path: Path | None) -> dict[str, Any] | None:
    """What the training cost and where it ran, from the run.json next to the weights; None if there is none."""
    if weights_path is None or not (record := read_run_record(weights_path.parent)):
        return None
    processes = record.get("processes") or {}
    ranks = processes.get("ranks") or []
    origin = record.get("provenance") or {}
    return {
        "seconds": record.get("seconds"),
        "agent_steps": record.get("agent_steps"),
        "steps_per_second": record.get("steps_per_second"),
        "processes": processes.get("world_size"),
        "devices": sorted({str(rank.get("name")) for rank in ranks}),
        "hosts": sorted({str(rank.get("host")) for rank in ranks}),
        "restarts": len(record.get("restarts") or []),
        "versions": origin.get("versions"),
        "git": origin.get("git"),
        "finished": origin.get("created"),
    }
