"""A dress rehearsal: everything that a user's policy must be able to do later, tried once before the first job.

It builds the policy, acts through every interface that the class has, and, if the policy is to be trained, tries what
training and packaging will do with its network (`daf.engine.network_rehearsal`). All faults are reported, not only the
first. User code runs in a separate process.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from mettagrid.policy.policy import MultiAgentPolicy

from daf.config import PolicyConfig
from daf.config.recipes import policy_code
from daf.engine.forked import CallEndedError, Note, call_forked
from daf.engine.missions import check_buildable, resolve_mission
from daf.engine.network_policy import BatchPolicy
from daf.engine.network_rehearsal import rehearse_network, rehearse_saving
from daf.engine.observations import LazyObservation, TokenTable
from daf.engine.policies import PerAgentPolicy, ResolvedPolicy, build_policy, resolve_policy
from daf.engine.policy_classes import acts_for_one_agent, acts_on_batches, load_policy_class
from daf.engine.rehearsal_report import ENDS, RehearsalReport
from daf.engine.rollout import seed_everything
from daf.engine.simulation import AgentBuffers, SimulationFactory
from daf.engine.user_code import state_kept
from daf.errors import DafError, PolicyError
from daf.system.checks import CheckResult
from daf.system.failure_report import is_user_file
from daf.system.loaded_files import escaping, files_noted, in_words

MOST_SECONDS = 120.0  # for one policy; usually it takes less than one
STEPS = 2
USE_BASE = "extend BatchPolicy or NetworkPolicy (daf.policies), which have it"


@dataclass(frozen=True, kw_only=True)
class Role:
    """What a policy will have to do.

    Attributes:
        trains: it will be trained; None: if it has a network.
        deploys: it will be packaged, and played by CoGames.
        joins_team: it will play some agents of a mission, next to other policies.
    """

    trains: bool | None = False
    deploys: bool = False
    joins_team: bool = False


@dataclass(frozen=True, kw_only=True)
class Rehearsed:
    """The outcome of a rehearsal.

    Attributes:
        findings: everything that is wrong; what only warnings say can still be trained and evaluated.
        policy: with its class known; None if there is no such class.
        trained: whether it has a network, which was trained, saved and loaded.
    """

    findings: list[CheckResult]
    policy: ResolvedPolicy | None = None
    trained: bool = False

    @property
    def passed(self) -> bool:
        return all(finding.status != "error" for finding in self.findings)


def check_policy(policy: Any, mission: Any, *, trainable: bool | None = None) -> Rehearsed:
    """See `daf.policies.daf_check_policy`."""
    factory = check_buildable(resolve_mission(mission))
    return rehearse(policy, [factory], Role(trains=trainable))


def resolve_apart(policy: PolicyConfig) -> ResolvedPolicy:
    """`resolve_policy` in a separate process.

    Raises:
        PolicyError, CheckpointError: as `resolve_policy`, or because the class's module ends the process.
    """
    try:
        return call_forked(lambda note: resolve_policy(policy), MOST_SECONDS)
    except CallEndedError as error:
        raise PolicyError("a module that can be imported", error.how, f"policy '{_name(policy)}'", ENDS) from error


def rehearse(policy: Any, factories: Sequence[SimulationFactory], role: Role, label: str | None = None) -> Rehearsed:
    """Try everything that a policy will have to do.

    Args:
        policy: anything that `resolve_policy` takes.
        factories: of the missions that it will play. It acts on the first, and is built for the others.
        label: for messages.
    """
    try:
        return call_forked(partial(_rehearse_here, policy, label, factories, role), MOST_SECONDS)
    except CallEndedError as error:
        report = RehearsalReport(label or _name(policy))
        report.add("an answer", f"{error.how} while {error.noted or 'starting'}", hint=ENDS)
        return Rehearsed(findings=report.findings)


def _name(policy: Any) -> str:
    if isinstance(policy, ResolvedPolicy):
        return policy.label
    config = PolicyConfig.of(policy)
    return str(config.class_path or config.data_path)


def _rehearse_here(
    policy: Any, label: str | None, factories: Sequence[SimulationFactory], role: Role, note: Note
) -> Rehearsed:
    _forget_user_modules()
    report = RehearsalReport(label or _name(policy), note)
    path = list(sys.path)
    with files_noted() as used:
        resolved = _rehearse_all(policy, label, factories, role, report)
    if resolved is not None and report.faults == 0 and resolved.bundle is None:
        sys.path[:] = path  # stamps are made in processes that the user's code has not changed
        escaped = escaping(used, policy_code(resolved.class_path, resolved.init_kwargs))
        if escaped:
            expected, found, hint = in_words(escaped)
            report.add(expected, found, report.line_of(None), hint, is_error=False)
    return Rehearsed(findings=report.findings, policy=resolved, trained=report.network is not None)


def _rehearse_all(
    policy: Any, label: str | None, factories: Sequence[SimulationFactory], role: Role, report: RehearsalReport
) -> ResolvedPolicy | None:
    resolved, note = None, report.note
    try:
        note("importing it")
        resolved = resolve_policy(policy, label)
        if resolved.bundle is None:
            report.name_class(load_policy_class(resolved.class_path, resolved.label))
        built = None
        for factory in reversed(factories):
            note("building it")
            seed_everything(0)
            with state_kept():  # as in training and evaluations
                built = build_policy(resolved, factory.interface)
        if built is not None:
            report.name_class(_class_of(built))
            if _is_initialized(built, report):
                _rehearse_built(built, resolved, factories[0], role, report)
    except DafError as error:
        report.add_build_error(error)
    except BaseException as error:
        report.add_exception("a policy that can be tried out", error, "__init__")
    return resolved


def _is_initialized(built: MultiAgentPolicy, report: RehearsalReport) -> bool:
    """Whether the constructor of the base class ran; without it, nothing knows the environment."""
    agent = built.agent_policy(0) if isinstance(built, PerAgentPolicy) else built
    try:
        return agent.policy_env_info is not None
    except AttributeError as error:
        report.add_exception("a policy that knows its environment", error, "__init__")
        return False


def _rehearse_built(
    built: MultiAgentPolicy, resolved: ResolvedPolicy, factory: SimulationFactory, role: Role, report: RehearsalReport
) -> None:
    observations = _rehearse_acting(built, factory, report)
    trains = role.trains
    if trains is None:
        trains = report.attempt("network()", built.network) is not None
    if trains:
        again = partial(build_policy, resolved, factory.interface)
        rehearse_network(built, again, observations, report)
        rehearse_saving(built, again, observations, report, required=role.deploys)
    kind = _class_of(built)
    if acts_on_batches(kind) and not acts_for_one_agent(kind) and (role.deploys or role.joins_team or trains):
        needed = role.deploys or role.joins_team
        purpose = "CoGames plays packages" if role.deploys or not needed else "members of teams act"
        found = f"none: {purpose} through it"
        report.add("agent_policy(agent_id)", found, report.line_of(None), USE_BASE, is_error=needed)


def _class_of(policy: MultiAgentPolicy) -> Any:
    return policy._agent_class if isinstance(policy, PerAgentPolicy) else type(policy)


def _forget_user_modules() -> None:
    """Import the user's modules again: they may have changed since this process, a notebook say, imported them."""
    for name in [name for name, module in sys.modules.items() if name != "__main__" and _is_users(module)]:
        del sys.modules[name]


def _is_users(module: Any) -> bool:
    """Whether a module is in a user's Python file, or is a user's folder without one."""
    file = getattr(module, "__file__", None)
    places = [file] if file is not None else list(getattr(module, "__path__", []))
    return any(is_user_file(place) and (file is None or place.endswith(".py")) for place in places)


# ---- acting -----------------------------------------------------------------------------------------------------


def _rehearse_acting(policy: MultiAgentPolicy, factory: SimulationFactory, report: RehearsalReport) -> np.ndarray:
    """Act twice through every interface, and once more after a reset; returns the first observations."""
    buffers = AgentBuffers.zeros(factory.num_agents, factory.observation_shape)
    simulation = factory.build(0, buffers)
    first = buffers.observations.copy()
    kind, faults_before = _class_of(policy), report.faults
    if not (acts_on_batches(kind) or acts_for_one_agent(kind)):
        found = "neither of them: the class cannot act"
        report.add("step_batch or agent_policy", found, report.line_of(None), USE_BASE)
        return first
    if acts_on_batches(kind):
        act = partial(_act_on_batch, policy, buffers, len(factory.interface.all_action_names), report)
        _steps("step_batch", act, policy.reset, simulation, report)
    same_code = isinstance(policy, BatchPolicy) and kind.agent_policy is BatchPolicy.agent_policy
    if acts_for_one_agent(kind) and not (same_code and report.faults > faults_before):
        agent = report.attempt("agent_policy(0)", partial(policy.agent_policy, 0))
        if agent is None and not report.failed("agent_policy(0)"):
            report.add(
                "an AgentPolicy from agent_policy(0)",
                "None",
                report.line_of("agent_policy"),
                "return one, or " + USE_BASE,
            )
        if agent is not None:
            act = partial(_act_alone, agent, buffers, TokenTable(factory.env_config), factory, report)
            _steps("agent_policy(0).step", act, agent.reset, simulation, report, agent)
    return first


def _steps(
    what: str,
    act: Callable[[str], bool],
    reset: Callable[[], None],
    simulation: Any,
    report: RehearsalReport,
    owner: Any = None,
) -> None:
    for steps in (STEPS, 1):
        resetting = f"reset before {what}"
        report.attempt(resetting, reset, owner=owner)
        if report.failed(resetting):
            return
        for _ in range(steps):
            if not act(what):
                return
            simulation.step()


def _act_on_batch(
    policy: MultiAgentPolicy, buffers: AgentBuffers, num_actions: int, report: RehearsalReport, what: str
) -> bool:
    chosen = np.zeros(len(buffers.actions), dtype=np.int32)
    act: Any = policy.step_batch  # whose return value must be None, but may not be
    returned = report.attempt(what, lambda: act(buffers.observations.copy(), chosen))
    if report.failed(what):
        return False
    if returned is not None and not chosen.any():
        found = f"a returned {type(returned).__name__}, and all actions 0"
        report.add("actions, written into the second argument", found, report.line_of("step_batch"), "actions[:] = …")
        return False
    illegal = chosen[(chosen < 0) | (chosen >= num_actions)]
    if len(illegal):
        found = str(int(illegal[0])) + (" (was it NaN?)" if illegal[0] == np.iinfo(np.int32).min else "")
        hint = "write numbers of actions: positions in policy_env_info.all_action_names"
        report.add(f"actions from 0 to {num_actions - 1}", found, report.line_of("step_batch"), hint)
        return False
    return True


def _act_alone(
    agent: Any,
    buffers: AgentBuffers,
    tokens: TokenTable,
    factory: SimulationFactory,
    report: RehearsalReport,
    what: str,
) -> bool:
    seen = LazyObservation(0, buffers.observations[0].copy(), tokens)
    action = report.attempt(what, lambda: agent.step(seen), owner=agent)
    if report.failed(what):
        return False
    names = factory.interface.all_action_names
    name = action if isinstance(action, str) else getattr(action, "name", None)
    if name not in names:
        found = f"'{name}'" if isinstance(name, str) else f"a {type(action).__name__}"
        hint = "return Action(name=…) with a name from policy_env_info.all_action_names"
        report.add(f"an Action named {', '.join(names[:4])}, …", found, report.line_of("step", agent), hint)
        return False
    return True
