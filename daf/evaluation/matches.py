"""Matches in the workflow: writes batches of episodes to files, with provenance, and the analyses between them."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, TypedDict

from pydantic import Field

from daf.config import DAFTournamentConfig
from daf.config.match_recipes import MatchRecipe
from daf.evaluation.interim import settled_after
from daf.evaluation.shards import resolved_single, tell_about_policy
from daf.logging_config import DAFLogger, FailureLog
from daf.system.devices import resolve_device
from daf.system.files import write_json
from daf.system.locks import exclusive_file
from daf.system.nouns import number_of
from daf.system.provenance import provenance
from daf.system.resource_usage import usage_since
from daf.tournament.table import empty_seats, read_provenance, read_seats, seats_frame, write_seats


def play_batch(
    recipe: MatchRecipe,
    *,
    weights: Sequence[str],
    output: str | Path,
    device: str,
    workers: int,
    logger: DAFLogger,
) -> None:
    """Play the episodes of a recipe and write their rows.

    Args:
        weights: the files of all players in the recipe's order, see `daf.evaluation.shards.evaluate_shard`.
        workers: number of processes that share the episodes.
    """
    from daf.engine.matches import play_match
    from daf.engine.missions import resolve_mission

    # A killed workflow may leave a process that still plays these episodes.
    with exclusive_file(Path(output), logger.warning):
        files = iter(weights)
        players = [
            resolved_single(player.policy, list(islice(files, player.policy.num_files))) for player in recipe.players
        ]
        identities = {
            player.label: policy.identity() for player, policy in zip(recipe.players, players, strict=True)
        }  # now: a policy that plays may change the current folder
        notes = list(dict.fromkeys(policy.note for policy in players if policy.note))
        tell_about_policy(recipe.to_dict(), notes, logger)
        mission, start = resolve_mission(recipe.mission.config, recipe.mission.name), time.perf_counter()
        title = f"match {recipe.match} on {mission.name}"
        progress, failures = logger.progress(title, recipe.num_episodes, "episodes"), FailureLog(logger, title)
        progress.update(0)  # the speed counts from here, not from the first finished episode
        rows = play_match(
            recipe, players, device=resolve_device(device), workers=workers, on_progress=progress.update,
            on_failure=failures.add, mission=mission,
        )  # fmt: skip
        rewards = [row["team_reward"] for row in rows if row["seat"] == 0 and row["team_reward"] is not None]
        progress.done(mean_reward=sum(rewards) / len(rewards) if rewards else None)
        failures.summarize(recipe.num_episodes)
        record = {
            **_provenance(recipe),
            "mission": {"name": mission.name, "success": mission.success},
            "usage": asdict(usage_since(start)),
            "policies": identities,
            "notes": notes,
        }
        write_seats(output, seats_frame(rows), record)


def write_skipped_batch(recipe: MatchRecipe, reason: str, output: str | Path) -> None:
    """Write a batch without episodes, whose provenance gives the reason."""
    write_seats(output, empty_seats(), {**_provenance(recipe), "policies": {}, "notes": [], "skipped": reason})


def merge_batches(batches: Sequence[str | Path], output: str | Path) -> None:
    """Merge the batches of all matches into one table, with what their provenance says together.

    Times and machines differ from run to run, and are left out: the same episodes make the same file.
    """
    frame = read_seats(batches)
    records = [read_provenance(path) for path in batches]
    versions = {json.dumps(record["versions"], sort_keys=True): record["versions"] for record in records}
    merged = {
        "batches": [{key: record[key] for key in _OF_BATCH if key in record} for record in records],
        "missions": {record["mission"]["name"]: record["mission"] for record in records if "mission" in record},
        "notes": list(dict.fromkeys(note for record in records for note in record["notes"])),
        "policies": {label: identity for record in records for label, identity in record["policies"].items()},
        "versions": list(versions.values()),
    }
    write_seats(output, frame, merged)


_OF_BATCH = ("recipe_digest", "seeds", "skipped")


def _provenance(recipe: MatchRecipe) -> dict[str, Any]:
    return provenance(recipe.to_dict(), {"first_episode": recipe.first_seed + recipe.first_episode})


# ---- when to stop -----------------------------------------------------------------------------------------
# The batches are known before anything runs. An interim analysis is a file that says whether the declared question is
# settled. It is an input of the next batch of every match; if it says so, these contain no episodes, only the reason.


class _InterimEntry(TypedDict):
    episodes: int
    confidence_level: float
    unsettled: list[str]


class InterimFile(TypedDict):
    """What a later batch asks an interim analysis.

    Attributes:
        done: whether the question is settled.
        interim_analyses: the analyses so far; `episodes` is the number per match.
    """

    done: bool
    interim_analyses: Annotated[list[_InterimEntry], Field(min_length=1)]


def write_interim_analysis(
    batches: Sequence[str | Path], config: DAFTournamentConfig, output: str | Path
) -> InterimFile:
    """Analyze the batches played so far, and record whether more are needed."""
    from daf.tournament.comparisons import interim_analyses
    from daf.tournament.scores import scores_of_seats

    analyses = list(interim_analyses(scores_of_seats(read_seats(batches)), config))
    state = InterimFile(
        done=analyses[-1].done,
        interim_analyses=[
            _InterimEntry(
                episodes=analysis.episodes,
                confidence_level=analysis.confidence_level,
                unsettled=list(analysis.unsettled),
            )
            for analysis in analyses
        ],
    )
    write_json(output, dict(state))
    return state


def reason_to_skip(interim_files: Sequence[str | Path]) -> str | None:
    """Why a later batch needs no episodes; None if it does, or there was no interim analysis."""
    episodes = settled_after(interim_files, InterimFile)
    if episodes is None:
        return None
    return f"not played: nothing was open after {number_of(episodes, 'episode')} per match"
