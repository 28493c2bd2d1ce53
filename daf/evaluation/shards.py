"""Evaluation in the workflow: writes shards of episodes to files, with provenance."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daf.config import PolicyConfig
from daf.config.recipes import EvaluationRecipe, PolicyRecipe
from daf.episodes.table import episodes_frame, read_episodes, read_provenance, write_episodes
from daf.logging_config import DAFLogger, FailureLog
from daf.system.devices import resolve_device
from daf.system.locks import exclusive_file
from daf.system.provenance import provenance
from daf.system.resource_usage import usage_since
from daf.system.user_code import code_in, unfollowed_in_words

if TYPE_CHECKING:
    import pandas as pd

    from daf.engine.missions import Mission
    from daf.engine.policies import ResolvedPolicy
    from daf.engine.teams import Player


def evaluate_shard(
    recipe: EvaluationRecipe,
    *,
    weights: Sequence[str],
    output: str | Path,
    device: str,
    workers: int,
    logger: DAFLogger,
) -> None:
    """Play the episodes of a recipe and write their rows.

    Args:
        weights: the files of the policy, or of all members of a team in order: model.safetensors and model.json if DAF
            trained it, otherwise the files that the configuration names.
        workers: number of processes that share the episodes.
    """
    from daf.engine.missions import resolve_mission

    # A killed workflow may leave a process that still plays these episodes.
    with exclusive_file(Path(output), logger.warning):
        player = _player(recipe.policy, weights)
        identity = player.identity()  # now: a policy that plays may change the current folder
        tell_about_policy(recipe.to_dict(), [player.note] if player.note else [], logger)
        mission, start = resolve_mission(recipe.mission.config, recipe.mission.name), time.perf_counter()
        frame = _play(recipe, player, mission, workers=workers, device=resolve_device(device), logger=logger)
        record = {
            **_provenance(recipe),
            "mission": {"name": mission.name, "success": mission.success},
            "usage": asdict(usage_since(start)),
            "policy": identity,
            "note": player.note,
        }
        write_episodes(output, frame, record)


def _play(
    recipe: EvaluationRecipe, player: Player, mission: Mission, *, workers: int, device: str, logger: DAFLogger
) -> pd.DataFrame:
    """The episodes, with progress and failures in the log."""
    from daf.engine.evaluation import EvaluationOptions, evaluate_policy

    policy = recipe.policy
    title = f"evaluate {policy.checkpoint_label} on {recipe.mission.name}"
    progress = logger.progress(title, recipe.num_episodes, "episodes")
    failures = FailureLog(logger, title)
    progress.update(0)  # the speed counts from here, not from the first finished episode
    frame = evaluate_policy(
        player,
        mission,
        episodes=recipe.num_episodes,
        first_episode=recipe.first_episode,
        seed=recipe.first_seed,
        workers=workers,
        device=device,
        on_progress=progress.update,
        options=EvaluationOptions(
            max_action_time_ms=recipe.max_action_time_ms,
            objective_metric=recipe.objective_metric,
            policy_label=policy.label,
            checkpoint_label=policy.checkpoint_label,
            train_seed=policy.train_seed,
            on_failure=failures.add,
        ),
    )
    progress.done(mean_reward=_mean(frame["mean_reward"].dropna().tolist()))
    failures.summarize(len(frame))
    return frame


def tell_about_policy(recipe: Mapping[str, Any], notes: Iterable[str], logger: DAFLogger) -> None:
    """What a reader of the results needs to know about the names and the code of who plays."""
    for note in notes:
        logger.info(note)
    for warning in unfollowed_in_words(code_in(recipe)):
        logger.warning(warning)


def merge_shards(shards: Sequence[str], output: str | Path) -> None:
    """Merge shards into one table; its provenance lists theirs."""
    frame = read_episodes(shards).sort_values("episode", ignore_index=True)
    write_episodes(output, frame, {"shards": [read_provenance(path) for path in shards]})


def write_skipped_shard(recipe: EvaluationRecipe, reason: str, output: str | Path) -> None:
    """Write a shard without episodes, whose provenance gives the reason."""
    write_episodes(output, episodes_frame([]), {**_provenance(recipe), "policy": None, "note": "", "skipped": reason})


def write_lost_episodes(recipes: Sequence[EvaluationRecipe], reason: str, output: str | Path) -> None:
    """Write the merged table of shards that cannot be played: every episode is a failure for this reason."""
    rows = [
        {
            "policy": recipe.policy.label,
            "checkpoint": recipe.policy.checkpoint_label,
            "train_seed": recipe.policy.train_seed,
            "mission": recipe.mission.name,
            "episode": number,
            "env_seed": recipe.first_seed + number,
            "failure": reason,
        }
        for recipe in recipes
        for number in range(recipe.first_episode, recipe.first_episode + recipe.num_episodes)
    ]
    shards = [{**_provenance(recipe), "policy": None, "note": ""} for recipe in recipes]
    write_episodes(output, episodes_frame(rows), {"shards": shards})


def _provenance(recipe: EvaluationRecipe) -> dict[str, Any]:
    return provenance(recipe.to_dict(), {"first_episode": recipe.first_seed + recipe.first_episode})


def _player(policy: PolicyRecipe, weights: Sequence[str]) -> Player:
    """The policy or team of a recipe, with its weights."""
    from daf.engine.teams import Team

    files = iter(weights)

    def resolved(single: PolicyRecipe) -> ResolvedPolicy:
        return resolved_single(single, list(islice(files, single.num_files)))

    if not policy.members:
        return resolved(policy)
    return Team(
        label=policy.label,
        members=tuple(resolved(member) for member, _ in policy.members),
        shares=tuple(share for _, share in policy.members),
    )


def resolved_single(policy: PolicyRecipe, files: Sequence[str]) -> ResolvedPolicy:
    """A single policy, with its files."""
    from daf.engine.policies import resolve_policy

    config = PolicyConfig(
        class_path=policy.class_path, data_path=Path(files[0]) if files else None, init_kwargs=policy.init_kwargs
    )
    return resolve_policy(config, policy.label)


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
