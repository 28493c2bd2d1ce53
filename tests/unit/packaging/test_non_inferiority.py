"""A new version replaces the one that serves only if it is shown to be at least about as good."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from daf.config import MissionConfig, NonInferiorityConfig
from daf.deployment import DeployOptions, daf_deploy_policy, daf_package_policy
from daf.errors import BadInputError, ConfigError, DeploymentError
from daf.packaging import non_inferiority
from daf.packaging.non_inferiority import Version, compare_versions, judge
from daf.packaging.registry import FolderRegistry
from daf.statistics.records import PairRecord
from tests.unit.packaging.test_registry import fake

NEW = Version(package=Path("new.zip"), version="0.2.0", sha256="b" * 64)
OLD = Version(package=Path("old.zip"), version="0.1.0", sha256="a" * 64)
DEMAND = NonInferiorityConfig(margin=0.5, episodes=4)


def pair(low: float, high: float) -> PairRecord:
    return PairRecord(
        estimand="checkpoints", mission="m", n_missions=1, policy_a="0.2.0", policy_b="0.1.0", paired=True, n_a=4,
        n_b=4, difference=(low + high) / 2, interval_low=low, interval_high=high, interval_method="two episodes",
        effect_name="dz", test="t",
    )  # fmt: skip


@pytest.mark.parametrize(("low", "high", "verdict", "words"), [
    (-0.4, 0.2, "non-inferior", "0.2.0 is non-inferior to 0.1.0: it is not worse by more than the margin."),
    (0.1, 0.2, "non-inferior", "margin 0.5, 4 paired episodes on m."),
    (-0.5, 0.2, "inconclusive", "is open (inconclusive): it may be worse by more than the margin"),
    (-0.9, 0.2, "inconclusive", "95 % interval [-0.9, +0.2]"),
    (-0.9, -0.6, "inferior", "0.2.0 is inferior to 0.1.0: it is worse by more than the margin."),
    (nan, nan, "insufficient data", "is open (insufficient data): two episodes."),
])  # fmt: skip
def test_the_interval_decides_against_the_margin(low: float, high: float, verdict: str, words: str) -> None:
    result = judge(pair(low, high), OLD, DEMAND)
    assert result.verdict == verdict
    assert words in result.sentence
    assert (result.interval is None) == (low != low)


@pytest.mark.parametrize(("episodes", "difference", "verdict", "words"), [
    (36, 0.0, "non-inferior", "the same in every episode, and another in at most 9.7 % of all"),
    (35, 0.0, "insufficient data", "two episodes"),
    (64, -1.0, "inferior", "at most 5.6 % of all"),
])  # fmt: skip
def test_versions_that_act_alike_need_enough_episodes(
    episodes: int, difference: float, verdict: str, words: str
) -> None:
    equal = replace(pair(nan, nan), n_a=episodes, n_b=episodes, difference=difference)
    result = judge(equal, OLD, DEMAND, all_equal=True)
    assert (result.verdict, words in result.sentence) == (verdict, True)
    assert judge(equal, OLD, DEMAND).verdict == "insufficient data"


def table(monkeypatch: pytest.MonkeyPatch, rewards: dict[str, list[float]]) -> None:
    """Episodes that were never played."""

    def episodes(version: Version, mission: Any, requirement: NonInferiorityConfig) -> pd.DataFrame:
        from daf.episodes.table import episodes_frame

        return episodes_frame(
            {
                "policy": version.version, "checkpoint": version.version, "train_seed": None, "mission": mission.name,
                "episode": number, "env_seed": requirement.seed + number, "mean_reward": reward,
                "agent_rewards": [reward], "agent_policies": None, "objective": reward, "success": None, "length": 5,
                "timeouts": 0, "failure": None, "action_counts": "{}", "game_stats": "{}", "agent_stats": "[]",
                "actions": b"",
            }
            for number, reward in enumerate(rewards[version.version])
        )  # fmt: skip

    monkeypatch.setattr(non_inferiority, "_episodes", episodes)


OLD_REWARDS = [1.0, 2.0, 3.0, 2.5, 1.5, 2.2, 1.7, 2.9]


@pytest.mark.parametrize(("change", "verdict"), [
    ([0.0] * 8, "insufficient data"), ([-0.1, 0.1] * 4, "non-inferior"), ([-2.0, -2.1] * 4, "inferior"),
    ([-1.0, 0.3] * 4, "inconclusive"),
])  # fmt: skip
def test_paired_differences_give_the_verdict(
    change: list[float], verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = [reward + difference for reward, difference in zip(OLD_REWARDS, change, strict=True)]
    table(monkeypatch, {"0.2.0": new, "0.1.0": OLD_REWARDS})
    demand = NonInferiorityConfig(margin=0.5, episodes=8)
    result = compare_versions(NEW, OLD, "tutorial.miner", demand)
    assert result.verdict == verdict
    assert result.difference == pytest.approx(sum(change) / 8)
    assert (result.against, result.against_sha256, result.episodes) == ("0.1.0", "a" * 64, 8)


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    daf_deploy_policy(fake(tmp_path / "packages", "0.1.0"), tmp_path / "registry", validate=False)
    return tmp_path / "registry"


def deploy(tmp_path: Path, version: str, **options: Any) -> Any:
    package = fake(tmp_path / "packages", version)
    demand = DeployOptions(require_non_inferiority=NonInferiorityConfig(margin=0.5, episodes=8))
    return daf_deploy_policy(package, tmp_path / "registry", validate=False, options=demand, **options)


def test_an_inferior_version_is_not_deployed(registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worse = [reward - 2 - number / 100 for number, reward in enumerate(OLD_REWARDS)]
    table(monkeypatch, {"0.2.0": worse, "0.1.0": OLD_REWARDS})
    with pytest.raises(DeploymentError) as caught:
        deploy(tmp_path, "0.2.0")
    assert caught.value.expected == "a version that is non-inferior to 0.1.0, which serves"
    assert caught.value.found.startswith("0.2.0 is inferior to 0.1.0: it is worse by more than the margin.")
    assert FolderRegistry(registry).versions("p") == ["0.1.0"]


def test_a_non_inferior_version_is_deployed_and_the_history_says_why(
    registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    better = [reward + number / 100 for number, reward in enumerate(OLD_REWARDS)]
    table(monkeypatch, {"0.2.0": better, "0.1.0": OLD_REWARDS})
    told = deploy(tmp_path, "0.2.0", dry_run=True)
    assert told.details["evidence"]["non_inferiority"]["verdict"] == "non-inferior"
    assert FolderRegistry(registry).versions("p") == ["0.1.0"]
    deploy(tmp_path, "0.2.0")
    event = FolderRegistry(registry).history("p")[-1]
    found = event["evidence"]["non_inferiority"]
    assert (found["verdict"], found["against"], found["margin"]) == ("non-inferior", "0.1.0", 0.5)
    assert found["difference"] == pytest.approx(0.035)
    assert -0.5 < found["interval"][0] < 0.035 < found["interval"][1]
    deploy(tmp_path, "0.2.0")  # again: it serves already, and is not compared with itself
    assert len(FolderRegistry(registry).history("p")) == 2


def test_the_first_version_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    deploy(tmp_path, "0.1.0")
    assert FolderRegistry(tmp_path / "registry").history("p")[-1]["evidence"] == {}


def test_a_version_that_was_compared_with_another_than_serves_now_is_refused(
    registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    better = [reward + number / 100 for number, reward in enumerate(OLD_REWARDS)]
    table(monkeypatch, {"0.2.0": better, "0.1.0": OLD_REWARDS})
    compare = non_inferiority.compare_versions

    def meanwhile(*arguments: Any) -> Any:
        daf_deploy_policy(fake(tmp_path / "packages", "0.3.0", b"third"), registry, validate=False)
        return compare(*arguments)

    monkeypatch.setattr("daf.packaging.admission.compare_versions", meanwhile)
    with pytest.raises(DeploymentError, match=r"version 0\.3\.0"):
        deploy(tmp_path, "0.2.0")
    assert FolderRegistry(registry).versions("p") == ["0.1.0", "0.3.0"]


def test_a_changed_serving_version_does_not_play(registry: Path, tmp_path: Path) -> None:
    (registry / "p" / "0.1.0" / "p-0.1.0.zip").write_bytes(b"tampered")
    with pytest.raises(DeploymentError, match="other content"):
        deploy(tmp_path, "0.2.0")


def test_a_demand_that_cannot_be_met_is_refused(tmp_path: Path) -> None:
    package = fake(tmp_path / "packages", "0.1.0")
    demand = DeployOptions(require_non_inferiority=NonInferiorityConfig(margin=1))
    with pytest.raises(BadInputError, match="a folder registry"):
        daf_deploy_policy(package, "https://example.org", validate=False, options=demand)
    with pytest.raises(ConfigError, match="margin"):
        NonInferiorityConfig.from_dict({"episodes": 8}, source="mine")


@pytest.mark.long
def test_packages_play_the_episodes_of_an_evaluation(tmp_path: Path) -> None:
    """Their rewards are those that DAF's evaluation of the same policy finds."""
    from daf.engine.evaluation import evaluate_policy
    from daf.engine.missions import resolve_mission

    mission = MissionConfig(source="tutorial.miner", max_steps=120)
    made = [daf_package_policy("starter", None, tmp_path, "s", version) for version in ("0.1.0", "0.2.0")]
    old, new = (Version(package=one.path, version=one.manifest.version, sha256=one.sha256) for one in made)
    demand = NonInferiorityConfig(margin=0.1, episodes=3, seed=7)
    played = non_inferiority._episodes(new, resolve_mission(mission), demand)
    expected = evaluate_policy("starter", mission, episodes=3, seed=7)
    assert played["mean_reward"].tolist() == expected["mean_reward"].tolist()
    assert played["actions"].tolist() == expected["actions"].tolist()
    result = compare_versions(new, old, mission, demand)
    assert (result.verdict, result.difference) == ("insufficient data", 0.0)  # 3 episodes
