"""The configuration of a tournament: who plays with whom, in which seats, and how the results are analyzed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from math import gcd
from typing import Annotated, Any, Literal, Protocol, Self

from pydantic import Discriminator, Field, Tag, model_validator

from daf.config.normalization import CountOrAuto, text_or_other
from daf.config.strict_model import Seed, StrictModel, refuse_repeated
from daf.errors import BadInputError
from daf.system.nouns import number_of
from daf.system.user_paths import LITERAL_NAMES, NameOrPath
from daf.system.validated import wrong_value

TournamentFormat = Literal["pickup", "pairing", "freeplay", "teams", "round_robin"]
"""How teams are composed."""

DEFAULT_SPLITS: dict[TournamentFormat, tuple[str, ...]] = {
    "pairing": ("3-1", "2-2", "1-3"),
    "freeplay": ("6-2", "4-4", "2-6"),
    "round_robin": ("1-1",),
}
"""Of the formats in which two policies share a team."""

REPLACEMENT = "replacement"  # in tables of results: teams from the pool alone

_SPLIT = re.compile(r"([1-9][0-9]{0,3})-([1-9][0-9]{0,3})")

CountWeights = Annotated[
    Annotated[Literal["pickup", "uniform"], Tag("as text")]
    | Annotated[dict[int, Annotated[float, Field(ge=0)]], Tag("as value")],
    Discriminator(text_or_other),
]


class DAFTournamentConfig(StrictModel):
    """Policies that share teams, and the value of each of them."""

    format: TournamentFormat = Field(
        description="pickup: 0 to all seats of a candidate, the others from the pool; pairing and freeplay: every pair "
        "of candidates at the declared splits; teams: a different candidate in every seat; round_robin: every pair at "
        "equal shares, and every candidate alone"
    )
    candidates: list[NameOrPath] = Field(
        min_length=1,
        description="names under `policies`, shorthands or class paths, or `{training: miner, at: [0.5, 1]}`: the "
        "checkpoints of a run after these shares of its steps",
    )
    pool: list[NameOrPath] = Field(
        default_factory=list,
        description="of pickup: the policies that play the other seats, in equal shares, named as candidates are",
    )
    missions: list[NameOrPath] = Field(min_length=1, description="mission names or files")
    splits: list[str] = Field(
        default_factory=list,
        description="how two policies share the seats, such as 3-1 (6-2 is the same); empty: those of the format",
    )
    weights: CountWeights = Field(
        "pickup",
        description="weight of each number of seats in the value of a candidate; pickup: proportional to the seats, as "
        "`cogames pickup`; uniform: equal; or weights by number of seats",
    )
    seats: Literal["balanced", "random"] = Field(
        "balanced",
        description="balanced: every policy plays every seat equally often; random: every episode draws its seats",
    )
    seatings: CountOrAuto = Field(
        "auto",
        description="largest number of seatings of the same policies; auto: all, or a balanced design where they are "
        "more than twice the seats",
    )
    roles: list[str] = Field(
        default_factory=list,
        description="roles of the seats, in turn, for values by role; [miner, scout]: every second seat is a scout's",
    )
    teams_per_policy: int = Field(
        8,
        ge=1,
        description="of teams: largest number of teams that a candidate adds to those of the candidates before it",
    )
    episodes: CountOrAuto = Field(
        16, description="episodes per match, on the same seeds in all matches; auto: until the question is settled"
    )
    max_episodes: int = Field(64, ge=4, description="maximum for auto")
    num_interim_analyses: int = Field(
        4, ge=1, le=20, description="number of batches with auto; an interim analysis follows each"
    )
    question: Literal["replacement", "order"] = Field(
        "replacement",
        description="what auto settles. replacement: whether each candidate is better than the pool it replaces; "
        "order: the order of the first `first` candidates",
    )
    first: int = Field(3, ge=1, description="of the question order: number of candidates whose order matters")
    equivalence_margin: float | None = Field(None, gt=0, description="largest difference of means that does not matter")
    confidence_level: float = Field(0.95, gt=0.5, lt=1, description="confidence level of intervals and rank sets")
    num_resamples: int = Field(2_000, ge=100, description="bootstrap replicates of ratings, and permutation replicates")
    seed: Seed = Field(42, description="seed of the resampling, and of seats and teams that are drawn")
    evaluation_seed: Seed = Field(1_000_000, description="first episode seed")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for key, names in (("candidates", self.candidates), ("pool", self.pool), ("missions", self.missions)):
            refuse_repeated(names, key)
        if REPLACEMENT in self.candidates:
            hint = "this name is reserved for the pool's results"
            raise wrong_value("another name of a policy", hint, at="candidates", found=f"'{REPLACEMENT}'")
        if self.format == "pickup" and not self.pool:
            raise wrong_value("a pool for pickup", "name the policies that play the other seats", at="pool", found="[]")
        if self.format != "pickup" and self.pool:
            hint = "only pickup has a pool: name its policies under `candidates`, or leave it out"
            raise wrong_value(f"no pool for {self.format}", hint, at="pool", found=", ".join(self.pool))
        if self.format in ("pairing", "freeplay", "teams") and len(self.candidates) < 2:
            found = ", ".join(self.candidates)
            raise wrong_value(f"two or more candidates for {self.format}", at="candidates", found=found)
        if self.splits and self.format not in DEFAULT_SPLITS:
            raise wrong_value(f"no splits for {self.format}", at="splits", found=", ".join(self.splits))
        for split in self.splits:
            if not _SPLIT.fullmatch(split):
                raise wrong_value("splits such as 3-1", "the seats of either policy", at="splits", found=f"'{split}'")
        if len(set(self.roles)) == 1 or any(not role.strip() or role.isdigit() for role in self.roles):
            hint = "`starter` plays seat i as role i mod 4 of [miner, aligner, scrambler, scout]"
            raise wrong_value("two or more different names of roles", hint, at="roles", found=str(self.roles))
        if isinstance(self.weights, dict) and not sum(self.weights.values()) > 0:
            raise wrong_value("a weight above 0", at="weights", found=str(self.weights))
        if self.episodes == "auto" and self.question == "replacement" and self.format != "pickup":
            hint = "set `question: order`: only pickup has a pool, whose value is the replacement's"
            raise wrong_value("a question that the format answers", hint, at="question", found="replacement")
        return self

    @classmethod
    def from_labels(cls, data: dict[str, Any], *, source: str) -> Self:
        """As `from_dict`, for names that come from a table and are not expanded."""
        return cls._from_dict(data, source, LITERAL_NAMES)

    @property
    def episodes_cap(self) -> int:
        """The maximum number of episodes per match."""
        return self.max_episodes if self.episodes == "auto" else self.episodes

    def splits_of(self, num_seats: int, mission: str) -> list[tuple[int, int]]:
        """The seats of two policies on a mission, one pair per split.

        Raises:
            BadInputError: a split does not divide the mission's seats.
        """
        counts = []
        for split in self.splits or DEFAULT_SPLITS.get(self.format, ()):
            a, b = map(int, split.split("-"))
            whole = (a + b) // gcd(a, b)
            if num_seats % whole:
                possible = ", ".join(f"{k}-{num_seats - k}" for k in range(num_seats - 1, 0, -1)) or "none"
                expected, hint = (
                    f"splits of the {number_of(num_seats, 'seat')} of {mission}",
                    f"declare some of {possible}",
                )
                raise BadInputError(expected, f"'{split}'", "splits", hint)
            counts.append((num_seats * a // (a + b), num_seats * b // (a + b)))
        return list(dict.fromkeys(counts))

    def check_weights(self, counts: Iterable[int], who: str) -> None:
        """Refuse weights that leave a policy without a value.

        Args:
            counts: numbers of seats that the policy has.
            who: the policy, in words.

        Raises:
            BadInputError: all these numbers have the weight 0.
        """
        known = sorted(set(counts))
        if isinstance(self.weights, dict) and not any(self.weights.get(count) for count in known):
            expected = f"a weight above 0 for a number of seats that {who} has"
            raise BadInputError(expected, str(self.weights), "weights", f"the numbers are {', '.join(map(str, known))}")


class Policy(Protocol):
    """What matters here of a policy."""

    @property
    def policies(self) -> Mapping[str, float]: ...


def broken_tournaments(
    tournaments: Mapping[str, DAFTournamentConfig], policies: Mapping[str, Policy], source: str
) -> Iterator[BadInputError]:
    """Tournaments of policies that are teams themselves."""
    for name, tournament in tournaments.items():
        for key in ("candidates", "pool"):
            for policy in getattr(tournament, key):
                if policy in policies and policies[policy].policies:
                    where, hint = f"{source}: tournaments.{name}.{key}", "name its members: the tournament seats them"
                    yield BadInputError("policies that play alone", f"'{policy}', a team", where, hint)
