"""Failed episodes against the declared tolerance, over all evaluations of an experiment, or all tournaments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from daf.config.recipes import checkpoint_label
from daf.episodes.table import read_episodes
from daf.errors import DafError
from daf.system.nouns import number_of
from daf.tournament.table import read_seats

COLUMNS = ("policy", "checkpoint", "mission", "failure")


class EpisodesFailedError(DafError):
    """More of a policy's episodes failed than declared; tables and pages exist all the same."""


@dataclass(frozen=True, kw_only=True)
class FailedEpisodes:
    """How many episodes of one checkpoint failed on one mission.

    Attributes:
        policy: name of the policy.
        checkpoint: the policy, with its training seed if it has one.
        mission: name of the mission.
        episodes: number of episodes played.
        failed: number of those without a result.
        first_failure: why the first of them failed; None if none did.
    """

    policy: str
    checkpoint: str
    mission: str
    episodes: int
    failed: int
    first_failure: str | None

    @property
    def share(self) -> float:
        return self.failed / self.episodes if self.episodes else 0.0

    def __str__(self) -> str:
        return (
            f"{self.checkpoint} on {self.mission}: {self.failed} of {self.episodes} failed, the first with "
            f"{self.first_failure}"
        )


def count_failures(paths: Sequence[str | Path]) -> list[FailedEpisodes]:
    """The failed episodes in tables of one checkpoint on one mission each; empty tables are left out."""
    frames = [read_episodes(path, COLUMNS) for path in paths]
    return [
        FailedEpisodes(
            policy=str(frame["policy"].iloc[0]),
            checkpoint=str(frame["checkpoint"].iloc[0]),
            mission=str(frame["mission"].iloc[0]),
            episodes=len(frame),
            failed=int(frame["failure"].notna().sum()),
            first_failure=next(iter(frame["failure"].dropna()), None),
        )
        for frame in frames
        if len(frame)
    ]


def beyond_tolerance(counts: Sequence[FailedEpisodes], max_failed_share: float) -> list[FailedEpisodes]:
    """Those of which a larger share failed than declared."""
    return [count for count in counts if count.share > max_failed_share]


def count_failures_of_seats(paths: Sequence[str | Path]) -> list[FailedEpisodes]:
    """The episodes that every checkpoint made fail, of all in which it had a seat, by mission; from seats tables."""
    counts: dict[tuple[str, int | None, str], tuple[set[Any], dict[Any, str]]] = {}
    for number, path in enumerate(paths):
        frame = read_seats(path)
        seeds = frame["train_seed"].astype(object).where(frame["train_seed"].notna(), None)
        names = ("policy", "mission", "match", "episode", "failure")
        for seed, policy, mission, match, episode, failure in zip(seeds, *(frame[name] for name in names), strict=True):
            played, failed = counts.setdefault((policy, seed, mission), (set(), {}))
            played.add((number, match, episode))
            if isinstance(failure, str):
                failed[number, match, episode] = failure
    return [
        FailedEpisodes(
            policy=policy,
            checkpoint=checkpoint_label(policy, seed),
            mission=mission,
            episodes=len(played),
            failed=len(failed),
            first_failure=next(iter(failed.values()), None),
        )
        for (policy, seed, mission), (played, failed) in counts.items()
    ]


def check_failures(counts: Sequence[FailedEpisodes], max_failed_share: float) -> dict[str, Any]:
    """The content of check.json: the failed episodes of every checkpoint on every mission.

    Raises:
        EpisodesFailedError: the share of failed episodes of a checkpoint on a mission is above `max_failed_share`; the
            error names all of them, with their causes.
    """
    if beyond := beyond_tolerance(counts, max_failed_share):
        causes = "".join(f"\n    {count}" for count in beyond)
        raise EpisodesFailedError(
            f"at most {100 * max_failed_share:.4g} % of a policy's episodes on a mission to fail",
            f"more in {len(beyond)} of {number_of(len(counts), 'evaluation')}",
            "evaluation.max_failed_share",
            "tables and pages are made with what there is; correct the policy and run again, or declare a higher share"
            f"{causes}",
        )
    return {"max_failed_share": max_failed_share, "evaluations": [asdict(count) for count in counts]}
