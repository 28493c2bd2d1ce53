"""Suites, their leaderboard, and ablations: what the workflow gets, and what is kept of its results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scipy import stats

from daf.compare import ablation, leaderboard, suites
from daf.comparison import ComparisonResults
from daf.config import DAFComparisonConfig, DAFTrainingConfig, EvaluationConfig, ExperimentConfig, PolicyConfig
from daf.errors import BadInputError, ConfigError
from daf.statistics.comparison import compare_episodes
from daf.system.files import write_json
from daf.system.json_files import read_json
from daf.system.provenance import provenance
from daf.workflow.plan import Plan


def fake_run(scores: dict[str, float], seen: list[ExperimentConfig]):
    """In the place of the workflow: results of the experiment from made-up episodes."""

    def run(experiment: ExperimentConfig, folder: Path, *, cores: int = 1) -> ComparisonResults:
        seen.append(experiment)
        (config,) = experiment.comparisons.values()
        rows = [
            {
                "policy": policy,
                "mission": mission,
                "env_seed": seed,
                "mean_reward": scores[policy] + (seed * 7 % 5) * 0.1,
            }
            for policy in config.policies
            for mission in config.missions
            for seed in range(8)
        ]
        recorded = provenance({}, {"evaluation": 1})
        return compare_episodes(
            pd.DataFrame(rows), config.model_copy(update={"num_resamples": 200}), provenance=recorded
        )

    return run


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[ExperimentConfig]:
    experiments: list[ExperimentConfig] = []
    scores = {"random": 1.0, "noop": 0.0, "mine": 2.0, "random-2": 3.0}
    monkeypatch.setattr("daf.compare.generated.run_generated_comparison", fake_run(scores, experiments))
    return experiments


def entries(path: Path) -> list[dict[str, Any]]:
    (board,) = json.loads(path.read_text())["boards"].values()
    return board["entries"]


def test_a_suite_asks_the_workflow_for_its_missions_and_policies(seen: list[ExperimentConfig], tmp_path: Path) -> None:
    suites.daf_benchmark_suite(
        ["random", PolicyConfig(class_path="noop"), "random"], "diagnostic", 8, output_dir=tmp_path, verbose=False,
        equivalence_margin=0.5,
    )  # fmt: skip
    (experiment,) = seen
    assert list(experiment.policies) == ["random", "noop", "random-2"]
    comparison = experiment.comparisons["diagnostic"]
    assert comparison.missions == list(suites.SUITES["diagnostic"])
    assert (comparison.episodes_per_mission, comparison.equivalence_margin) == (8, 0.5)
    assert all(mission.num_agents == 4 for mission in experiment.missions.values())
    assert experiment.daf.output_dir == tmp_path / "diagnostic"


def test_numbers_of_episodes_default_to_those_of_the_configuration(
    seen: list[ExperimentConfig], tmp_path: Path
) -> None:
    suites.daf_benchmark_suite(["random"], output_dir=tmp_path, verbose=False)
    suites.daf_benchmark_suite(["random"], output_dir=tmp_path, episodes_per_shard=3, verbose=False)
    suite, small_shards = seen
    default = DAFComparisonConfig.model_fields["episodes_per_mission"].default
    assert suite.comparisons["quick"].episodes_per_mission == default
    assert suite.evaluation == EvaluationConfig()
    assert small_shards.evaluation == EvaluationConfig(episodes_per_shard=3)


def test_the_leaderboard_accumulates_and_replaces(seen: list[ExperimentConfig], tmp_path: Path) -> None:
    board, options = tmp_path / "leaderboard.json", {"output_dir": tmp_path, "verbose": False}
    suites.daf_benchmark_suite(["random"], "quick", 8, **options)
    suites.daf_benchmark_suite(["noop"], "quick", 8, **options)
    suites.daf_benchmark_suite(["random"], "quick", 8, **options)  # the same again
    assert [entry["policy"] for entry in entries(board)] == ["random", "noop"]
    # Another policy under a taken name stays apart from it.
    suites.daf_benchmark_suite({"mine": "random"}, "quick", 8, **options)
    suites.daf_benchmark_suite({"random": PolicyConfig(class_path="miner")}, "quick", 8, **options)
    found = entries(board)
    assert [entry["policy"] for entry in found] == ["random", "random-2", "noop"]
    assert [entry["mean_rank"] for entry in found] == [1.0, 2.0, 3.0]
    first = found[0]
    assert set(first["missions"]) == set(suites.SUITES["quick"])
    assert first["missions"]["tutorial.miner"]["n_episodes"] == 8
    assert first["provenance"]["versions"]["cogames"] == "0.25.7"
    table = pd.read_csv(tmp_path / "leaderboard.csv")
    assert table["place"].tolist() == [1, 2, 3]
    # Other settings make another board: their scores are not compared.
    suites.daf_benchmark_suite(["noop"], "quick", 16, **options)
    assert len(json.loads(board.read_text())["boards"]) == 2


def test_the_leaderboard_holds_rewards_whatever_the_normalization(seen: list[ExperimentConfig], tmp_path: Path) -> None:
    # On this scale noop gets far more points than random rewards on the first mission; the others count downwards.
    board, options = tmp_path / "leaderboard.json", {"output_dir": tmp_path, "verbose": False}
    first, *others = suites.SUITES["quick"]
    scale = {"low": {first: -1.0} | dict.fromkeys(others, 3.0), "high": {first: -0.99} | dict.fromkeys(others, 1.0)}
    plain = suites.daf_benchmark_suite(["random"], "quick", 8, **options)
    level = {"confidence_level": 0.9}
    scaled = suites.daf_benchmark_suite({"noop": "noop"}, "quick", 8, normalization=scale, **level, **options)
    assert scaled.summary_statistics["mean"].max() > 50
    found = entries(board)
    assert [(entry["policy"], entry["mean_rank"]) for entry in found] == [("random", 1.0), ("noop", 2.0)]
    # What the fake run pays random it pays noop less one; the t interval of 8 equal-weight episodes moves along.
    rewards = pd.Series([(seed * 7 % 5) * 0.1 for seed in range(8)])
    for entry, shift, confidence in ((found[0], 1.0, 0.95), (found[1], 0.0, 0.9)):
        half = stats.t.ppf(0.5 + confidence / 2, 7) * rewards.sem()
        for figures in entry["missions"].values():
            assert figures["mean"] == pytest.approx(rewards.mean() + shift, abs=1e-9)
            assert figures["interval_low"] == pytest.approx(rewards.mean() + shift - half, abs=1e-9)
            assert figures["interval_high"] == pytest.approx(rewards.mean() + shift + half, abs=1e-9)
            assert figures["iqm"] == pytest.approx(stats.trim_mean(rewards, 0.25) + shift, abs=1e-9)
            assert figures["confidence_level"] == confidence
    assert found[0]["mean"] == pytest.approx(plain.summary_statistics["mean_reward"].mean(), abs=1e-9)


def test_boards_without_entries_or_places_stay_in_the_table(tmp_path: Path) -> None:
    """A file that was edited by hand, or restored in part."""
    entry = {"policy": "a", "identity": "i", "missions": {"m": {"mean": 1.0}}, "provenance": {}}
    boards = {"empty": {"setting": {}, "entries": []}, "unranked": {"setting": {}, "entries": [entry]}}
    path = tmp_path / "leaderboard.json"
    path.write_text(json.dumps(leaderboard.read_leaderboard(path) | {"boards": boards}))
    content = leaderboard.read_leaderboard(path)
    leaderboard._rank(content["boards"]["empty"]["entries"], ["m"])
    table = leaderboard._table(content)
    assert table[["board", "policy", "m"]].to_numpy().tolist() == [["unranked", "a", 1.0]]
    assert table["mean_rank"].isna().all()


def test_a_leaderboard_of_another_engine_is_refused_before_anything_is_played(
    seen: list[ExperimentConfig], tmp_path: Path
) -> None:
    board = tmp_path / "leaderboard.json"
    suites.daf_benchmark_suite(["random"], "quick", 8, output_dir=tmp_path, verbose=False)
    content = read_json(board)
    content["engine"]["mettagrid"] = "0.26.0"
    write_json(board, content)
    with pytest.raises(BadInputError, match=r"mettagrid 0\.26\.0") as caught:
        suites.daf_benchmark_suite(["noop"], "quick", 8, output_dir=tmp_path, verbose=False)
    assert "use another file" in str(caught.value)
    assert len(seen) == 1
    assert read_json(board) == content
    board.write_text("[]")
    with pytest.raises(BadInputError, match="daf-leaderboard/3"):
        leaderboard.check_engine(board)


def test_a_suite_that_has_changed_does_not_mix_with_its_old_self(
    seen: list[ExperimentConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suites.daf_benchmark_suite(["random"], "quick", 8, output_dir=tmp_path, verbose=False)
    monkeypatch.setitem(suites.SUITES, "quick", ("tutorial.miner",))
    with pytest.raises(BadInputError, match="have changed since"):
        suites.daf_benchmark_suite(["noop"], "quick", 8, output_dir=tmp_path, verbose=False)
    assert [entry["policy"] for entry in entries(tmp_path / "leaderboard.json")] == ["random"]


# ---- ablations --------------------------------------------------------------------------------------------


def run(**changes: object) -> DAFTrainingConfig:
    return DAFTrainingConfig.from_dict({"mission": "tutorial.miner", "seeds": [1, 2], "num_steps": 1000, **changes})


SETTINGS = {"missions": ["tutorial.miner"], "episodes_per_mission": 4}


def test_keys_of_a_training_run_are_switched_off_one_at_a_time(tmp_path: Path) -> None:
    components = ["hyperparameters.entropy_coef", "hyperparameters.normalize_advantages"]
    made = ablation.ablation_experiment(run(), components, SETTINGS, tmp_path)
    assert list(made.training) == ["full", "without-entropy_coef", "without-normalize_advantages"]
    full = made.training["full"].to_dict()
    for name, (key, off) in {
        "without-entropy_coef": ("entropy_coef", 0.0), "without-normalize_advantages": ("normalize_advantages", False),
    }.items():  # fmt: skip
        changed = made.training[name].to_dict()
        assert changed["hyperparameters"].pop(key) == off
        rest = {**full, "hyperparameters": {k: v for k, v in full["hyperparameters"].items() if k != key}}
        assert changed == rest
    comparison = made.comparisons["ablation"]
    assert comparison.reference == "full"
    assert comparison.policies == list(made.training)


def test_components_that_cannot_be_switched_are_refused(tmp_path: Path) -> None:
    cases: list[tuple[Any, str]] = [
        (["hyperparameters.entropy_coeff"], "did you mean 'hyperparameters.entropy_coef'"),
        (["hyperparameters.optimizer"], "have an obvious off"),
        (["hyperparameters.weight_decay"], "a component that is on"),
        ({"x": {"hyperparameters.entropy_coef": -1}}, "at least 0"),
        ({"x": {"hyperparameters.entropy": 0}}, "entropy_coef"),
        ({"a b": {"num_steps": 10}, "a-b": {"num_steps": 20}}, "'a-b' twice"),
    ]
    for components, text in cases:
        with pytest.raises((BadInputError, ConfigError), match=text):
            ablation.ablation_experiment(run(), components, SETTINGS, tmp_path)
    with pytest.raises(BadInputError, match="at least one component"):
        ablation.daf_policy_ablation(run(), [])
    with pytest.raises(BadInputError, match="missions to play"):
        ablation.daf_policy_ablation("random", ["stride"])
    with pytest.raises(ConfigError, match="a run with fixed hyperparameters"):
        ablation.daf_policy_ablation(run(sweep="s"), ["hyperparameters.entropy_coef"])


def test_arguments_of_a_policy_are_switched_off_from_their_defaults() -> None:
    full, *variants = ablation._policy_variants(
        PolicyConfig(class_path="lstm", init_kwargs={}), {"small": {}, "again": {}}
    )
    assert [variant.label for variant in (full, *variants)] == ["lstm", "small", "again"]
    changes = ablation._changes(["use_memory", "stride"], {"use_memory": True, "stride": 5})
    assert changes == {"without use_memory": {"use_memory": False}, "without stride": {"stride": 0}}


def test_a_team_is_known_by_its_members() -> None:
    """Another share, another member or another training of one makes another team; another name does not."""

    def identity(name: str = "mixed", learning_rate: float = 0.01, **shares: float) -> list[Any]:
        experiment = ExperimentConfig.from_dict(
            {
                "training": {"hall": {"hyperparameters": {"learning_rate": learning_rate}}},
                "policies": {"trained": {"training": "hall"}, name: {"policies": shares}},
                "comparisons": {"main": {"policies": [name], "missions": ["training_facility_1"]}},
            }
        )
        plan = Plan(experiment)
        return [leaderboard._identity(plan, checkpoint) for checkpoint in plan.checkpoints.of_policy(name)]

    assert identity(trained=1, random=1) == identity("renamed", trained=1, random=1)
    assert identity(trained=1, random=1) != identity(trained=1, random=2)
    assert identity(trained=1, random=1) != identity(trained=1, noop=1)
    assert identity(trained=1, random=1) != identity(learning_rate=0.02, trained=1, random=1)
