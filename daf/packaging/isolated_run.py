"""A program, not a library: load a bundle with the engine's own loader and answer observations with actions.

`confine` runs it in a process that knows nothing of DAF, as on someone else's machine: a bundle with a hidden
dependency on DAF fails here. The engine's side of the episode (observations, rewards, steps, clocks) is played by the
process that validates, `daf.engine.guest`. Whatever the package does here, it can only choose actions, or fail.

Messages are JSON with their length in front. The first says whether the files are sound, before any of the package's
code runs. Then comes one answer per request: build the policy, or act on observations.
"""

from __future__ import annotations

import importlib.machinery
import json
import math
import os
import runpy
import socket
import struct
import sys
import traceback
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TENSOR_SUFFIXES = (".pt", ".pth", ".ckpt", ".safetensors")
_ELEMENTS_AT_ONCE = 1 << 22


class NoDaf:
    """Finds `daf` only inside the unpacked bundle, wherever else it may be installed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "daf":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, [str(self._root)])
        if spec is None:
            raise ModuleNotFoundError("the bundle imports DAF but does not include it", name="daf")
        return spec


class Channel:
    """Messages to and from the process that validates."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream

    def send(self, message: dict[str, Any]) -> None:
        content = json.dumps(message).encode()
        self._stream.sendall(struct.pack(">I", len(content)) + content)

    def receive(self) -> bytes:
        (length,) = struct.unpack(">I", self._exactly(4))
        return self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        parts, missing = [], count
        while missing:
            part = self._stream.recv(min(missing, 1 << 20))
            if not part:
                os._exit(0)  # validation is over
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)


# ---- before any code of the package runs -------------------------------------------------------------------


def unpack(package: Path, root: Path) -> None:
    """Unpack the bundle where the engine's loader looks for it."""
    from mettagrid.policy.prepare_policy_spec import extract_submission_archive

    root.mkdir()
    extract_submission_archive(package, root)
    (root / ".extraction_complete").touch()


def faults_of_files(root: Path, called_by_pickle: Callable[[bytes], str]) -> str:
    """The first file of the bundle that holds tensors that are not numbers, or would run code; empty if none does."""
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        name = path.relative_to(root).as_posix()
        try:
            found = tensors(path)
            if found is None:
                if path.suffix != ".py" and (called := called_by_pickle(path.read_bytes())):
                    return f"{name} is a pickle that calls {called}"
                continue
            broken = next((key for key, tensor in found if not finite(tensor)), None)
        except Exception as error:  # parsers of damaged files raise whatever they meet
            return f"{name} cannot be read as tensors and plain data: {describe(error)}"
        if broken is not None:
            return f"{name} has NaN or infinity in {broken or 'its value'}"
    return ""


def tensors(path: Path) -> list[tuple[str, Any]] | None:
    """Name and value of every tensor in a file; None for a file of another kind."""
    import safetensors.torch
    import torch

    if path.suffix.lower() == ".safetensors":
        return list(safetensors.torch.load_file(path).items())
    with open(path, "rb") as stream:
        is_pickle = stream.read(1) == b"\x80"  # of protocol 2 or later
    is_saved = is_pickle or (
        zipfile.is_zipfile(path)
        and any(name.rpartition("/")[2] == "data.pkl" for name in zipfile.ZipFile(path).namelist())
    )
    if is_saved or path.suffix.lower() in TENSOR_SUFFIXES:
        return list(leaves(torch.load(path, map_location="cpu", weights_only=True), ""))
    return None


def leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from leaves(item, f"{name}[{number}]")
    else:
        yield name, value


def finite(value: Any) -> bool:
    import torch

    if not isinstance(value, torch.Tensor):
        return not isinstance(value, float) or math.isfinite(value)
    if not (value.is_floating_point() or value.is_complex()):
        return True
    flat = value.detach().reshape(-1)
    # `isfinite` does not know the numbers of 8 bits; wider ones must not be narrowed, complex ones not halved.
    parts = flat.split(_ELEMENTS_AT_ONCE)
    return all(bool(torch.isfinite(part.float() if part.element_size() == 1 else part).all()) for part in parts)


# ---- the policy ----------------------------------------------------------------------------------------------


class Built:
    """A policy, rebuilt for each episode or replay. Seeds are fixed, since the engine seeds no policy.

    Attributes:
        heard: the outputs of the policy's network since the last answer; None unless asked to listen.
    """

    def __init__(self, order: dict[str, Any], package: str, root: Path) -> None:
        import random

        import numpy as np
        import torch
        from mettagrid.policy.loader import initialize_or_load_policy
        from mettagrid.policy.policy_env_interface import PolicyEnvInterface
        from mettagrid.policy.prepare_policy_spec import load_policy_spec_from_path

        torch.set_num_threads(1)
        random.seed(order["seed"])
        np.random.seed(order["seed"] % 2**32)
        torch.manual_seed(order["seed"])
        self.interface = PolicyEnvInterface.model_validate(order["interface"])
        spec = load_policy_spec_from_path(Path(package), device="cpu", force_dest=root)
        policy = initialize_or_load_policy(self.interface, spec)
        self.minimum_ms = int(policy.minimum_action_timeout_ms)
        policy.configure_action_timeout_ms(max(int(order["max_action_time_ms"]), self.minimum_ms))
        self.agents: list[Any] = [policy.agent_policy(agent) for agent in range(self.interface.num_agents)]
        for agent in self.agents:
            agent.reset()
        self.heard = listen(policy.network()) if order["listen"] else None

    def ready(self) -> dict[str, Any]:
        together = bool(self.agents) and bool(self.agents[0].can_step_group(self.agents))
        return {"together": together, "minimum_action_timeout_ms": self.minimum_ms}

    def act(self, question: dict[str, Any], raw: bytes) -> dict[str, Any]:
        """What some agents choose, and with which probabilities if somebody listens."""
        seen = observations(question, raw, self.interface)
        if question["together"]:
            chosen = list(self.agents[0].step_group(seen))
        else:
            chosen = [self.agents[agent].step(observation) for agent, observation in seen]
        answer: dict[str, Any] = {"actions": [plain_action(action) for action in chosen]}
        if self.heard is not None:
            answer["probabilities"] = probabilities(self.heard)
            self.heard.clear()
        return answer


def observations(question: dict[str, Any], raw: bytes, interface: Any) -> list[tuple[int, Any]]:
    """[agent, what it sees], as the engine's rollout shows it."""
    import numpy as np
    from mettagrid.simulator.interface import AgentObservation, Location, ObservationToken, VisibleTalk

    features = {feature.id: feature for feature in interface.obs_features}
    rows = np.frombuffer(raw, dtype=np.uint8).reshape(len(question["agents"]), -1, 3)
    seen = []
    for row, agent, talk in zip(rows, question["agents"], question["talk"], strict=True):
        unused = row[:, 1] == 0xFF
        used = int(unused.argmax()) if unused.any() else len(row)
        tokens = [
            ObservationToken(feature=features[int(token[1])], value=int(token[2]), raw_token=token)
            for token in row[:used]
        ]
        heard = [
            VisibleTalk(agent_id=speaker, text=text, location=Location(*place), remaining_steps=left)
            for speaker, text, place, left in talk
        ]
        seen.append((agent, AgentObservation(agent_id=agent, tokens=tokens, talk=heard)))
    return seen


def listen(network: Any) -> list[Any]:
    """A list that collects all later answers of the network, whichever of its methods is called."""
    if network is None:
        raise TypeError("the policy has no network")
    heard: list[Any] = []
    depth = 0

    def overheard(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **options: Any) -> Any:
            nonlocal depth
            depth += 1  # one of the two may call the other
            try:
                outputs = call(*arguments, **options)
            finally:
                depth -= 1
            if depth == 0:
                heard.append(outputs)
            return outputs

        return wrapper

    for name in ("forward", "forward_eval"):
        if hasattr(network, name):
            setattr(network, name, overheard(getattr(network, name)))
    return heard


def probabilities(heard: list[Any]) -> list[list[float]]:
    """The probabilities of the actions, one row per agent; no rows if the policy acted without its network."""
    rows: list[list[float]] = []
    for outputs in heard:
        rows += outputs[0].detach().double().flatten(0, -2).softmax(dim=-1).tolist()
    return rows


def plain_action(action: Any) -> list[Any]:
    return [action, None, None] if isinstance(action, str) else [action.name, action.vibe, action.talk]


def describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:1000]


def serve(package: str, root: Path, channel: Channel) -> None:
    """Answer requests until there are none."""
    sys.meta_path.insert(0, NoDaf(root))
    built: Built | None = None
    while True:
        request = json.loads(channel.receive())
        if "build" in request:
            built = Built(request["build"], package, root)
            channel.send(built.ready())
        elif built is not None:
            channel.send(built.act(request, channel.receive()))


def main(request: dict[str, Any], stream: socket.socket) -> int:
    channel, root = Channel(stream), Path(request["home"]) / "bundle"
    try:
        unpack(Path(request["package"]), root)
        called_by_pickle = runpy.run_path(request["pickles"])["called_by_pickle"]
        channel.send({"files": faults_of_files(root, called_by_pickle)})
        serve(request["package"], root, channel)
    except (Exception, SystemExit) as error:  # whatever the policy raises is the finding
        traceback.print_exc()
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        channel.send({"error": describe(error), "place": place[:200]})
    return 0
