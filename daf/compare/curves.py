"""Learning curves of training runs, from their files, compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from daf.config import DAFComparisonConfig
from daf.errors import BadInputError
from daf.statistics.learning_curves import compare_curves
from daf.statistics.learning_records import Curves, LearningCurves, TrainingCurve
from daf.system.user_paths import user_path
from daf.training.outcome import read_run_record
from daf.training.paths import RUN


def training_curves(training: Mapping[str, Mapping[str, Any]], run_files: Sequence[str | Path]) -> Curves:
    """Held-out evaluations by policy and training seed.

    Args:
        training: as `Plan.training_of_comparison` returns it. Teams have no curve.
        run_files: the run.json of all runs.
    """
    by_run = {"/".join(Path(path).parts[-3:-1]): path for path in run_files}
    return {
        (policy, int(run.rpartition("-")[2])): training_curve(Path(by_run[run]).parent)
        for policy, source in training.items()
        if not source.get("team")
        for run in source["runs"]
    }


def training_curve(folder: Path) -> TrainingCurve:
    """The held-out evaluations in a run.json, without those of which every episode failed.

    Raises:
        BadInputError: the file is missing or damaged.
    """
    record = read_run_record(folder)
    if not record.get("recipe"):
        raise BadInputError(f"a {RUN} with a recipe", "none", str(folder / RUN), "name the folder of a training run")
    recipe, held_out = record["recipe"], record["recipe"].get("held_out")
    validation = (recipe.get("partners") or {}).get("validation") or ()
    start = record.get("started_from")
    return TrainingCurve(
        mission=recipe["mission"]["name"],
        points=[
            (int(evaluation["agent_steps"]), float(evaluation["mean_reward"]))
            for evaluation in record.get("evaluations") or []
            if evaluation["mean_reward"] is not None
        ],
        steps_before=0 if start is None else start.get("total_agent_steps"),
        episodes=(held_out["episodes"], held_out["seed"]) if held_out else None,
        # Not their seeds and weights, which differ between the seeds of one recipe.
        beside=tuple(f"{one['training'] or one['class_path']} {one['init_kwargs']}" for one in validation),
    )


def compare_learning_curves(
    runs: Mapping[str, Sequence[str | Path]],
    *,
    score: float | None = None,
    config: DAFComparisonConfig | None = None,
) -> LearningCurves:
    """Compare how training recipes learn, from the files of their runs; see `daf.statistics.learning_curves`.

    Args:
        runs: by policy, the folders of its training runs, one per training seed: DAF_OUTPUT/training/RUN/seed-1.
        score: mean reward per agent in held-out evaluations that a recipe should reach soon; None: only the areas under
            the curves are compared.
        config: confidence level, resampling, `recipe_test`, and reference; default: those of a comparison.

    Raises:
        BadInputError: a folder without the record of a run, two runs of a policy with the same training seed, or an
            unknown setting.
    """
    curves: dict[tuple[str, int], TrainingCurve] = {}
    for policy, folders in runs.items():
        for folder in folders:
            path = user_path(folder, f"runs[{policy!r}]")
            path = path.parent if path.name == RUN else path
            curve = training_curve(path)
            key = (policy, int(read_run_record(path)["recipe"]["seed"]))
            if key in curves:
                raise BadInputError("one run per training seed", f"two with seed {key[1]}", f"runs[{policy!r}]", "")
            curves[key] = curve
    missions = list(dict.fromkeys(curve.mission for curve in curves.values()))
    base = {} if config is None else config.to_dict()
    asked = {} if score is None else {"learning_curves": {"score": score}}
    known = {"policies": list(runs), "missions": missions, "normalization": None}
    settings = DAFComparisonConfig.from_labels({**base, **asked, **known}, source="compare_learning_curves")
    return compare_curves(curves, settings)
