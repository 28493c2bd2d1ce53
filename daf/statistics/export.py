"""Episodes in the JSON layout of marl-eval, for its plots (Gorsane et al. 2022)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from daf.config.recipes import checkpoint_label
from daf.statistics.marl_eval_files import FIXED, OWN_ENVIRONMENTS
from daf.system.nouns import number_of

if TYPE_CHECKING:
    import pandas as pd

    from daf.statistics.learning_records import Curves, TrainingCurve

ENVIRONMENT, INCOMPLETE = OWN_ENVIRONMENTS
MOST_NAMED = 3  # missions in a note

Run = dict[str, Any]
Runs = dict[str, Run]


def marl_eval_layout(episodes: pd.DataFrame, curves: Curves | None = None) -> dict[str, Any]:
    """environment → task → algorithm → run → step → metric → one value per evaluation episode.

    One run per checkpoint, `run_1`, `run_2`, … in their order. Metrics: `return`, and `success` if every mission
    declares it. The episodes of the evaluation are under the last step and under `absolute_metrics`, in the order of
    their environment seeds. Lists have no numbers of episodes, so an episode on a mission is omitted unless every run
    there has a score of it: the same place in two lists is then the same episode.

    marl-eval takes the runs of the first algorithm for granted everywhere, and lower-case names without commas. So the
    algorithms with fewest runs come first, the run of a policy without training seeds is named `without_training_seed`
    and repeated as often as the fewest runs of trained ones, missions that not all policies played are an environment
    `cogames_incomplete`, and names that differ only in case are numbered.

    Args:
        curves: held-out evaluations by policy and training seed. If those of every trained checkpoint are known, on
            every mission, they are the steps (of `return` only), with a constant score of other policies.
    """
    played = episodes[_common(episodes)]
    missions, policies = (_plain_names(dict.fromkeys(played[column])) for column in ("mission", "policy"))
    cells = dict(iter(played.groupby(["mission", "policy"], sort=False)))
    by_checkpoint = {checkpoint_label(*key): curve for key, curve in (curves or {}).items()}
    known = _usable(by_checkpoint, played)
    success = not known and bool(len(played)) and bool(played["success"].notna().all())
    layout: dict[str, Any] = {ENVIRONMENT: {}, INCOMPLETE: {}}
    for mission in missions:
        own = [policy for policy in policies if (mission, policy) in cells]
        runs = {policies[policy]: _runs(cells[mission, policy], known, success=success) for policy in own}
        fixed = [policies[policy] for policy in own if not cells[mission, policy]["train_seed"].notna().any()]
        environment = ENVIRONMENT if len(own) == len(policies) else INCOMPLETE
        layout[environment][missions[mission]] = _fewest_first(runs, fixed)
    fewest = sorted(layout[ENVIRONMENT], key=lambda task: len(next(iter(layout[ENVIRONMENT][task].values()))))
    layout[ENVIRONMENT] = {task: layout[ENVIRONMENT][task] for task in fewest}
    return {environment: tasks for environment, tasks in layout.items() if tasks or environment == ENVIRONMENT}


def note_on_omitted(episodes: pd.DataFrame) -> str:
    """What `marl_eval_layout` omits, as a note; empty if it omits no score."""
    scored = episodes[episodes["mean_reward"].notna()]
    every = scored.groupby("mission", sort=False)["env_seed"].nunique()
    left = episodes[_common(episodes)].groupby("mission", sort=False)["env_seed"].nunique()
    omitted = {mission: total - left.get(mission, 0) for mission, total in every.items()}
    parts = [f"{count} of {every[mission]} on {mission}" for mission, count in omitted.items() if count]
    if not parts:
        return ""
    rest = len(parts) - MOST_NAMED
    shown = ", ".join([*parts[:MOST_NAMED], *([f"some on {number_of(rest, 'other mission')}"] if rest > 0 else [])])
    return (
        f"From marl_eval.json, episodes are omitted of which not every policy and training seed has a score: {shown}."
    )


def _common(episodes: pd.DataFrame) -> pd.Series[bool]:
    """Which rows are scores of episodes of which every run on the mission has one."""
    scored = episodes["mean_reward"].notna()
    rows = episodes[scored]
    runs = rows[["mission", "policy", "checkpoint"]].drop_duplicates().groupby("mission", sort=False).size()
    scores = rows.groupby(["mission", "env_seed"], sort=False)["mean_reward"].transform("size")
    common: pd.Series[bool] = scored.copy()
    common[scored] = scores == rows["mission"].map(runs).astype("int64")
    return common


def _plain_names(names: Iterable[Any]) -> dict[Any, str]:
    """Names in lower case without commas, different for different names."""
    plain: dict[Any, str] = {}
    for name in names:
        text = wanted = str(name).lower().replace(",", ";")
        number = 1
        while text in plain.values():
            number += 1
            text = f"{wanted}_{number}"
        plain[name] = text
    return plain


def _usable(curves: Mapping[str, TrainingCurve], played: pd.DataFrame) -> dict[str, list[tuple[int, float]]]:
    """The points of curves by checkpoint, equally many of each; none unless they cover all that was trained."""
    trained = played[played["train_seed"].notna()]
    wanted = {
        (str(name), str(mission)) for name, mission in zip(trained["checkpoint"], trained["mission"], strict=True)
    }
    found = {name: curve for name, curve in curves.items() if curve.points}
    if not wanted or any(name not in found or found[name].mission != mission for name, mission in wanted):
        return {}
    names = dict.fromkeys(name for name, _ in wanted)
    count = min(len(found[name].points) for name in names)
    return {name: list(found[name].points[-count:]) for name in names}


def _runs(rows: pd.DataFrame, curves: Mapping[str, list[tuple[int, float]]], *, success: bool) -> Runs:
    """The runs of one policy on one mission."""
    steps_of_any = next(iter(curves.values()), [])
    runs: Runs = {}
    for number, (checkpoint, part) in enumerate(rows.groupby("checkpoint", sort=False), start=1):
        part = part.sort_values("env_seed", kind="stable")
        metrics = {"return": [float(value) for value in part["mean_reward"]]}
        if success:
            metrics["success"] = [float(value) for value in part["success"]]
        run: Run = {}
        if own := curves.get(str(checkpoint)):
            points = [(steps, [reward]) for steps, reward in own]
        else:
            points = [(steps, metrics["return"]) for steps, _ in steps_of_any]
        for step, (steps, values) in enumerate(points, start=1):
            run[f"step_{step}"] = {"step_count": steps, "return": values}
        if not points:
            run["step_1"] = {"step_count": 0, **metrics}
        runs[f"run_{number}"] = {**run, "absolute_metrics": metrics}
    return runs


def _fewest_first(runs: Mapping[str, Runs], fixed: Sequence[str]) -> dict[str, Runs]:
    """The algorithms of a task, with runs of fixed ones repeated, and those with fewest runs first."""
    trained = [len(own) for name, own in runs.items() if name not in fixed]
    names = [*(f"run_{number}" for number in range(1, min(trained, default=0) + 1)), FIXED]
    full = {
        name: dict.fromkeys(names, own["run_1"]) if name in fixed and len(own) == 1 else own
        for name, own in runs.items()
    }
    return dict(sorted(full.items(), key=lambda item: len(item[1])))
