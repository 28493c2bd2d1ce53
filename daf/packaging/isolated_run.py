"""A program, not a library: load a bundle with the engine's own loader and play, as on someone else's machine.

`daf.packaging.validation` runs it as `python -I isolated_run.py REQUEST RESULT` in a temporary folder. It deliberately
does not import DAF, so that a bundle with a hidden dependency on DAF fails here.
"""

from __future__ import annotations

import importlib.machinery
import json
import sys
import traceback
from pathlib import Path
from typing import Any


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


def play(request: dict[str, Any]) -> dict[str, Any]:
    """Load the bundle and play one short episode; seeds are fixed, since the engine seeds no policy."""
    import random

    import numpy as np
    import torch
    from mettagrid.config.mettagrid_config import MettaGridConfig
    from mettagrid.policy.loader import initialize_or_load_policy
    from mettagrid.policy.policy_env_interface import PolicyEnvInterface
    from mettagrid.policy.prepare_policy_spec import load_policy_spec_from_path
    from mettagrid.runner.rollout import resolve_env_for_seed, single_episode_rollout

    torch.set_num_threads(1)
    random.seed(request["seed"])
    np.random.seed(request["seed"])
    torch.manual_seed(request["seed"])
    root = Path(request["unpacked"])
    sys.meta_path.insert(0, NoDaf(root))
    env = MettaGridConfig.model_validate_json(Path(request["env"]).read_text())
    env.game.max_steps = request["steps"]
    env = resolve_env_for_seed(env, request["seed"])
    interface = PolicyEnvInterface.from_mg_cfg(env)
    facts = {"observation_shape": list(interface.observation_shape), "action_names": list(interface.action_names)}
    spec = load_policy_spec_from_path(Path(request["package"]), device="cpu", force_dest=root)
    policy = initialize_or_load_policy(interface, spec)
    result, _ = single_episode_rollout(
        [policy],
        [0] * env.game.num_agents,
        env,
        seed=request["seed"],
        max_action_time_ms=request["max_action_time_ms"],
        render_mode="none",
        autostart=False,
        capture_replay=False,
    )
    counts: dict[str, float] = {}
    for agent in result.stats["agent"]:
        for key, value in agent.items():
            if key.startswith("action.") and key.endswith(".success"):
                name = key.removeprefix("action.").removesuffix(".success")
                counts[name] = counts.get(name, 0) + float(value)
    return facts | {
        "steps": int(result.steps),
        "rewards": [float(reward) for reward in result.rewards],
        "timeouts": int(sum(result.action_timeouts)),
        "actions": counts,
    }


def main(request_path: str, result_path: str) -> int:
    request = json.loads(Path(request_path).read_text())
    try:
        outcome: dict[str, Any] = {"ok": True, **play(request)}
    except (Exception, SystemExit) as error:  # whatever the policy raises is the finding
        traceback.print_exc()
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}:{last.lineno}"
        outcome = {"ok": False, "error": f"{type(error).__name__}: {error}", "place": place}
    Path(result_path).write_text(json.dumps(outcome))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
