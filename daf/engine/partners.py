"""Frozen policies that play some of the seats in training environments.

Who plays a seat is drawn when its episode begins. Networks that DAF knows act for all their seats of a block at once.
Other policies have instances for each episode, with random generators seeded from the episode's seed, as in evaluation;
playing an episode's actions again restores their state. A class that keeps state outside of its instances cannot be
restored so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from daf.engine.action_log import require_loggable, seen_in_steps
from daf.engine.networks import PolicyNetwork, State
from daf.engine.observations import TokenTable
from daf.engine.play import plays_from_logits
from daf.engine.policies import ResolvedPolicy, build_policy
from daf.engine.random_state import GlobalGenerators, random_state_kept
from daf.engine.rollout import AgentTurns, seed_everything
from daf.engine.simulation import AgentBuffers, SimulationFactory
from daf.engine.vector import VectorEnvironment

_UNLIMITED_MS = 10**9  # how fast the machine is must not decide what a partner does

Weights = Mapping[str, Tensor]
Seats = Callable[[int, int, int], Sequence[int]]


def require_playable(policy: Any, label: str, factory: SimulationFactory, mission: str) -> None:
    """Refuse a partner whose actions on a mission cannot be kept to be replayed.

    Args:
        policy: as it was built for the mission.

    Raises:
        BadInputError: see `require_loggable`.
    """
    if _network_of(policy, label) is None:
        require_loggable(factory, mission)


def _network_of(policy: Any, label: str) -> PolicyNetwork | None:
    """The network that plays all seats of a policy at once, if that is how it plays."""
    network = PolicyNetwork(policy, label) if plays_from_logits(policy) else None
    return network if network is not None and network.remembers_nothing else None


class Partners:
    """Plays along in the environments of one process.

    Attributes:
        learns: bool [agents], which seats are the network's that is trained; valid after `take_seats`.

    Args:
        pool: partners 0, 1, …; earlier checkpoints of the network follow them.
        seats: environment (over all processes), episode and number of earlier checkpoints → partner in every seat,
            negative: the network that is trained.
        earlier: another instance of the policy of that network, and its network.

    Raises:
        PolicyError, CheckpointError: a policy cannot be built for the mission.
    """

    def __init__(
        self,
        pool: Sequence[ResolvedPolicy],
        environment: VectorEnvironment,
        seats: Seats,
        earlier: Callable[[], tuple[Any, PolicyNetwork]],
        device: torch.device,
    ) -> None:
        self._pool, self._environment, self._factory = pool, environment, environment.factory
        self._draw, self._earlier, self._device = seats, earlier, device
        self._tokens = TokenTable(self._factory.env_config)
        shape = environment.num_envs, environment.agents_per_env
        self._seats, self._seated = np.zeros(shape, dtype=np.int64), np.zeros(environment.num_envs, dtype=np.bool_)
        self.learns = np.ones(environment.num_agents, dtype=np.bool_)
        self._snapshots: list[Weights] = []
        self._networks: dict[int, _NetworkSeats] = {}
        self._turns: dict[int, _Turns] = {}  # of environments in which others than networks have a seat
        with random_state_kept():
            for number, policy in enumerate(pool):
                seed_everything(0)  # a network without weights must be the same untrained one everywhere
                built = build_policy(policy, self._factory.interface, device=device.type)
                if (network := _network_of(built, policy.label)) is not None:
                    self._networks[number] = self._seats_of(built, network)
        self._scripted = [number for number in range(len(pool)) if number not in self._networks]
        if self._scripted:
            require_loggable(self._factory, environment.mission.name)
            environment.logs_vibes = True

    def add_earlier(self, weights: Weights) -> None:
        """One more earlier checkpoint may be drawn, from the next episode that begins."""
        self._snapshots.append(weights)

    def take_seats(self, environments: range) -> None:
        """Draw who plays, where an episode begins."""
        if self._seated[environments.start : environments.stop].all():
            return
        for env in environments:
            if not self._seated[env]:
                number, episode = self._environment.first_env + env, self._environment.running_episode(env)
                self._seat(env, self._draw(number, episode, len(self._snapshots)))

    def _seat(self, env: int, seats: Sequence[int]) -> None:
        rows = self._environment.rows(range(env, env + 1))
        self._seats[env], self._seated[env] = seats, True
        self.learns[rows] = self._seats[env] < 0
        scripted = {agent: int(partner) for agent, partner in enumerate(seats) if partner in self._scripted}
        if scripted:
            seed = self._environment.running_seed(env)
            with random_state_kept():
                factory = self._environment.running_factory(env)
                self._turns[env] = _Turns(self._pool, scripted, factory, self._tokens, seed)

    @torch.no_grad()
    def act(self, environments: range, noise: Tensor) -> None:
        """Replace the actions of the partners' seats, in the environments' buffers.

        Args:
            noise: [agents, actions], of the Gumbel distribution: the largest logit after adding it is a sample.
        """
        buffers, first = self._environment.buffers, self._environment.rows(environments).start
        seats = self._seats[environments.start : environments.stop].ravel()
        for partner in np.unique(seats[seats >= 0]).tolist():
            if partner not in self._scripted:
                own = np.flatnonzero(seats == partner)
                drawn = noise[torch.from_numpy(own).to(noise.device)]
                buffers.actions[first + own] = self._network(partner).act(buffers.observations, first + own, drawn)
        if self._turns.keys().isdisjoint(environments):
            return
        with random_state_kept():
            for env in environments:
                if env in self._turns:
                    rows = self._environment.rows(range(env, env + 1))
                    self._turns[env].act(buffers.rows(rows.start, rows.stop))

    def end_episode(self, environment: int) -> None:
        """The episode has ended: the next step is the first of another."""
        rows = self._environment.rows(range(environment, environment + 1))
        self._seated[environment] = False
        self._turns.pop(environment, None)
        self._environment.buffers.vibe_actions[rows] = 0
        for network in self._networks.values():
            network.clear(rows)

    def forget_unused(self) -> None:
        """Give up the networks of earlier checkpoints that have no seat now; they are built again when drawn."""
        seated = set(self._seats[self._seated].ravel().tolist())
        for partner in [partner for partner in self._networks if partner >= len(self._pool)]:
            if partner not in seated:
                del self._networks[partner]

    def _network(self, partner: int) -> _NetworkSeats:
        if partner not in self._networks:
            with random_state_kept():
                built, network = self._earlier()
            network.module.load_state_dict(self._snapshots[partner - len(self._pool)])
            network.module.to(self._device)
            self._networks[partner] = self._seats_of(built, network)
        return self._networks[partner]

    def _seats_of(self, built: Any, network: PolicyNetwork) -> _NetworkSeats:
        network.module.to(self._device).eval()
        agents = self._environment.num_agents
        return _NetworkSeats(
            network=network,
            greedy=bool(getattr(built, "greedy", False)),
            state=network.initial_state(agents, self._device),
            agents=torch.arange(agents, device=self._device).remainder(self._factory.num_agents).to(torch.uint8),
            device=self._device,
        )

    # ---- state ------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Who plays in the running episodes, and what recurrent networks carry, as plain data."""
        carried = {number: network.state for number, network in self._networks.items() if network.state is not None}
        return {
            "seats": torch.from_numpy(self._seats.copy()),
            "seated": torch.from_numpy(self._seated.copy()),
            "carried": {number: tuple(part.cpu().clone() for part in state) for number, state in carried.items()},
        }

    @torch.no_grad()
    def restore(self, state: dict[str, Any], logs: Sequence[bytes]) -> None:
        """Continue where `state` was taken, once the environments do, and all earlier checkpoints are added.

        Args:
            logs: the actions so far in the running episodes.
        """
        for env in np.flatnonzero(state["seated"].numpy()).tolist():
            self._seat(env, state["seats"][env].tolist())
            if env in self._turns:
                seed, factory = self._environment.running_seed(env), self._environment.running_factory(env)
                with random_state_kept():
                    for observations in seen_in_steps(factory, seed, logs[env]):
                        self._turns[env].choose(observations)
        for partner, (hidden, cell) in state["carried"].items():
            self._network(partner).state = hidden.to(self._device), cell.to(self._device)


@dataclass(kw_only=True)
class _NetworkSeats:
    """A network, and what it carries for the agents of all environments, whether it plays them or not.

    Attributes:
        agents: index in its mission of each agent, uint8 [agents].
    """

    network: PolicyNetwork
    greedy: bool
    state: State | None
    agents: Tensor
    device: torch.device

    def act(self, observations: np.ndarray, rows: np.ndarray, noise: Tensor) -> np.ndarray:
        """The actions of some rows, int64 [rows]."""
        live, chosen = observations[rows], torch.from_numpy(rows).to(self.device)
        shown = torch.from_numpy(live[:, : self.network.shown_tokens(live)].copy()).to(self.device)
        carried = None if self.state is None else (self.state[0][chosen], self.state[1][chosen])
        logits, _, after = self.network.step(self.network.prepare(shown, self.agents[chosen]), carried)
        if self.state is not None and after is not None:
            self.state[0][chosen], self.state[1][chosen] = after
        numbers: np.ndarray = (logits.float() if self.greedy else logits.float() + noise).argmax(dim=1).cpu().numpy()
        return numbers

    def clear(self, rows: slice) -> None:
        if self.state is not None:
            self.state[0][rows], self.state[1][rows] = 0, 0


@dataclass
class _Clock:
    """What partners may know of the simulation, which can be in another process."""

    current_step: int = 0


class _Turns:
    """The seats of one episode that others than networks play; the generators are this episode's own."""

    def __init__(
        self,
        pool: Sequence[ResolvedPolicy],
        seats: Mapping[int, int],
        factory: SimulationFactory,
        tokens: TokenTable,
        seed: int,
    ) -> None:
        seed_everything(seed)
        numbers = list(dict.fromkeys(seats.values()))
        policies = [build_policy(pool[number], factory.interface) for number in numbers]
        assignments = {agent: numbers.index(partner) for agent, partner in seats.items()}
        self._agents, self._clock = list(seats), _Clock()
        self._buffers = AgentBuffers.zeros(factory.num_agents, factory.observation_shape)
        self._turns = AgentTurns(policies, assignments, factory, tokens, _UNLIMITED_MS, talks=False)
        self._turns.begin(self._clock, self._buffers)
        self._generators = GlobalGenerators()

    def choose(self, observations: np.ndarray) -> AgentBuffers:
        """The next actions of its seats, in the buffers that are returned."""
        self._buffers.observations[:] = observations
        with self._generators.installed():
            self._turns.act()
        self._clock.current_step += 1
        return self._buffers

    def act(self, buffers: AgentBuffers) -> None:
        """Put the next actions of its seats into the episode's buffers."""
        chosen = self.choose(buffers.observations)
        buffers.actions[self._agents] = chosen.actions[self._agents]
        buffers.vibe_actions[self._agents] = chosen.vibe_actions[self._agents]
