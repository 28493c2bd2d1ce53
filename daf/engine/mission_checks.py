"""Checks of missions: does each resolve to an environment?"""

from __future__ import annotations

from collections.abc import Sequence

from daf.config import MissionConfig
from daf.engine.missions import list_missions, resolve_mission
from daf.errors import DafError, did_you_mean
from daf.system.checks import CheckResult
from daf.system.nouns import number_of


def check_missions(missions: Sequence[str | MissionConfig]) -> list[CheckResult]:
    """One result per mission."""
    return [_check_mission(mission) for mission in missions]


def _check_mission(mission: str | MissionConfig) -> CheckResult:
    facts = {"source": mission} if isinstance(mission, str) else mission.model_dump(exclude_defaults=True)
    label = str(facts.pop("source"))
    name = ", ".join([f"mission {label}", *(f"{key}={value}" for key, value in facts.items())])
    expected = "a mission that can be built"
    try:
        config = resolve_mission(mission).env_config
    except DafError as error:
        return CheckResult(name=name, status="error", found=error.found, expected=error.expected, hint=error.hint)
    except Exception as error:  # a user's mission file may fail in any way, and a check must report it
        found = f"{type(error).__name__}: {error}"
        return CheckResult(name=name, status="error", found=found, expected=expected, hint=_mission_hint(label))
    return CheckResult(name=name, status="ok", found=number_of(config.game.num_agents, "agent"), expected=expected)


def _mission_hint(label: str) -> str:
    try:
        return did_you_mean(label, list_missions())
    except Exception:  # a failing hint must never hide its finding
        return ""
