"""A package that plays: its code lives in a confined process, `isolated_run`; the engine's side is played here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from daf.config import EvaluationConfig
from daf.errors import BadInputError, shorten
from daf.packaging.sandbox import Guest, GuestError, Limits, private_folder
from daf.system import pickles
from daf.system.validated import validated

if TYPE_CHECKING:
    import numpy as np

    from daf.engine.episode import PlayedEpisode
    from daf.engine.simulation import SimulationFactory

PICKLES = Path(pickles.__file__)
DEFAULT_ACTION_TIME_MS = EvaluationConfig().max_action_time_ms


class Protection(TypedDict):
    """What the process says of its confinement before it knows the package."""

    separated: bool
    reason: str
    refused: list[str]


class _Files(TypedDict):
    """What it says of the package's files before any of the package's code runs."""

    files: str


class Ready(TypedDict):
    """What it says when the policy is built; the package's code may have written it."""

    together: bool
    minimum_action_timeout_ms: int


class Answer(TypedDict):
    """What it says of observations: an action per agent, and its probabilities if asked to listen to the network."""

    actions: list[list[str | None]]
    probabilities: NotRequired[list[list[float]]]


class PackagePlayer:
    """The process of one package.

    Attributes:
        protection: its confinement; None until `start`.
        files: what is wrong with its files, in which case nothing of it may run; None until `start`.
    """

    def __init__(self, guest: Guest, limits: Limits) -> None:
        self._guest, self._limits = guest, limits
        self.protection: Protection | None = None
        self.files: str | None = None

    def start(self) -> str:
        """What is wrong with the package's files; raises GuestError if the process fails before it has read them."""
        with _damage_noticed():
            self.protection = validated(Protection, self._guest.receive(), "confinement")
            self.files = validated(_Files, self._guest.receive(), "files")["files"]
        return self.files

    def build(
        self, interface: dict[str, Any], seed: int, *, max_action_time_ms: int = DEFAULT_ACTION_TIME_MS,
        listen: bool = False,
    ) -> Ready:  # fmt: skip
        """Rebuild the policy for a mission's interface.

        Args:
            listen: answers will contain the probabilities that the policy's network gives.

        Raises:
            GuestError: that fails.
        """
        order = {"interface": interface, "seed": seed, "max_action_time_ms": max_action_time_ms, "listen": listen}
        with _damage_noticed():
            self._guest.send(json.dumps({"build": order}).encode())
            return validated(Ready, self._guest.receive(), "policy")

    def ask(self, ready: Ready, observations: np.ndarray) -> Answer:
        """What all agents choose when they see this: uint8 [agents, tokens, 3].

        Raises:
            GuestError: the policy fails.
        """
        agents = len(observations)
        question = {"agents": [*range(agents)], "together": ready["together"], "talk": [[] for _ in range(agents)]}
        with _damage_noticed():
            self._guest.send(json.dumps(question).encode(), observations.tobytes())
            return validated(Answer, self._guest.receive(), "answer")

    def play(
        self, factory: SimulationFactory, seed: int, max_action_time_ms: int = DEFAULT_ACTION_TIME_MS
    ) -> PlayedEpisode:
        """One episode of the rebuilt policy.

        Raises:
            GuestError: the policy fails, or chooses something else than an action of the mission.
        """
        from daf.engine.guest import BadAnswerError, GuestPolicy, play_guest
        from daf.engine.rollout import PolicyStalledError

        def ask(question: bytes, observations: bytes) -> Any:
            self._guest.send(question, observations)
            return self._guest.receive().get("actions")

        interface = factory.interface.model_dump(mode="json")
        ready = self.build(interface, seed, max_action_time_ms=max_action_time_ms)
        minimum_ms = min(max(ready["minimum_action_timeout_ms"], 0), int(1000 * self._limits.wall_seconds))
        policy = GuestPolicy(factory.interface, ask, together=ready["together"], minimum_action_timeout_ms=minimum_ms)
        try:
            return play_guest(policy, factory, seed, max_action_time_ms)
        except (ValueError, BadAnswerError, PolicyStalledError) as error:  # an answer that the mission does not have
            raise GuestError(shorten(str(error))) from None


@contextmanager
def package_player(package: Path, limits: Limits) -> Iterator[PackagePlayer]:
    """The process of a package, until the end of the block."""
    request = {"package": str(package.resolve()), "pickles": str(PICKLES)}
    with private_folder() as folder, Guest(request, folder, limits) as guest:
        yield PackagePlayer(guest, limits)


@contextmanager
def _damage_noticed() -> Iterator[None]:
    """A message of another form is the package's fault."""
    try:
        yield
    except BadInputError as error:
        raise GuestError(f"a damaged message ({error.found})") from None
