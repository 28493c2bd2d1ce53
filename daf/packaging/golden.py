"""Golden vectors: what a packaged policy answered where it was packaged, replayed wherever it is validated or deployed.

golden_vectors.json in the zip holds observations of the package's mission, in a row from the beginning of an episode,
and the probability of every action, or the chosen actions of a policy whose actions are not samples from a network.
They find a package that acts differently here: another version of torch or the engine, a changed file, weights that
were converted wrongly. They prove nothing about its author, whose code can read them.
"""

from __future__ import annotations

import base64
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from pydantic import Field

from daf.errors import BadInputError, DeploymentError
from daf.packaging.bundle import GOLDEN_NAME, json_bytes
from daf.packaging.player import PackagePlayer, Ready, package_player
from daf.packaging.sandbox import GuestError, Limits
from daf.system.archives import Archive
from daf.system.json_files import parse_json
from daf.system.nouns import number_of
from daf.system.validated import validated

if TYPE_CHECKING:
    import numpy as np

    from daf.engine.policies import ResolvedPolicy
    from daf.engine.simulation import SimulationFactory

FORMAT: Literal["daf-golden-vectors/1"] = "daf-golden-vectors/1"
STEPS, STRIDE, SEED = 8, 4, 0
# Networks compute in float32, whose sums depend on the processor, the threads and the batch: probabilities then differ
# by about 1e-6, after a few recurrent steps by 1e-5. Other weights or other code differ by far more.
TOLERANCE = 1e-4
DECIMALS = 6  # of a stored probability: far below the tolerance, and the same on most machines
_LARGEST = 8_000_000
_LARGEST_UNPACKED = 100_000_000  # bytes of all observations together, once unused tokens are filled in
_log = logging.getLogger(__name__)


class _File(TypedDict):
    """golden_vectors.json."""

    format: Literal["daf-golden-vectors/1"]
    mission: str
    seed: Annotated[int, Field(ge=0)]
    stride: int
    tolerance: Annotated[float, Field(gt=0, le=0.01)]
    action_names: list[str]
    interface: dict[str, Any]
    num_tokens: Annotated[int, Field(ge=1, le=100_000)]
    observations: list[str]
    probabilities: list[list[list[float]]] | None
    actions: list[list[list[str | None]]] | None


@dataclass(frozen=True, kw_only=True)
class GoldenVectors:
    """The content of the file.

    Attributes:
        interface: the mission's interface to a policy, as plain data.
        seed: of the observations, and of the random generators before the policy is built.
        observations: uint8 [steps, agents, tokens, 3].
        probabilities: [steps, agents, actions]; None: compare the actions.
        actions: name, vibe and talk, [steps][agents].
    """

    interface: dict[str, Any]
    action_names: list[str]
    seed: int
    tolerance: float
    observations: np.ndarray
    probabilities: np.ndarray | None
    actions: list[list[list[str | None]]] | None

    def __str__(self) -> str:
        kind = "action probabilities" if self.probabilities is not None else "actions"
        agents, steps = number_of(self.observations.shape[1], "agent"), number_of(len(self.observations), "step")
        return f"{kind} of {agents} in {steps}"


# ---- made -----------------------------------------------------------------------------------------------------


def golden_member(policy: ResolvedPolicy, mission: str, factory: SimulationFactory) -> dict[str, bytes]:
    """The file, by its name in the zip; empty, and told, for a policy whose answers cannot be repeated."""
    from daf.engine.golden import answers_of, real_observations

    observations = real_observations(factory, steps=STEPS, stride=STRIDE, seed=SEED)
    answers = answers_of(policy, factory, observations, SEED)
    if answers.reason:
        _log.warning("the package of %s has no golden vectors: %s", policy.label, answers.reason)
        return {}
    probabilities = None if answers.probabilities is None else answers.probabilities.round(DECIMALS).tolist()
    content: _File = {
        "format": FORMAT, "mission": mission, "seed": SEED, "stride": STRIDE, "tolerance": TOLERANCE,
        "action_names": list(factory.interface.action_names),
        "interface": factory.interface.model_dump(mode="json"),
        "num_tokens": int(factory.observation_shape[0]),
        "observations": [base64.b64encode(seen.tobytes()).decode() for seen in observations],
        "probabilities": probabilities, "actions": answers.actions,
    }  # fmt: skip
    return {GOLDEN_NAME: json_bytes(content)}


# ---- read -----------------------------------------------------------------------------------------------------


def read_golden(package: Path) -> GoldenVectors | None:
    """The golden vectors of a package; None if it has none.

    Raises:
        BadInputError: they are damaged.
    """
    import numpy as np

    archive = Archive(package, "a package")
    if GOLDEN_NAME not in archive.names:
        return None
    where, hint = f"{package}: {GOLDEN_NAME}", "package the policy again"
    content = validated(_File, parse_json(archive.read(GOLDEN_NAME, _LARGEST), where), where, hint)
    answered = content["probabilities"] if content["probabilities"] is not None else content["actions"]
    try:
        raw = [np.frombuffer(base64.b64decode(text, validate=True), np.uint8) for text in content["observations"]]
        observations = np.stack(raw).reshape(len(raw), len((answered or [[]])[0]), -1, 3)
        probabilities = None if content["probabilities"] is None else np.array(content["probabilities"], dtype=float)
        shape = (*observations.shape[:2], len(content["action_names"]))
        fits = probabilities is None or (probabilities.shape == shape and bool(np.isfinite(probabilities).all()))
        fits = fits and answered is not None and {len(step) for step in answered} == {observations.shape[1]}
        fits = fits and len(answered or []) == len(raw) and observations.shape[2] <= content["num_tokens"]
    except ValueError as error:
        raise BadInputError("observations and answers that fit", str(error), where, hint) from None
    if not fits:
        raise BadInputError("one answer per step and agent", "another number", where, hint)
    if (unpacked := 3 * content["num_tokens"] * observations.shape[0] * observations.shape[1]) > _LARGEST_UNPACKED:
        expected = f"observations of at most {_LARGEST_UNPACKED:,} bytes"
        raise BadInputError(expected, f"{unpacked:,} bytes", where, hint)
    full = np.full((*observations.shape[:2], content["num_tokens"], 3), 255, dtype=np.uint8)
    full[:, :, : observations.shape[2]] = observations
    return GoldenVectors(
        interface=content["interface"], action_names=content["action_names"], seed=content["seed"],
        tolerance=content["tolerance"], observations=full, probabilities=probabilities, actions=content["actions"],
    )  # fmt: skip


# ---- replayed -------------------------------------------------------------------------------------------------


def replay(golden: GoldenVectors, player: PackagePlayer) -> str:
    """The first answer of the package's process that differs, with step and agent; empty if none does.

    Raises:
        GuestError: the process fails.
    """
    ready: Ready = player.build(golden.interface, golden.seed, listen=golden.probabilities is not None)
    for step, seen in enumerate(golden.observations):
        answer = player.ask(ready, seen)
        if golden.probabilities is not None:
            found = _other_probabilities(golden, step, answer.get("probabilities", []))
        else:
            assert golden.actions is not None
            found = _other_actions(golden.actions[step], answer["actions"])
        if found:
            return f"step {step}, {found}"
    return ""


def _other_probabilities(golden: GoldenVectors, step: int, found: list[list[float]]) -> str:
    import numpy as np

    assert golden.probabilities is not None
    expected = golden.probabilities[step]
    if len(found) != len(expected):
        return f"all agents: expected the network's answer to {len(expected)} of them, found {len(found)}"
    for agent, (ours, theirs) in enumerate(zip(expected, found, strict=True)):
        if len(theirs) != len(ours):
            return f"agent {agent}: expected {len(ours)} probabilities, found {len(theirs)}"
        distance = np.abs(np.array(theirs, dtype=float) - ours)
        if not bool((distance <= golden.tolerance).all()):  # NaN differs, too
            action = int(np.nan_to_num(distance, nan=np.inf).argmax())
            name = golden.action_names[action]
            return f"agent {agent}: expected {name} with probability {ours[action]:.6f}, found {theirs[action]:.6f}"
    return ""


def _other_actions(expected: list[list[str | None]], found: list[list[str | None]]) -> str:
    if len(found) != len(expected):
        return f"all agents: expected {number_of(len(expected), 'action')}, found {len(found)}"
    for agent, (ours, theirs) in enumerate(zip(expected, found, strict=True)):
        if ours != theirs:
            return f"agent {agent}: expected {_in_words(ours)}, found {_in_words(theirs)}"
    return ""


def _in_words(action: list[str | None]) -> str:
    return " with ".join(str(part) for part in action if part) or "nothing"


def replay_copy(package: Path) -> str | None:
    """Replay the golden vectors of a deployed copy; returns what was replayed, or None without golden vectors.

    Raises:
        DeploymentError: it answers differently, or fails.
    """
    try:
        golden = read_golden(package)
        if golden is None:
            return None
        with package_player(package, Limits()) as player:
            found = player.start() or replay(golden, player)
    except (BadInputError, GuestError) as error:
        found = error.found if isinstance(error, BadInputError) else str(error)
    if found:
        hint = "is another version of torch or of the engine installed here? package the policy again"
        raise DeploymentError("the answers that the packaged policy gave", found, f"{package}: {GOLDEN_NAME}", hint)
    return str(golden)
