"""`daf init`: a small experiment and a policy to start from."""

from __future__ import annotations

import argparse
from pathlib import Path

from daf.errors import EXIT_OK, BadInputError
from daf.system.files import write_text
from daf.system.validated import require_name

EXPERIMENT = """\
# Checked with `daf check {name}.yaml`, made with `daf run {name}.yaml`. config/README.md of DAF describes all keys.
name: {name}

daf:
  output_dir: out/{name}

policies:
  mine: {{class_path: {module}.MyPolicy}}  # in {module}.py
  random: random
  baseline: baseline  # CoGames' scripted `starter`

comparisons:
  main:
    policies: [mine, random, baseline]
    missions: [training_facility_1]  # `daf missions` lists all
    episodes_per_mission: 12

# A policy that learns; name it among the policies above, too, as `learned: {{training: learned}}`.
# training:
#   learned: {{mission: training_facility_1, num_steps: 200_000, seeds: [1, 2, 3]}}
"""
POLICY = '''\
"""A policy to start from; `daf policies {module}.py` checks it."""

import numpy as np

from daf.policies import BatchPolicy


class MyPolicy(BatchPolicy):
    """Moves at random: replace the last line by something better."""

    def step_batch(self, observations: np.ndarray, actions: np.ndarray) -> None:
        """Choose an action for every agent.

        Args:
            observations: [agents, tokens, 3]: place, feature and value; unused tokens are 255.
            actions: numbers of actions, to be written.
        """
        names = self.policy_env_info.action_names
        moves = [number for number, name in enumerate(names) if name.startswith("move")]
        actions[:] = np.random.choice(moves, size=len(actions))
'''


def init(options: argparse.Namespace) -> int:
    """Answer `daf init`."""
    name = require_name(options.name.removesuffix(".yaml"), "daf init NAME")
    module = f"{name}_policy".replace("-", "_").replace(".", "_")
    if not module.isidentifier():
        raise BadInputError(
            "a name that begins with a letter", f"'{name}'", "daf init NAME", "the policy's module has it, too"
        )
    files = {Path(f"{name}.yaml"): EXPERIMENT, Path(f"{module}.py"): POLICY}
    if existing := [str(path) for path in files if path.exists()]:
        raise BadInputError("no file of that name", " and ".join(existing), "daf init", "choose another name")
    for path, content in files.items():
        write_text(path, content.format(name=name, module=module))
        print(f"wrote {path}")
    print(f"Next: daf policies {module}.py, daf check {name}.yaml, daf run {name}.yaml")
    return EXIT_OK
