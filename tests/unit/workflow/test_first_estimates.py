"""Times before the first run: of every rule that runs a script, in proportion to what it has to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from daf.config import ExperimentConfig
from daf.system.files import PROJECT
from daf.workflow import first_estimates
from daf.workflow.first_estimates import SECONDS, first_estimate
from daf.workflow.plan import Plan

OF_RECIPES = {"run_trial", "run_rung_trial", "confirm_trial", "train_policy", "evaluate_policy", "play_match"}


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan(ExperimentConfig.from_yaml(PROJECT / "config" / "config.yaml"))


def test_every_rule_has_one() -> None:
    texts = [path.read_text() for path in Path(PROJECT, "workflow", "rules").glob("*.smk")]
    script = re.compile(r"^rule (\w+):\n(?:(?!^rule ).*\n)*?    script:", re.MULTILINE)
    found = {name for text in texts for name in script.findall(text)}
    assert found >= {"run_trial", "compare_policies", "verify"}
    assert found == set(SECONDS) | OF_RECIPES


def test_training_takes_time_in_proportion_to_its_steps(plan: Plan) -> None:
    recipe = plan.learning.training("miner", 1)
    twice = recipe.model_copy(update={"num_steps": 2 * recipe.num_steps})
    once_s, twice_s = (first_estimate("train_policy", {"recipe": each.to_dict()}) for each in (recipe, twice))
    assert once_s is not None
    assert twice_s is not None
    more = recipe.num_steps / (2 * first_estimates.TRAINING_STEPS_PER_SECOND_IN_GROUP)
    assert twice_s - once_s == pytest.approx(more)


def test_every_mission_of_a_training_is_evaluated(plan: Plan) -> None:
    recipe = plan.learning.training("miner", 1).to_dict()
    mission, held_out = recipe["mission"], recipe["held_out"]
    another = {**mission, "name": "another"}
    several = {**recipe, "curriculum": {"missions": [{"mission": mission}, {"mission": another}]}}
    one, two = (first_estimate("train_policy", {"recipe": each}) for each in (recipe, several))
    assert one is not None
    assert two is not None
    steps = held_out["num_evaluations"] * held_out["episodes"] * first_estimates.AGENTS
    steps *= first_estimates.STEPS_PER_EPISODE
    assert two - one == pytest.approx(steps / first_estimates.PLAYING_STEPS_PER_SECOND)


def test_trials_are_added_up(plan: Plan) -> None:
    trial = {"trial": plan.learning.sweep_plan("miner").trial_settings().to_dict()}
    one, three = first_estimate("run_trial", trial), first_estimate("run_trials_miner_0000_0002", trial, num_trials=3)
    assert one is not None
    assert three is not None
    assert three - 1 == pytest.approx(3 * (one - 1))
    assert 80_000 / first_estimates.TRAINING_STEPS_PER_SECOND < one < 60


def test_episodes_take_time_in_proportion_to_their_agent_steps(plan: Plan) -> None:
    recipe = plan.episodes.recipe("random", "miner_pair", 0).to_dict()
    steps = recipe["num_episodes"] * 2 * first_estimates.STEPS_PER_EPISODE
    expected = first_estimates.START_SECONDS + steps / first_estimates.PLAYING_STEPS_PER_SECOND
    assert first_estimate("evaluate_policy", {"recipe": recipe}) == pytest.approx(expected)


def test_a_job_on_a_cluster_takes_longer_to_begin() -> None:
    here, there = first_estimate("select_best", {}), first_estimate("select_best", {}, is_submitted=True)
    assert (here, there) == (SECONDS["select_best"], SECONDS["select_best"] + first_estimates.SUBMITTED_SECONDS)
    assert first_estimate("fly", {}, is_submitted=True) is None


def test_nothing_is_claimed_of_an_unknown_rule() -> None:
    assert first_estimate("fly", {}) is None
    assert first_estimate("fly", {"recipe": {"num_steps": 3}}) is None
