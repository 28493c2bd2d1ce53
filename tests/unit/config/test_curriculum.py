"""Several missions of a training run: the target, and what contradicts itself."""

from __future__ import annotations

from typing import Any

import pytest

from daf.config import CurriculumConfig, DAFTrainingConfig, WeightedMission
from daf.config.curriculum import missions_of
from daf.errors import ConfigError

SEVERAL: dict[str, Any] = {"missions": [{"mission": "near"}, {"mission": "far", "weight": 2}]}


def run_of(**keys: Any) -> DAFTrainingConfig:
    return DAFTrainingConfig.from_dict({**SEVERAL, **keys}, source="my.yaml")


def test_the_last_mission_is_the_target_unless_another_is_named() -> None:
    assert run_of().mission == "far"
    assert missions_of(run_of()) == ["far", "near"]
    assert run_of(mission="near").mission == "near"
    assert missions_of(run_of(mission="farther")) == ["farther", "near", "far"]
    python = DAFTrainingConfig(missions=[WeightedMission(mission="near"), WeightedMission(mission="far")])
    assert python.mission == "far"
    python.num_steps = 5
    assert DAFTrainingConfig.from_dict(python.to_dict()) == python
    assert DAFTrainingConfig().mission == "tutorial.miner"
    assert missions_of(DAFTrainingConfig()) == ["tutorial.miner"]


def fixed(*phases: dict[str, Any]) -> dict[str, Any]:
    return {"curriculum": {"mode": "fixed", "schedule": list(phases)}}


@pytest.mark.parametrize(
    ("keys", "where", "expected", "found"),
    [
        ({"missions": [{"mission": "near"}]}, "missions", "at least two missions", "1"),
        (
            {"missions": [{"mission": "near"}, {"mission": "a/near.json"}]},
            "missions",
            "missions with distinct names",
            "'near' twice",
        ),
        ({"mission": "other/far.yaml"}, "missions", "missions with distinct names", "'far' twice"),
        ({"missions": [], "mission": "near", **fixed()}, "curriculum", "several `missions`", "none"),
        (fixed(), "curriculum.schedule", "at least one phase", "none"),
        (
            fixed({"until": 0.5, "weights": {"near": 1}}, {"until": 0.5, "weights": {"far": 1}}),
            "curriculum.schedule",
            "phases whose `until` rises to 1",
            "0.5, 0.5",
        ),
        (
            fixed({"until": 1, "weights": {"nera": 1}}),
            "curriculum.schedule.0.weights",
            "names of the run's `missions`",
            "'nera'",
        ),
        (
            fixed({"until": 1, "weights": {"near": 0}}),
            "curriculum.schedule.0.weights",
            "at least one weight above 0",
            "only zeros",
        ),
        (
            {"curriculum": {"mode": "learning_progress", "schedule": [{"until": 1, "weights": {"near": 1}}]}},
            "curriculum.schedule",
            "no phases with learning_progress",
            "1",
        ),
        ({"curriculum": {"mode": "progress"}}, "curriculum.mode", "'fixed' or 'learning_progress'", "'progress' (str)"),
        ({"missions": [{"mission": "a"}, {"mission": "b", "weight": 0}]}, "missions.1.weight", "more than 0.0", None),
    ],
)
def test_what_contradicts_itself(keys: dict[str, Any], where: str, expected: str, found: str | None) -> None:
    with pytest.raises(ConfigError) as error:
        run_of(**keys)
    (problem,) = error.value.problems
    assert (problem.where, problem.expected) == (f"my.yaml: {where}", expected)
    assert found is None or problem.found == found


def test_a_curriculum_is_written_in_short() -> None:
    assert run_of(curriculum={"mode": "learning_progress"}).curriculum == CurriculumConfig(mode="learning_progress")
