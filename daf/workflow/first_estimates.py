"""What a job takes by DAF's own measurements, until a job of its rule has run in the output folder.

Source: the jobs of config/config.yaml on 2 cores of an Intel Xeon (their benchmarks and metrics.jsonl), rounded. Other
machines, networks and missions differ by a factor of three or more: it is a guess of the order of magnitude, and is
called a first estimate wherever it is shown. benchmarks/README.md has speeds that were measured with care.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TRAINING_STEPS_PER_SECOND = 5_500.0  # agent-steps, of `grid` in one process on one core
TRAINING_STEPS_PER_SECOND_IN_GROUP = 3_000.0  # of each process of a group, which also waits for the others
PLAYING_STEPS_PER_SECOND = 15_000.0  # of a policy with a network, or of CoGames' scripted one
STEPS_PER_EPISODE, AGENTS = 1_000, 4  # of a mission whose recipe leaves them to CoGames
START_SECONDS = 1.0  # of a job that is a copy of a process
SUBMITTED_SECONDS = 15.0  # of a job on a cluster, until it begins: Snakemake's and its own imports
START_SECONDS_IN_GROUP = 10.0  # of processes that import everything themselves, and find one another
# Jobs whose work does not depend on the experiment's numbers, or hardly.
SECONDS: Mapping[str, float] = {
    "check_environment": 3, "verify": 5, "propose_trial": 1.5, "promote_trials": 1, "choose_finalists": 1,
    "collect_results": 1, "select_best": 1, "describe_sweep": 3, "merge_episodes": 1, "check_evaluations": 1,
    "analyze_mission": 4, "list_statistics": 2, "replay_episode": 5, "run_interim_analysis": 3, "compare_policies": 5,
    "render_report": 4, "merge_seats": 1, "check_tournaments": 1, "analyze_interim_seats": 3, "analyze_tournament": 6,
    "render_tournament": 5, "package_policy": 8, "sign_package": 3, "validate_package": 7, "deploy_policy": 5,
    "rollback_deployment": 3, "keep_weights": 3,
}  # fmt: skip


def first_estimate(
    rule: str, params: Mapping[str, Any], *, num_trials: int = 1, is_submitted: bool = False
) -> float | None:
    """Seconds that a job takes; None if nothing is known of its rule.

    Args:
        params: of the job.
        num_trials: how many trials it runs.
        is_submitted: to a cluster.
    """
    seconds = _work(rule, params, num_trials)
    return seconds + SUBMITTED_SECONDS if is_submitted and seconds is not None else seconds


def _work(rule: str, params: Mapping[str, Any], num_trials: int) -> float | None:
    if rule in SECONDS:
        return float(SECONDS[rule])
    if isinstance(matches := params.get("recipes"), list):
        return START_SECONDS + sum(_episodes(match["num_episodes"], match["mission"]) for match in matches)
    recipe = params.get("trial") or params.get("recipe")
    if not isinstance(recipe, Mapping):
        return None
    try:
        if "training" in recipe:
            return START_SECONDS + num_trials * _trial(recipe)
        if "num_steps" in recipe:
            return _training(recipe)
        if "num_episodes" in recipe:
            return START_SECONDS + _episodes(recipe["num_episodes"], recipe["mission"])
    except (KeyError, TypeError):  # a recipe of another kind
        return None
    return None


def _trial(recipe: Mapping[str, Any]) -> float:
    training = recipe["training"]
    steps = recipe.get("stop_at_steps") or training["num_steps"]
    return float(steps / TRAINING_STEPS_PER_SECOND + _episodes(recipe["episodes"], training["mission"]))


def _training(recipe: Mapping[str, Any]) -> float:
    processes, held_out = recipe["world_size"], recipe.get("held_out")
    speed = TRAINING_STEPS_PER_SECOND if processes == 1 else processes * TRAINING_STEPS_PER_SECOND_IN_GROUP
    start = START_SECONDS if processes == 1 else START_SECONDS_IN_GROUP
    missions = {mission["name"]: mission for mission in [recipe["mission"], *_others(recipe)]}
    number = held_out["num_evaluations"] * held_out["episodes"] if held_out else 0
    evaluations = sum(_episodes(number, mission) for mission in missions.values())
    return float(start + recipe["num_steps"] / speed + evaluations)


def _others(recipe: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The missions of a training that has several."""
    return [one["mission"] for one in (recipe.get("curriculum") or {}).get("missions", ())]


def _episodes(number: int, mission: Mapping[str, Any]) -> float:
    config = mission["config"]
    agents, steps = config.get("num_agents") or AGENTS, config.get("max_steps") or STEPS_PER_EPISODE
    return float(number * agents * steps / PLAYING_STEPS_PER_SECOND)
