"""Teams: several policies that share the agents of a mission."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metta_alo.scoring import allocate_counts

from daf.config import PolicyConfig
from daf.engine.policies import ResolvedPolicy, resolve_policy
from daf.errors import PolicyError
from daf.system.nouns import number_of


@dataclass(frozen=True, kw_only=True)
class Team:
    """Policies and the shares of a mission's agents that they play.

    Attributes:
        shares: one per member, in the same order; only their ratios count.
    """

    label: str
    members: tuple[ResolvedPolicy, ...]
    shares: tuple[float, ...]

    @property
    def note(self) -> str:
        """What a reader of the results needs to know about the names."""
        return "; ".join(dict.fromkeys(member.note for member in self.members if member.note))

    def identity(self) -> dict[str, Any]:
        """What determines how the team acts, for recipes."""
        return {
            "team": [
                {"name": member.label, "share": share, **member.identity()}
                for member, share in zip(self.members, self.shares, strict=True)
            ]
        }

    def assignments(self, num_agents: int, seed: int) -> list[int]:
        """Which member plays each agent of an episode, in an order drawn from the episode seed.

        Raises:
            PolicyError: the mission has too few agents for every member to play one.
        """
        shares = {member.label: share for member, share in zip(self.members, self.shares, strict=True)}
        counts = agents_per_member(self.label, shares, num_agents)
        assigned = [member for member, count in enumerate(counts) for _ in range(count)]
        random.Random(seed).shuffle(assigned)  # nosec B311  # must be repeatable, not secret
        return assigned


@dataclass(frozen=True, kw_only=True)
class Lineup(Team):
    """A team whose seats are assigned, not shared out.

    Attributes:
        seats: number of the member in every seat.
        order: environment seed and seats → the seats of that episode; None: always the same. A function of a module,
            or a partial of one.
        shares: how many seats each member has.
    """

    seats: tuple[int, ...]
    order: Callable[[tuple[int, ...], int], tuple[int, ...]] | None = None

    @classmethod
    def of(cls, label: str, seated: Sequence[ResolvedPolicy]) -> Lineup:
        """These policies, one per seat; the same label is the same policy."""
        members = list({policy.label: policy for policy in seated}.values())
        numbers = {policy.label: number for number, policy in enumerate(members)}
        seats = tuple(numbers[policy.label] for policy in seated)
        shares = tuple(float(seats.count(number)) for number in range(len(members)))
        return cls(label=label, members=tuple(members), shares=shares, seats=seats)

    def assignments(self, num_agents: int, seed: int) -> list[int]:
        """The seats of an episode.

        Raises:
            PolicyError: the mission has another number of agents.
        """
        if num_agents != len(self.seats):
            expected, found = (
                f"a policy for each of {number_of(num_agents, 'agent')}",
                number_of(len(self.seats), "seat"),
            )
            raise PolicyError(expected, found, f"line-up '{self.label}'")
        return list(self.seats if self.order is None else self.order(self.seats, seed))


def agents_per_member(team: str, shares: Mapping[str, float], num_agents: int) -> list[int]:
    """How many agents each member plays, with the engine's own rounding.

    Raises:
        PolicyError: the mission has too few agents for every member to play one.
    """
    counts: list[int] = allocate_counts(num_agents, list(shares.values()))
    idle = [name for name, count in zip(shares, counts, strict=True) if count == 0]
    if idle:
        found = f"{number_of(num_agents, 'agent')}, none of them for '{idle[0]}'"
        hint = "play a mission with more agents (num_agents)"
        raise PolicyError("a mission with an agent for every member", found, f"team '{team}'", hint)
    return counts


Player = ResolvedPolicy | Team


def resolve_player(policy: Any, label: str | None = None) -> Player:
    """A policy that plays alone (anything `resolve_policy` takes), or a team: a mapping of policies to shares, or a
    PolicyConfig with `policies`.

    Raises:
        PolicyError, CheckpointError: as `resolve_policy`.
    """
    if isinstance(policy, Team):
        return policy
    if isinstance(policy, PolicyConfig) and policy.policies:
        policy = policy.policies
    if not isinstance(policy, Mapping) or PolicyConfig.model_fields.keys() & policy.keys():
        return resolve_policy(policy, label)
    for member, share in policy.items():
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < math.inf:
            raise PolicyError("a share above 0", repr(share), f"team: {member}", "only the ratios of shares count")
    if not policy:
        raise PolicyError("a mapping of policies to shares", "an empty one", "team")
    members = tuple(resolve_policy(member, member if isinstance(member, str) else None) for member in policy)
    return Team(
        label=label or "+".join(member.label for member in members), members=members, shares=tuple(policy.values())
    )
