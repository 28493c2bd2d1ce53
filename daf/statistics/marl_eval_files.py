"""Scores in the layout of marl-eval: environment → task → algorithm → run → step → metric (Gorsane et al. 2022)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from daf.errors import BadInputError
from daf.system.nouns import number_of

if TYPE_CHECKING:
    import pandas as pd

RETURNS = ("return", "mean_episode_return", "episode_return", "mean_return", "score")  # marl-eval's users' names
ABSOLUTE = "absolute_metrics"  # of a run's best policy; in DAF's own files, of the episodes that it compared
OWN_ENVIRONMENTS = ("cogames", "cogames_incomplete")  # of DAF's own files
FIXED = "without_training_seed"  # in DAF's own files, the run of a policy without training seeds; others repeat it
OWN_RUN = re.compile(rf"run_\d+|{FIXED}")
NOTES = "daf.notes"  # the attribute of a frame with notes on how it was read
NOT_EVALUATED = "leave out a run that was not evaluated"
Place = tuple[str, str, str, str]  # environment, task, algorithm, run


def from_marl_eval(files: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of one or several files, by name, whose runs are taken together.

    A run counts with its `absolute_metrics`, else with its last step. The environment is part of a mission's name if
    several have a task of that name. A policy whose run is named `FIXED` has no training seeds.

    Raises:
        BadInputError: another layout, a run in two files, or no scores.
    """
    import pandas as pd

    runs: dict[Place, tuple[str, list[Any], bool]] = {}
    for where, data in files.items():
        for place, values, is_absolute in _runs_of(data, where):
            if place in runs:
                found = f"{' / '.join(place)} in {runs[place][0]}, too"
                hint = "leave one of the files out, or name its runs otherwise"
                raise BadInputError("each run in one file", found, where, hint)
            runs[place] = where, values, is_absolute
    fixed = {place[:3] for place in runs if place[3] == FIXED}
    runs = {place: run for place, run in runs.items() if place[:3] not in fixed or place[3] == FIXED}
    environments = Counter(task for _, task in {place[:2] for place in runs})
    rows = [
        {
            "policy": algorithm,
            "mission": f"{environment}/{task}" if environments[task] > 1 else task,
            "train_seed": None if run == FIXED else run,
            "episode": number,
            "score": value,
        }
        for (environment, task, algorithm, run), (_, values, _) in runs.items()
        for number, value in enumerate(values)
    ]
    if not rows:
        hint = "was the file written before the first evaluation?"
        raise BadInputError("scores", "none", ", ".join(list(files)[:3]), hint)
    frame = pd.DataFrame(rows)
    absolute = sum(is_absolute for _, _, is_absolute in runs.values())
    if absolute:
        scores = f"The scores of {number_of(absolute, 'run')}"
        note = f"{scores} are marl-eval's absolute metrics: of a run's best policy."
        frame.attrs[NOTES] = [note]
    return frame


def _runs_of(data: Mapping[str, Any], where: str) -> list[tuple[Place, list[Any], bool]]:
    """Each run, its scores, and whether they are absolute metrics as marl-eval means them."""
    found = []
    for environment, tasks in data.items():
        for task, algorithms in _level(tasks, where, environment).items():
            for algorithm, runs in _level(algorithms, where, environment, task).items():
                for run, steps in _level(runs, where, environment, task, algorithm).items():
                    place = (environment, task, algorithm, run)
                    values = _last_returns(_level(steps, where, *place), f"{where}: {' / '.join(map(str, place))}")
                    found.append((place, values, bool(steps.get(ABSOLUTE))))
    is_own = set(data) <= set(OWN_ENVIRONMENTS) and all(OWN_RUN.fullmatch(str(place[3])) for place, _, _ in found)
    return [(place, values, is_absolute and not is_own) for place, values, is_absolute in found]


def _level(content: Any, where: str, *place: object) -> Mapping[str, Any]:
    if isinstance(content, Mapping):
        return content
    expected = "records with policy, mission and score, or marl-eval's environment → task → algorithm → run → step"
    hint = "write a row for each score, with policy, mission and score"
    if hasattr(content, "shape") or isinstance(content, list):
        hint = "an array of scores does not name its missions and seeds: write a row for each score"
    raise BadInputError(expected, type(content).__name__, f"{where}: {' / '.join(map(str, place))}", hint)


def _last_returns(steps: Mapping[str, Any], where: str) -> list[Any]:
    if not steps:
        raise BadInputError(f"{ABSOLUTE}, or steps", "neither", where, NOT_EVALUATED)
    last = max((step for step in steps if step != ABSOLUTE), key=lambda step: _count(steps[step]), default="")
    counted = ABSOLUTE if steps.get(ABSOLUTE) or not last else last
    metrics = _level(steps.get(counted) or {}, f"{where} / {counted}")
    names = [name for name in metrics if name not in ("step_count", "success")]
    if not names:
        raise BadInputError(f"metrics in {ABSOLUTE}, or in the last step", "none", where, NOT_EVALUATED)
    chosen = next((name for name in RETURNS if name in names), names[0] if len(names) == 1 else None)
    if chosen is None:
        hint = "only one metric can be compared at a time: leave the others out"
        raise BadInputError(f"one metric, or one of {', '.join(RETURNS)}", ", ".join(names), where, hint)
    values = metrics[chosen] if isinstance(metrics[chosen], list) else [metrics[chosen]]
    if not values:
        raise BadInputError("at least one score", "an empty list", f"{where} / {counted} / {chosen}", NOT_EVALUATED)
    return list(values)


def _count(step: Any) -> float:
    count = step.get("step_count", 0) if isinstance(step, Mapping) else 0
    return float(count) if isinstance(count, int | float) else 0.0
