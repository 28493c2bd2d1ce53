"""Episodes of users' policies, in a copy of this process that they may end.

What ends it (`os._exit`, a crash in C, a kill for lack of memory) is the failure of one episode; the others are played.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from daf.engine.episode import EPISODES_PER_BATCH, PlayedEpisode, failed
from daf.engine.policy_classes import full_class_path
from daf.engine.teams import Player, Team
from daf.system.forked_work import CAN_FORK, ProcessEndedError, WorkRaisedError, messages_of

Numbered = tuple[int, PlayedEpisode]
PlayNumbers = Callable[[Sequence[int]], Iterator[Numbered]]

_TRUSTED = ("daf", "mettagrid", "cogames")  # their policies play in this process


def may_end_the_process(player: Player, device: str) -> bool:
    """Whether a player has code of a user, and can be isolated: a GPU that this process uses is unusable in a copy."""
    members = player.members if isinstance(player, Team) else (player,)
    return CAN_FORK and device == "cpu" and any(member.bundle or is_users(member.class_path) for member in members)


def is_users(class_path: str) -> bool:
    """Whether a policy's class, by its path or shorthand, belongs to neither DAF nor the engine."""
    return full_class_path(class_path).partition(".")[0] not in _TRUSTED


def play_isolated(play: PlayNumbers, numbers: Sequence[int], *, seed: int, num_agents: int) -> Iterator[Numbered]:
    """As `play(numbers)`, with an episode without a result in place of each that ends its process.

    After such an end, the rest of a batch's numbers are played one by one, since networks play them at the same time.
    """
    remaining = list(numbers)
    alone_until = 0
    while remaining:
        first = remaining[0]
        group = [first] if first < alone_until else list(remaining)
        try:
            for number, episode in messages_of(partial(_play_and_send, play, group)):
                remaining.remove(number)
                yield number, episode
        except WorkRaisedError:
            yield from play(remaining)  # raises it here, with its traceback
            return
        except ProcessEndedError as ended:
            if len(group) > 1 and remaining:
                alone_until = (remaining[0] // EPISODES_PER_BATCH + 1) * EPISODES_PER_BATCH
            elif remaining and remaining[0] == first:
                del remaining[0]
                yield first, failed(ended.report.at(step=ended.report.step, env_seed=seed + first), num_agents)


def _play_and_send(play: PlayNumbers, numbers: Sequence[int], send: Callable[[Numbered], None]) -> None:
    for numbered in play(numbers):
        send(numbered)
