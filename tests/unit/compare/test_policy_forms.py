"""The forms in which a notebook names policies: classes, labels, dictionaries; all else is refused in four parts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mettagrid.policy.policy import MultiAgentPolicy, PolicySpec

from daf.compare.play import resolve_lineup
from daf.compare.suites import named_policies
from daf.comparison import daf_compare_policies, daf_policy_ablation
from daf.config import PolicyConfig
from daf.deployment import daf_package_policy
from daf.engine.evaluation import evaluate_policy
from daf.errors import BadInputError, PolicyError


class Still(MultiAgentPolicy):
    def __init__(self, policy_env_info: Any, device: str = "cpu", action: int = 0) -> None:
        super().__init__(policy_env_info)
        self.action = action

    def step_batch(self, raw_observations: np.ndarray, raw_actions: np.ndarray) -> None:
        raw_actions[:] = self.action


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest's importlib mode may not register this module under its name."""
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__, sys.modules[Still.__module__]))


HALL = ["training_facility_1"]


def labels(policies: Any) -> list[str]:
    return resolve_lineup(policies, HALL).labels


def test_classes_play_alone_in_lists_and_under_labels() -> None:
    assert labels([Still, "random"]) == ["Still", "random"]
    assert labels({"mine": Still, "theirs": "random"}) == ["mine", "theirs"]
    assert labels([Still, Still]) == ["Still", "Still-2"]
    assert labels([{"class_path": Still, "init_kwargs": {"action": 1}}, {Still: 1, "random": 1}]) == [
        "Still",
        "Still+random",
    ]
    assert labels([PolicySpec(class_path="random"), PolicyConfig(class_path="noop")])
    results = daf_compare_policies({"mine": Still, "noop": "noop"}, HALL, 2, verbose=False)
    assert {record.policy for record in results.summary} == {"mine", "noop"}
    assert len(evaluate_policy(Still, HALL[0], episodes=1, seed=0)) == 1
    assert named_policies({"mine": Still})["mine"].class_path == f"{__name__}.Still"


def test_an_ablation_takes_a_class_or_a_dictionary() -> None:
    for policy in (Still, {"class_path": Still, "init_kwargs": {"action": 1}}):
        results = daf_policy_ablation(policy, {"other": {"action": 2}}, HALL, 2, verbose=False)
        assert {record.policy_b for record in results.pairs} == {"other"}
    with pytest.raises(PolicyError, match="a single policy"):
        daf_policy_ablation({"policies": {"random": 1, "noop": 1}}, {"a": {}}, HALL, 2)


def test_what_an_ablation_replaces_wins_over_the_policys_own_arguments() -> None:
    from daf.compare.ablation import _policy_variants

    class_path = f"{__name__}.Still"
    declared = PolicyConfig(class_path=class_path, init_kwargs={"action": 3})
    full, other = _policy_variants(declared, {"other": {"action": 2}})
    assert (full.init_kwargs, other.init_kwargs) == ({"action": 3}, {"action": 2})
    _, without = _policy_variants(declared, ["action"])  # on, as declared; the default would be off
    assert (without.label, without.init_kwargs) == ("without action", {"action": 0})
    with pytest.raises(BadInputError, match="a component that is on"):
        _policy_variants(PolicyConfig(class_path=class_path), ["action"])


def local_class() -> type:
    class Local(Still):
        pass

    return Local


class NotAPolicy:
    pass


@pytest.mark.parametrize(
    ("policies", "expected", "found"),
    [
        ("random", "a list of policies", "'random' (str)"),
        (Still, "a list of policies", "Still"),
        (None, "a list of policies", "None"),
        ({"class_path": "random"}, "a list of policies", "the fields of one policy"),
        ([local_class()], "a class at the top level of its module", "one defined inside local_class"),
        ([NotAPolicy], "a subclass of MultiAgentPolicy or AgentPolicy", "class NotAPolicy"),
        ([int], "a subclass of MultiAgentPolicy or AgentPolicy", "class int"),
        ([5], "a policy's shorthand", "5 (int)"),
        ([None], "a policy's shorthand", "None"),
        ([NotAPolicy()], "a policy's shorthand", "an object of class NotAPolicy"),
        ([{"class_pth": "random"}], "a share above 0", "'random'"),
    ],
)
def test_anything_else_is_refused_in_four_parts(policies: Any, expected: str, found: str) -> None:
    with pytest.raises(BadInputError) as caught:
        daf_compare_policies(policies, HALL, 1)
    assert expected in caught.value.expected
    assert found in caught.value.found


def test_missions_are_a_list_too() -> None:
    with pytest.raises(BadInputError, match="a list of missions"):
        daf_compare_policies(["random"], "training_facility_1", 1)


def test_a_class_that_was_defined_again_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    old = Still
    monkeypatch.setattr(sys.modules[__name__], "Still", type("Still", (Still,), {"__module__": __name__}))
    with pytest.raises(PolicyError, match="an earlier class of this name"):
        labels([old])


def test_a_class_of_the_running_script_goes_to_no_package_and_no_workflow(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mine = type("Mine", (Still,), {"__module__": "__main__", "__qualname__": "Mine"})
    monkeypatch.setattr(sys.modules["__main__"], "Mine", mine, raising=False)
    assert labels([mine]) == ["Mine"]
    for refuse in (lambda: daf_package_policy(mine, output_dir=tmp_path), lambda: named_policies({"mine": mine})):
        with pytest.raises(PolicyError) as caught:
            refuse()
        assert caught.value.found == "__main__.Mine"
        assert "move the class into a .py file" in caught.value.hint
