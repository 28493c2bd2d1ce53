"""Earlier checkpoints of a run in tournaments: what the form means, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from daf.config import ExperimentConfig
from daf.config.earlier_checkpoints import update_at
from daf.errors import ConfigError
from daf.workflow.earlier_checkpoints_plan import kept_shares
from daf.workflow.plan import Plan

UPDATE_STEPS = 4 * 4 * 16


def experiment(*pool: Any, **changes: Any) -> dict[str, Any]:
    small = {"num_envs": 4, "horizon": 16, "minibatch_size": 64}
    run = {"mission": "short", "num_steps": 20 * UPDATE_STEPS, "seeds": [1, 2], "hyperparameters": small}
    cup = {"format": "pickup", "candidates": ["random"], "pool": list(pool), "missions": ["short"]}
    return {
        "missions": {"short": {"source": "tutorial.miner", "num_agents": 4}},
        "training": {"miner": run},
        "policies": {"random": "random"},
        "tournaments": {"cup": cup},
        **changes,
    }


def test_each_share_is_a_policy_of_every_training_seed() -> None:
    config = ExperimentConfig.from_dict(experiment("noop", {"training": "miner", "at": [0.5, 1, 0.1]}))
    assert config.tournaments["cup"].pool == ["noop", "miner-at-0.5", "miner-at-1", "miner-at-0.1"]
    assert kept_shares(config, "miner") == (0.1, 0.5)
    checkpoints = Plan(config).checkpoints
    earlier, published = checkpoints.labelled("miner-at-0.5-seed-2"), checkpoints.labelled("miner-at-1-seed-1")
    assert (earlier.training, earlier.seed, earlier.at) == ("miner", 2, 0.5)
    assert published.at is None
    assert "at" not in published.recipe().to_dict()  # or matches of earlier versions would be replayed
    assert ExperimentConfig.from_dict(config.to_dict()) == config


def test_keeping_changes_no_recipe_of_the_run() -> None:
    with_zoo = Plan(ExperimentConfig.from_dict(experiment({"training": "miner", "at": [0.5]})))
    assert with_zoo.learning.training("miner", 1) == Plan(
        ExperimentConfig.from_dict(experiment("noop"))
    ).learning.training("miner", 1)


WRONG: list[tuple[list[Any], str, str, str]] = [
    ([{"training": "minr", "at": [0.5]}], "0.training", "the name of a training run in this file", "'minr'"),
    ([{"training": "miner", "at": [0.5, 1.5]}], "0.at.1", "at most 1.0", "1.5 (float)"),
    (["noop", {"training": "miner", "at": [0]}], "1.at.0", "more than 0.0", "0 (int)"),
    ([{"training": "miner", "at": [0.5, 0.5]}], "0.at", "distinct at", "0.5 twice"),
    ([{"training": "miner", "at": []}], "0.at", "", ""),
    ([{"training": "miner", "share": 1}], "0.at", "a value", "nothing"),
]


@pytest.mark.parametrize(("pool", "key", "expected", "found"), WRONG)
def test_a_wrong_entry_is_refused_with_its_place(pool: list[Any], key: str, expected: str, found: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ExperimentConfig.from_dict(experiment(*pool), source="my.yaml")
    (problem,) = caught.value.problems
    assert problem.where == f"my.yaml: tournaments.cup.pool.{key}"
    assert expected in problem.expected
    assert found in problem.found
    assert problem.hint


def test_a_name_that_means_something_else_is_refused() -> None:
    policies = {"random": "random", "miner-at-0.5": "noop"}
    with pytest.raises(ConfigError, match=r"no other policy called 'miner-at-0\.5'"):
        ExperimentConfig.from_dict(experiment({"training": "miner", "at": [0.5]}, policies=policies))


def test_shares_that_end_in_one_update_are_refused() -> None:
    config = ExperimentConfig.from_dict(experiment({"training": "miner", "at": [0.49, 0.5]}))
    with pytest.raises(ConfigError) as caught:
        Plan(config)
    (problem,) = caught.value.problems
    assert problem.found == "0.49 and 0.5, both in update 10"
    assert problem.where == "tournaments.cup.pool"


@pytest.mark.parametrize(("share", "update"), [(0.1, 2), (0.5, 10), (0.501, 11), (1.0, 20), (1e-9, 1)])
def test_a_share_ends_with_the_update_that_completes_it(share: float, update: int) -> None:
    assert update_at(share, 20 * UPDATE_STEPS, UPDATE_STEPS) == update


def test_shares_are_exact() -> None:
    assert update_at(0.07, 100, 1) == 7  # 0.07 * 100 is 7.000000000000001


def test_only_tournaments_and_comparisons_take_earlier_checkpoints() -> None:
    policies = {"early": {"training": "miner", "at": 0.5}, "random": "random"}
    runs = experiment("noop")["training"]
    runs["other"] = {**runs["miner"], "teacher": {"policy": "early", "steps": 1}, "partners": {"pool": ["early"]}}
    deployment = {"policy": "early", "version": "1.0.0", "validation_mission": "short"}
    with pytest.raises(ConfigError) as caught:
        ExperimentConfig.from_dict(experiment("noop", training=runs, policies=policies, deployment=deployment))
    places = [problem.where for problem in caught.value.problems if problem.expected == "published weights"]
    assert places == [
        "config: training.other.teacher.policy", "config: training.other.partners.pool[0]", "config: deployment.policy",
    ]  # fmt: skip
