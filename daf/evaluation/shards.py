"""Evaluation as the workflow asks for it: shards of episodes to files, with provenance."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from daf.config import PolicyConfig
from daf.config.recipes import EvaluationRecipe
from daf.engine.model_files import SUFFIX
from daf.episodes.table import read_episodes, read_provenance, write_episodes
from daf.logging_config import DAFLogger
from daf.system.devices import resolve_device
from daf.system.provenance import provenance
from daf.system.resource_usage import usage_since
from daf.workflow.plan import Checkpoint

if TYPE_CHECKING:
    from daf.engine.policies import ResolvedPolicy
    from daf.engine.teams import Player
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daf.config.recipes import EvaluationRecipe


def evaluate_shard(
    recipe: EvaluationRecipe,
    *,
    checkpoint: Checkpoint,
    weights: Sequence[str],
    output: str | Path,
    device: str,
    workers: int,
    logger: DAFLogger,
) -> None:
    """Play the episodes of a recipe and write their rows.

    Args:
        weights: of every policy that DAF trained, in the order of the checkpoint's members: its model.safetensors and
            model.json, as the training run wrote them.
        workers: processes to share the episodes between.
    """
    from daf.engine.evaluation import EvaluationOptions, evaluate_policy
    from daf.engine.missions import resolve_mission

    resolved = _player(checkpoint, weights)
    if resolved.note:
        logger.info(resolved.note)
    mission, start = resolve_mission(recipe.mission.config, recipe.mission.name), time.perf_counter()
    progress = logger.progress(f"evaluate {checkpoint.label} on {recipe.mission.name}", recipe.num_episodes, "episodes")
    frame = evaluate_policy(
        resolved,
        mission,
        episodes=recipe.num_episodes,
        first_episode=recipe.first_episode,
        seed=recipe.first_seed,
        workers=workers,
        device=resolve_device(device),
        on_progress=progress.update,
        options=EvaluationOptions(
            max_action_time_ms=recipe.max_action_time_ms,
            objective_metric=recipe.objective_metric,
            policy_label=checkpoint.policy,
            checkpoint_label=checkpoint.label,
            train_seed=checkpoint.seed,
        ),
    )
    usage = usage_since(start)
    progress.done(mean_reward=_mean(frame["mean_reward"].dropna().tolist()))
    failures = frame["failure"].dropna()
    if len(failures):
        logger.warning(f"{len(failures)} of {len(frame)} episodes failed, the first with: {failures.iloc[0]}")
    made_by = provenance(recipe.to_dict(), {"first_episode": recipe.first_seed + recipe.first_episode})
    made_by |= {"mission": {"name": mission.name, "success": mission.success}, "usage": asdict(usage)}
    write_episodes(output, frame, made_by | {"policy": resolved.identity(), "note": resolved.note})


def _player(checkpoint: Checkpoint, weights: Sequence[str]) -> Player:
    """The policy or team of a checkpoint, with the weights that training runs made for it."""
    from daf.engine.policies import resolve_policy
    from daf.engine.teams import Team

    trained = iter([path for path in weights if path.endswith(SUFFIX)])

    def resolved(one: Checkpoint) -> ResolvedPolicy:
        config = one.config if one.training is None else PolicyConfig(data_path=Path(next(trained)))
        return resolve_policy(config, one.policy)

    if not checkpoint.members:
        return resolved(checkpoint)
    return Team(
        label=checkpoint.policy,
        members=tuple(resolved(member) for member, _ in checkpoint.members),
        shares=tuple(share for _, share in checkpoint.members),
    )


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def merge_shards(shards: Sequence[str], output: str | Path) -> None:
    """Put shards into one table; its provenance lists theirs."""
    frame = read_episodes(shards).sort_values("episode", ignore_index=True)
    write_episodes(output, frame, {"shards": [read_provenance(path) for path in shards]})


def write_skipped_shard(recipe: EvaluationRecipe, reason: str, output: str | Path) -> None:
    """A shard without episodes, whose provenance says why."""
    from daf.episodes.table import episodes_frame, write_episodes
    from daf.system.provenance import provenance

    made_by = provenance(recipe.to_dict(), {"first_episode": recipe.first_seed + recipe.first_episode})
    write_episodes(output, episodes_frame([]), made_by | {"policy": None, "note": "", "skipped": reason})
