"""How each kind of policy plays its episodes.

- Networks that DAF knows (`grid`, `lstm`, `stateless`, any `NetworkPolicy`) play many episodes in lock step
  (`daf.engine.batches`).
- All other policies play one episode at a time (`daf.engine.rollout`), through `step_batch` if they have it, else one
  agent after another. They are rebuilt for every episode, as in the engine's own evaluation, so that their state cannot
  depend on the order of episodes; before that, the random generators of python, numpy and torch are seeded from the
  episode seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mettagrid.policy.policy import MultiAgentPolicy

from daf.engine.episode import PlayedEpisode, failed
from daf.engine.observations import TokenTable
from daf.engine.random_state import imported_torch
from daf.engine.rollout import StepFailedError, play_agents, play_step_batch, seed_everything
from daf.engine.simulation import SimulationFactory
from daf.engine.user_code import state_kept
from daf.system.failure_report import FailureReport
from daf.system.forked_work import note_step

# Beside NetworkPolicy: policies whose networks DAF steps itself.
NETWORK_POLICIES = (
    "daf.engine.grid_policy.GridPolicy",
    "mettagrid.policy.lstm.LSTMPolicy",
    "mettagrid.policy.stateless.StatelessPolicy",
)


def play_episodes(
    make: Callable[[], MultiAgentPolicy],
    label: str,
    factory: SimulationFactory,
    numbers: Sequence[int],
    seed: int,
    *,
    device: str,
    max_action_time_ms: int,
) -> Iterator[tuple[int, PlayedEpisode]]:
    """Episodes `numbers` as they finish, with their numbers; episode e has environment seed `seed + e`.

    Args:
        make: returns the policy with its weights. It is called once for a network that DAF knows (which stays in
            evaluation mode), and once per episode for any other policy.

    Raises:
        PolicyError, CheckpointError: as `make`, the first time it is called.
    """
    use_one_thread()
    seed_everything(0)  # a network without weights must be the same untrained one everywhere
    policy = make()
    if plays_from_logits(policy):
        from daf.engine.batches import play_in_batches  # imports torch
        from daf.engine.networks import PolicyNetwork

        yield from play_in_batches(PolicyNetwork(policy, label), policy, factory, numbers, seed, device)
        return
    if type(policy).step_batch is not MultiAgentPolicy.step_batch:
        yield from one_by_one(
            lambda episode_seed: play_step_batch(make(), factory, episode_seed, max_action_time_ms),
            factory,
            numbers,
            seed,
        )
        return
    tokens, alone = TokenTable(factory.env_config), [0] * factory.num_agents

    def play(episode_seed: int) -> PlayedEpisode:
        return play_agents([make()], alone, factory, tokens, episode_seed, max_action_time_ms)

    yield from one_by_one(play, factory, numbers, seed)


def use_one_thread() -> None:
    """With small batches, torch's threads within an operation are many times slower."""
    if torch := imported_torch():
        torch.set_num_threads(1)


def plays_from_logits(policy: MultiAgentPolicy) -> bool:
    """Whether the policy's actions are samples from its network's logits, and nothing else."""
    if not imported_torch():
        return False
    from daf.engine.network_policy import NetworkPolicy

    if not isinstance(policy, NetworkPolicy):
        return f"{type(policy).__module__}.{type(policy).__qualname__}" in NETWORK_POLICIES
    return all(
        getattr(type(policy), name) is getattr(NetworkPolicy, name)
        for name in ("network", "step_batch", "step_agents", "agent_policy", "reset", "reset_agent")
    )


def one_by_one(
    play: Callable[[int], PlayedEpisode], factory: SimulationFactory, numbers: Sequence[int], seed: int
) -> Iterator[tuple[int, PlayedEpisode]]:
    """Episodes in a row; one that fails is recorded, the others are kept."""
    for number in numbers:
        note_step()  # none yet
        seed_everything(seed + number)
        try:
            with state_kept():
                episode = play(seed + number)
        except StepFailedError as failure:
            report = FailureReport.of(failure.__cause__ or failure)
            report = report.at(step=failure.step, env_seed=seed + number, member=failure.member)
            episode = failed(report, factory.num_agents)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # while the policy was built or reset
            report = FailureReport.of(error).at(step=None, env_seed=seed + number)
            episode = failed(report, factory.num_agents)
        yield number, episode
