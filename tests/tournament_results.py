"""Made-up results of tournaments, for tests of pages and of results that are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from daf.tournament.matches import Player
from daf.tournament.results import TournamentResults, analyze_seats
from daf.tournament.table import check_seats
from tests.unit.tournament.simulated import matches_of, noise, seats_of, tournament


def made_up_tournament(
    *candidates: str,
    pool: Sequence[str] = ("x", "y"),
    fails: Sequence[str] = (),
    cause: str = "ValueError: no",
    fails_on: str | None = None,
    **changes: Any,
) -> TournamentResults:
    """A tournament in which each candidate is better than the next by 1, and the last as good as the pool.

    Args:
        fails: policies that fail in every episode in which they take part.
        cause: of these failures.
        fails_on: the only mission on which they fail; None: on all.
        changes: keys of the configuration.
    """
    names, members = list(candidates), list(pool)
    settings = {"format": "pickup" if pool else "pairing", "candidates": names, "pool": members, **changes}
    config = tournament(**settings)
    skills = {name: float(len(names) - place - 1) for place, name in enumerate(names)}

    def rewards(players: tuple[Player, ...], seed: int) -> Sequence[float]:
        own = noise("map", seed).normal()
        return [own + skills.get(player.policy, 0.0) + noise(players, seed, seat).normal()
                for seat, player in enumerate(players)]  # fmt: skip

    seats = with_failures(seats_of(config, matches_of(config), rewards), fails, cause, fails_on)
    return analyze_seats(seats, config, provenance={"recipe_digest": "0" * 64})


def with_failures(seats: pd.DataFrame, fails: Sequence[str], cause: str, mission: str | None = None) -> pd.DataFrame:
    """The seats table, in which these policies fail in every episode.

    Args:
        mission: the only one on which they fail; None: on all.
    """
    failing = seats["policy"].isin(fails) & (mission is None or seats["mission"].eq(mission))
    lost = failing.groupby([seats["match"], seats["episode"]]).transform("any")
    seats.loc[lost, ["agent_reward", "team_reward"]] = float("nan")
    seats.loc[lost, "length"] = pd.NA
    seats.loc[lost, "status"] = "failed"
    seats.loc[failing, "failure"] = cause
    return check_seats(seats)
