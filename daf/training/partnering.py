"""Who plays which seat: drawn for every episode of training, and laid down for those of held-out evaluations."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from daf.config.partners import PartnersConfig, PartnersRecipe
from daf.engine.policies import ResolvedPolicy
from daf.engine.teams import Lineup
from daf.errors import BadInputError
from daf.system.nouns import number_of

LEARNER = -1  # in place of a partner's number


def require_seats(partners: PartnersConfig | PartnersRecipe, num_agents: int, mission: str) -> None:
    """Refuse a mission in which the network and its partners do not both have a seat.

    Raises:
        BadInputError: a single agent, or a share that leaves the network less than a seat.
    """
    where = f"mission '{mission}'"
    if num_agents < 2:
        hint = "play a mission with more agents (num_agents), or leave `partners` out"
        raise BadInputError("two agents or more, to play with partners", number_of(num_agents, "agent"), where, hint)
    most = (num_agents - 1) / num_agents
    if partners.in_training and partners.share > most + 1e-9:
        expected = f"a share of at most {most:g}, as one of {number_of(num_agents, 'agent')} is the network's"
        raise BadInputError(expected, f"{partners.share:g}", f"{where}: partners.share")


@dataclass(frozen=True, kw_only=True)
class SeatDraw:
    """Draws who plays in an episode of training: always the same for the same seed, environment and episode.

    Attributes:
        seed: of the training.
    """

    partners: PartnersRecipe
    seed: int
    num_agents: int

    def seats(self, environment: int, episode: int, num_earlier: int) -> list[int]:
        """The number of the policy in every seat: LEARNER, that of a policy of the pool, or above these that of an
        earlier checkpoint, the same one in all seats of the episode that have one.

        Args:
            environment: its number over all processes.
            num_earlier: how many earlier checkpoints there are.
        """
        pool, history = len(self.partners.pool), self.partners.history
        draw = random.Random(f"partners {self.seed}/{environment}/{episode}")  # nosec B311  # repeatable, not secret
        mean = self.partners.share * self.num_agents
        count = min(int(mean) + (draw.random() < mean - int(mean)), self.num_agents - 1)
        earlier = pool + int(draw.random() * num_earlier)
        order = draw.sample(range(self.num_agents), self.num_agents)
        kinds, weights = list(range(pool)), [1.0] * pool
        if history is not None:
            kinds, weights = [*kinds, earlier], [*weights, history.weight]
        seats = [LEARNER] * self.num_agents
        for seat in sorted(order[:count]):
            (seats[seat],) = draw.choices(kinds, weights)
        return seats


# ---- held-out evaluations -------------------------------------------------------------------------------------


def own_seats(number: int, num_agents: int) -> int:
    """How many seats the network plays in a held-out episode: 1 to all, in turn. It is also the weight of the episode,
    as in the format `pickup` of tournaments."""
    return 1 + number % num_agents


def validation_lineup(
    policy: ResolvedPolicy, pool: Sequence[ResolvedPolicy], first_seed: int, num_agents: int
) -> Lineup:
    """The network, and the pool that plays the seats that it leaves, in all held-out episodes."""
    order = partial(_seats_of_validation, first_seed=first_seed, pool=len(pool))
    return Lineup(
        label=policy.label,
        members=(policy, *pool),
        shares=(1.0,) * (1 + len(pool)),
        seats=(0,) * num_agents,
        order=order,
    )


def _seats_of_validation(seats: tuple[int, ...], env_seed: int, *, first_seed: int, pool: int) -> tuple[int, ...]:
    """Member 0 is the network."""
    number, agents = env_seed - first_seed, len(seats)
    own = own_seats(number, agents)
    draw = random.Random(f"validation {env_seed}")  # nosec B311  # must be repeatable, not secret
    # Members of the pool take turns over seats and episodes, so that all play about as often.
    others = [1 + (number + seat) % pool for seat in range(agents - own)]
    drawn = [0] * own + others
    draw.shuffle(drawn)
    return tuple(drawn)
