"""The training state in one process: environments, network, optimizer, counters; also as plain data."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch

from daf.config import PolicyConfig
from daf.config.partners import HistoryRecipe
from daf.config.recipes import TrainingRecipe
from daf.distributed.process_group import Group
from daf.engine.missions import Mission
from daf.engine.model_files import StartedFrom
from daf.engine.networks import PolicyNetwork
from daf.engine.partners import Partners
from daf.engine.policies import resolve_policy
from daf.engine.random_state import capture_random_state, restore_random_state
from daf.engine.simulation import SimulationFactory
from daf.engine.stepping import FinishedEpisode
from daf.engine.teacher import Teacher
from daf.engine.user_code import state_kept
from daf.engine.vector import STALL_SECONDS, VectorEnvironment
from daf.system.failure_report import FailureReport
from daf.training.curriculum import curriculum_of, mission_mix, target_of
from daf.training.evaluator import Evaluator
from daf.training.frozen_policies import NO_WEIGHTS, FrozenWeights, resolve_frozen, resolve_partners
from daf.training.history import Snapshot, is_due
from daf.training.learner import Learner
from daf.training.partnering import SeatDraw, require_seats
from daf.training.ppo import scheduled_learning_rate
from daf.training.rollout import Collector, Rollout, Stopwatch, agents_per_block
from daf.training.start import Start, require_start
from daf.training.teaching import Imitation, imitation_of
from daf.training.trainable import build_trainable, environments_per_process, load_start


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Weights that may be published, and the held-out objective that selected them (None: the final weights)."""

    agent_steps: int
    objective: float | None
    weights: dict[str, torch.Tensor]


class Trainer:
    """One training process. All randomness comes from the recipe's seed and this process's rank.

    Attributes:
        curriculum: of several missions; None: there is one.
        evaluations: the held-out evaluations so far, oldest first.
        best: the candidate that the evaluations chose; None before the first of them.
        started_from: the trained weights that it started from; None if they were random.
        snapshots: the earlier checkpoints that are partners, oldest first.

    Args:
        on_failure: called with the report of every held-out episode that fails in this process.
        warn: called with what slows this training down.
        env_workers: processes that step the environments; `close` ends them. 0: this process does.
        stall_seconds: how long one of them may take for a step.
        frozen_weights: of the recipe's teacher and partners.

    Raises:
        BadInputError: environments that cannot be shared equally, or a mission that does not support the evaluations
            or the partners.
        WorkerFailedError: a worker failed, here or in a later call.
    """

    def __init__(
        self,
        recipe: TrainingRecipe,
        group: Group,
        device: torch.device,
        on_failure: Callable[[FailureReport], None] = lambda report: None,
        warn: Callable[[str], None] = lambda text: None,
        *,
        env_workers: int = 0,
        stall_seconds: float = STALL_SECONDS,
        frozen_weights: FrozenWeights = NO_WEIGHTS,
    ) -> None:
        self.recipe, self.group, self.device = recipe, group, device
        share = environments_per_process(recipe.hyperparameters.num_envs, group.world_size)
        self.curriculum = curriculum_of(recipe)
        mix = mission_mix(recipe, self.curriculum)
        mission = target_of(recipe, mix)
        self.environment = VectorEnvironment(
            mix,
            num_envs=share,
            seed=recipe.seed,
            first_env=group.rank * share,
            workers=env_workers,
            agents_per_block=agents_per_block(share * mission.num_agents, device),
            stall_seconds=stall_seconds,
        )
        with ExitStack() as unfinished:
            unfinished.callback(self.environment.close)
            self._prepare(mission, on_failure, warn)
            if recipe.teacher is not None:
                teacher = resolve_frozen(recipe.teacher, frozen_weights.teacher, "teacher")
                environment = self.environment
                self._collector.teacher = Teacher(
                    teacher, environment.factory, environment.running_seed, environment.running_factory
                )
            self._seat_partners(mission, frozen_weights)
            unfinished.pop_all()

    def _seat_partners(self, mission: Mission, weights: FrozenWeights) -> None:
        """The partners of the recipe, in training and in the evaluations."""
        recipe = self.recipe
        if recipe.partners is None:
            return
        require_seats(recipe.partners, mission.num_agents, mission.name)
        pool, validation = resolve_partners(recipe.partners, weights.partners)
        if self.evaluator is not None:
            for evaluator in (self.evaluator, *self._others.values()):
                evaluator.validation = validation
        if recipe.partners.in_training:
            draw = SeatDraw(partners=recipe.partners, seed=recipe.seed, num_agents=mission.num_agents)
            self._collector.partners = Partners(pool, self.environment, draw.seats, self._built_again, self.device)

    def _built_again(self) -> tuple[Any, PolicyNetwork]:
        """The policy with random weights, for an earlier checkpoint."""
        recipe, interface = self.recipe, self.environment.factory.interface
        return build_trainable(self.policy, interface, device=self.device.type, precision=recipe.precision)

    def _prepare(
        self, mission: Mission, on_failure: Callable[[FailureReport], None], warn: Callable[[str], None]
    ) -> None:
        """Make everything but the environments."""
        recipe, group, device, hyperparameters = self.recipe, self.group, self.device, self.recipe.hyperparameters
        torch.manual_seed(recipe.seed)  # the same initial weights in every process
        policy = resolve_policy(PolicyConfig(class_path=recipe.policy_class_path, init_kwargs=recipe.init_kwargs))
        self.policy = policy
        factory = self.environment.factory
        self._built, self.network = build_trainable(
            policy,
            factory.interface,
            device=device.type,
            precision=recipe.precision,
            compiled=recipe.compile_network,
        )
        self.network.module.to(device).train()
        own_seed = recipe.seed * 1_000_003 + group.rank
        torch.manual_seed(own_seed)  # the network's random draws must differ between processes
        self.stopwatch = Stopwatch()
        self._collector = Collector(
            self.environment,
            self.network,
            hyperparameters,
            seed=own_seed,
            device=device,
            stopwatch=self.stopwatch,
            alive=group.alive,
            warn=warn,
        )
        self._learner = Learner(self.network, hyperparameters, group, seed=own_seed + 500_000, device=device)
        self.parameters = self._learner.parameters
        self.evaluator: Evaluator | None = None
        self._others: dict[str, Evaluator] = {}  # of the missions that are not the target
        if recipe.held_out is not None:
            evaluators = {
                one.name: Evaluator(recipe.held_out, one, its_factory, self._built, policy, group, device, on_failure)
                for one, its_factory in self._evaluated(mission)
            }
            self.evaluator, self._others = evaluators.pop(mission.name), evaluators
        self.started_from: StartedFrom | None = None
        self.snapshots: list[Snapshot] = []
        self.evaluations: list[dict[str, Any]] = []
        self.best: Candidate | None = None
        self.update = 0
        self.agent_steps = 0
        self.seconds = 0.0
        self.steps_per_update = self.environment.num_agents * group.world_size * hyperparameters.horizon
        self.num_updates = math.ceil(recipe.num_steps / self.steps_per_update)

    def _evaluated(self, target: Mission) -> list[tuple[Mission, SimulationFactory]]:
        """The missions of held-out evaluations."""
        played = list(zip(self.environment.missions, self.environment.factories, strict=True))
        if target.name in [mission.name for mission, _ in played]:
            return played
        return [(target, SimulationFactory(target.env_config)), *played]

    def begin(self, start: Start | None) -> None:
        """Before the first update: replace the random weights, if the recipe starts from trained ones.

        Raises:
            PolicyError, CheckpointError, BadInputError: see `daf.training.trainable.load_start`.
        """
        require_start(self.recipe, start)
        if self.recipe.start_from is not None and start is not None:
            load_start(self._built, self.policy, self.environment.factory.interface, start)
            self.started_from = start.lineage
        if self._history is not None:
            self._take_snapshot()

    @property
    def _history(self) -> HistoryRecipe | None:
        return None if self.recipe.partners is None else self.recipe.partners.history

    def _take_snapshot(self) -> None:
        self._add_snapshots([Snapshot.of(self.agent_steps, self._weights())])

    def _add_snapshots(self, snapshots: Sequence[Snapshot]) -> None:
        self.snapshots += snapshots
        for snapshot in snapshots:
            assert self._collector.partners is not None
            self._collector.partners.add_earlier(snapshot.weights)

    def advance(self) -> None:
        """Count an update; its weights may become a partner of those that follow."""
        before = self.agent_steps
        self.update += 1
        self.agent_steps += self.steps_per_update
        if self.update < self.num_updates and is_due(self._history, before, self.agent_steps):
            self._take_snapshot()

    def close(self) -> None:
        """End the environment workers."""
        self.environment.close()

    def collect(self) -> tuple[Rollout | None, list[FinishedEpisode]]:
        """Play one rollout; None if the logits of an action were not finite."""
        if self.curriculum is not None:
            self.curriculum.weights = self.curriculum.weights_at(self.agent_steps)
            self.environment.set_weights(self.curriculum.weights)
        return self._collector.collect(self._imitation())

    def learn(self, rollout: Rollout) -> dict[str, float | None] | None:
        """Update the network on a rollout; None if a loss, a gradient or a weight was not finite."""
        learning_rate = scheduled_learning_rate(self.recipe.hyperparameters, self.update, self.num_updates)
        with self.stopwatch.measure("learning"):
            figures = self._learner.learn(rollout, learning_rate, self._imitation())
        return None if figures is None else {"learning_rate": learning_rate, **figures}

    def _imitation(self) -> Imitation | None:
        """How the next update imitates the teacher."""
        return imitation_of(self.recipe.teacher, self.agent_steps)

    @state_kept()
    def can_act(self) -> bool:
        """Whether actions can be chosen: weights may be finite but too large."""
        finite = self._learner.finite_weights() and bool(torch.isfinite(self._collector.next_logits()).all())
        return not self.group.any(not finite, self.device)

    def evaluate_if_due(self) -> float | None:
        """After an update: the held-out objective, if an evaluation is due; it also updates `best`."""
        if self.evaluator is None or not self.evaluator.is_due(self.update, self.num_updates) or not self.can_act():
            return None
        return self._evaluate(self.evaluator)

    def _evaluate(self, evaluator: Evaluator) -> float | None:
        result = evaluator.evaluate()
        if self._others:
            by_mission = {self.recipe.mission.name: result} | {
                name: other.evaluate() for name, other in self._others.items()
            }
            result = {**result, "missions": by_mission}
        self.evaluations.append({"update": self.update, "agent_steps": self.agent_steps, **result})
        objective: float | None = result["objective"]
        if self.best is None or evaluator.is_better(objective, self.best.objective):
            self.best = Candidate(agent_steps=self.agent_steps, objective=objective, weights=self._weights())
        return objective

    def held_out_by_mission(self) -> dict[str, dict[str, float | None]]:
        """For the metrics of an update of several missions: their objectives in the evaluation after it, if any."""
        if self.curriculum is None or self.evaluator is None:
            return {}
        names = [self.recipe.mission.name, *self._others]
        last = self.evaluations[-1] if self.evaluations else None
        found = last["missions"] if last is not None and last["update"] == self.update else {}
        return {"mission_held_out": {name: found.get(name, {}).get("objective") for name in names}}

    @state_kept()
    def evaluate_again(self) -> None:
        """Repeat the last evaluation, if every episode of all evaluations failed."""
        if self.evaluator is not None and self.failed_evaluation is not None:
            self._evaluate(self.evaluator)

    @property
    def failed_evaluation(self) -> dict[str, Any] | None:
        """The first evaluation, if every episode of all evaluations failed."""
        failed = self.evaluations and not any(evaluation["episodes"] for evaluation in self.evaluations)
        return self.evaluations[0] if failed else None

    def candidate(self) -> Candidate:
        """What to publish: the best evaluated weights or, without evaluations, the final ones."""
        return self.best or self.current()

    def current(self) -> Candidate:
        """The weights as they are now."""
        return Candidate(agent_steps=self.agent_steps, objective=None, weights=self._weights())

    def _weights(self) -> dict[str, torch.Tensor]:
        return {name: value.detach().cpu().clone() for name, value in self.network.module.state_dict().items()}

    def state(self) -> dict[str, Any]:
        """Everything, from all processes, that the next update and the published model depend on."""
        environments = self.environment.state()
        mine = {
            **environments,
            "actions": [
                torch.frombuffer(bytearray(log), dtype=torch.uint8) if log else None for log in environments["actions"]
            ],
            "sampling": self._collector.sampling.get_state(),
            "shuffling": self._learner.shuffling.get_state(),
            "random": capture_random_state(),
            "carried": _moved(self._collector.state, torch.device("cpu")),
            "starting": torch.from_numpy(self._collector.starting.copy()),
        }
        if self._collector.partners is not None:
            mine["partners"] = self._collector.partners.state()
        return {
            "recipe": self.recipe.digest,
            "update": self.update,
            "agent_steps": self.agent_steps,
            "seconds": self.seconds,
            "network": self.network.module.state_dict(),
            "optimizer": self._learner.optimizer.state_dict(),
            "evaluations": self.evaluations,
            "best": None if self.best is None else vars(self.best),
            "processes": self.group.gather(mine),
            **({"started_from": self.started_from.model_dump()} if self.started_from else {}),
            **({"curriculum": self.curriculum.state()} if self.curriculum else {}),
            **({"snapshots": [snapshot.record() for snapshot in self.snapshots]} if self.snapshots else {}),
        }

    def restore(self, state: dict[str, Any], snapshots: Sequence[Snapshot] = ()) -> None:
        """Continue exactly where `state` was taken, in a group of the same size.

        Args:
            snapshots: those that it names.
        """
        self.update, self.agent_steps, self.seconds = state["update"], state["agent_steps"], state["seconds"]
        self.network.module.load_state_dict(state["network"])
        self._learner.optimizer.load_state_dict(state["optimizer"])
        self.started_from = StartedFrom(**state["started_from"]) if "started_from" in state else None
        self.evaluations = state["evaluations"]
        self.best = None if state["best"] is None else Candidate(**state["best"])
        mine = state["processes"][self.group.rank]
        logs = [b"" if log is None else log.numpy().tobytes() for log in mine["actions"]]
        self.environment.restore({**mine, "actions": logs})
        if self.curriculum is not None:
            self.curriculum.restore(state["curriculum"])
        self._collector.sampling.set_state(mine["sampling"])
        self._learner.shuffling.set_state(mine["shuffling"])
        self._collector.state = _moved(mine["carried"], self.device)
        self._collector.starting = mine["starting"].numpy().copy()
        self._add_snapshots(snapshots)
        if self._collector.partners is not None:
            self._collector.partners.restore(mine["partners"], logs)
        if self._collector.teacher is not None and self._imitation() is not None:
            with torch.no_grad():
                for env, log in enumerate(logs):
                    self._collector.teacher.replay(env, log)
        restore_random_state(mine["random"])


def _moved(state: tuple[torch.Tensor, torch.Tensor] | None, device: torch.device) -> Any:
    return None if state is None else (state[0].to(device), state[1].to(device))
