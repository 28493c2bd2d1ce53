"""Your own policies: base classes that do everything but the decision, and a check that runs before training does.

A policy may also extend mettagrid's `MultiAgentPolicy` or `AgentPolicy` directly.
"""

from __future__ import annotations

import importlib
from typing import Any

from daf.engine.network_policy import BatchPolicy, NetworkPolicy
from daf.system.arguments import checked_arguments
from daf.system.checks import CheckResult, CheckResults

__all__ = ["BatchPolicy", "NetworkPolicy", "daf_check_policy"]

# Imported by this name only when it is used: a bundle includes this page and every module that its text imports.
REHEARSAL = "daf.engine.rehearsal"


@checked_arguments
def daf_check_policy(policy: Any, mission: Any, *, trainable: bool | None = None) -> list[CheckResult]:
    """Rehearse a policy on a mission, in a separate process: build it, act, train, save, load.

    The workflow does the same for every policy of an experiment before its first job.

    Args:
        policy: class path, shorthand, weights or PolicyConfig.
        mission: a mission's name or file, or a MissionConfig.
        trainable: whether it must be possible to train it; by default, if it has a network.

    Returns:
        Everything that is wrong, each with its place in the code and a remedy; none if all is well. A fault that only
        prevents deployment is a warning.

    Raises:
        BadInputError: unknown mission.
    """
    rehearsal = importlib.import_module(REHEARSAL)
    return CheckResults(rehearsal.check_policy(policy, mission, trainable=trainable).findings)
