"""Several missions in one training: which are played and when, and that it resumes and shares work without a trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daf.config import CurriculumConfig, DAFTrainingConfig, ExperimentConfig, MissionConfig, WeightedMission
from daf.config.curriculum import CurriculumRecipe, PhaseRecipe, WeightedRecipe, curriculum_recipe
from daf.config.frozen_policy import FrozenPolicyRecipe
from daf.config.partners import HistoryRecipe, PartnersRecipe
from daf.config.recipes import HeldOutRecipe, MissionRecipe, TrainingRecipe, training_recipe, trial_recipe
from daf.config.teacher import TeacherRecipe
from daf.distributed.process_group import Group
from daf.engine.missions import resolve_mission
from daf.engine.stepping import MissionMix, episode_mission
from daf.engine.vector import VectorEnvironment
from daf.errors import BadInputError
from daf.system.json_files import read_json
from daf.training.curriculum import Curriculum, Played, absolute_progress
from daf.training.launch import run_training
from daf.training.trainable import check_recipe
from daf.training.trainer import Trainer
from tests.unit.training.small import metrics_of, options_of
from tests.unit.training.test_loop import CPU, UPDATE_STEPS, Crash, crash, recipe_of, run, stop_in_update

# Episodes of both end inside of rollouts.
MISSIONS = {
    "short": MissionConfig(source="training_facility_1", max_steps=21),
    "shorter": MissionConfig(source="training_facility_1", max_steps=9),
}


def weighted(**weights: float) -> tuple[WeightedRecipe, ...]:
    return tuple(
        WeightedRecipe(mission=MissionRecipe.of(name, MISSIONS), weight=weight) for name, weight in weights.items()
    )


def mixed(mode: str = "constant", *, updates: int = 4, **how: Any) -> TrainingRecipe:
    """A run of some updates on both missions, whose target is `short`."""
    missions = how.pop("missions", weighted(short=1, shorter=2))
    found = CurriculumRecipe(missions=missions, mode=mode, **how)
    return recipe_of(updates=updates, num_envs=8).model_copy(
        update={"curriculum": found, "num_steps": 2 * updates * UPDATE_STEPS}
    )


FIXED = {
    "schedule": (
        PhaseRecipe(until=0.5, weights=(0, 1)),
        PhaseRecipe(until=1, weights=(1, 0)),
    )
}
PROGRESS = {"window": 2, "floor": 0.2}
TEACHER = TeacherRecipe(class_path="starter", steps=6 * UPDATE_STEPS)
PARTNERS = PartnersRecipe(
    pool=(FrozenPolicyRecipe(class_path="starter"),), history=HistoryRecipe(every=UPDATE_STEPS), share=0.6
)


def model(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


# ---- which mission an episode plays ---------------------------------------------------------------------------


def test_an_episodes_mission_is_drawn_by_weight_from_its_numbers_alone() -> None:
    weights = np.array([1.0, 0.0, 3.0])
    drawn = [episode_mission(1, env, episode, weights) for env in range(40) for episode in range(100)]
    assert drawn == [episode_mission(1, env, episode, weights * 7) for env in range(40) for episode in range(100)]
    counts = np.bincount(drawn, minlength=3) / len(drawn)
    assert counts[1] == 0
    assert counts[2] == pytest.approx(0.75, abs=0.02)
    for changed in (
        [episode_mission(2, env, episode, weights) for env in range(40) for episode in range(100)],
        [episode_mission(1, env + 40, episode, weights) for env in range(40) for episode in range(100)],
        [episode_mission(1, env, episode + 100, weights) for env in range(40) for episode in range(100)],
    ):
        assert 0.5 < np.mean(np.equal(changed, drawn)) < 0.75  # by chance .625


def test_missions_change_between_episodes_only_and_come_back_with_the_state() -> None:
    missions = tuple(resolve_mission(config, name) for name, config in MISSIONS.items())
    environment = VectorEnvironment(MissionMix(missions, (0.0, 1.0)), num_envs=3, seed=1)
    environment.set_weights([1.0, 0.0])
    for _ in range(5):
        environment.step()
    state = environment.state()
    assert state["mission"] == [1, 1, 1]
    other = VectorEnvironment(MissionMix(missions, (1.0, 0.0)), num_envs=3, seed=1)
    other.restore(state)
    ended = []
    for env in (environment, other):
        ended.append([(one.mission, one.facts.length) for _ in range(30) for one in env.step()[3]])
    assert ended[0] == ended[1] == [(1, 9)] * 3 + [(0, 21)] * 3
    assert (environment.buffers.observations == other.buffers.observations).all()


# ---- weights --------------------------------------------------------------------------------------------------


def test_a_fixed_schedule_changes_the_weights_at_its_steps(tmp_path: Path) -> None:
    run(mixed("fixed", **FIXED), tmp_path)
    lines = metrics_of(tmp_path)
    weights = [line["mission_weight"]["shorter"] for line in lines]
    assert weights == [1, 1, 0, 0]
    assert lines[0]["mission_episodes"]["short"] == lines[1]["mission_episodes"]["short"] == 0
    assert lines[1]["mission_episodes"]["shorter"] > 0
    assert lines[2]["mission_episodes"]["shorter"] == 8  # that had begun before
    assert lines[3]["mission_episodes"] == {"short": 8, "shorter": 0}
    assert lines[1]["episode_length"] == 9
    assert lines[3]["episode_length"] == 21


def test_the_shares_of_episodes_are_those_of_the_weights() -> None:
    missions = tuple(resolve_mission(config, name) for name, config in MISSIONS.items())
    environment = VectorEnvironment(MissionMix(missions, (1.0, 3.0)), num_envs=8, seed=3)
    ended = [one.mission for _ in range(600) for one in environment.step()[3]]
    assert np.mean(ended) == pytest.approx(0.75, abs=0.06)


def progress_of(recipe: CurriculumRecipe, *updates: list[tuple[int, float | None]]) -> Curriculum:
    curriculum = Curriculum(recipe, 1000)
    for episodes in updates:
        curriculum.observe([Played(mission, 0.0, None, objective) for mission, objective in episodes])
    return curriculum


def test_learning_progress_prefers_the_mission_that_moves_up_or_down() -> None:
    recipe = CurriculumRecipe(missions=weighted(short=1, shorter=3), mode="learning_progress", window=4, floor=0.2)
    still, rising, falling = [(0, 0.5)] * 4, [(1, 0.0), (1, 0.0), (1, 0.6), (1, 0.6)], [(1, 0.6)] * 2 + [(1, 0.0)] * 2
    for moving in (rising, falling):
        assert progress_of(recipe, still, moving).weights_at(0) == pytest.approx([0.2 * 0.25, 0.2 * 0.75 + 0.8])
    halves = [(0, 0.0), (0, 0.0), (0, 0.2), (0, 0.2)]
    assert progress_of(recipe, rising, halves).weights_at(0) == pytest.approx([0.05 + 0.2, 0.15 + 0.6])
    # Only the last episodes count.
    assert progress_of(recipe, rising, still, [(1, 0.6)] * 4, halves).weights_at(0) == pytest.approx([0.85, 0.15])


def test_without_enough_episodes_or_progress_the_missions_own_weights_hold() -> None:
    recipe = CurriculumRecipe(missions=weighted(short=1, shorter=3), mode="learning_progress", window=4, floor=0.0)
    moving = [(1, 0.0), (1, 0.0), (1, 0.6), (1, 0.6)]
    for seen in ([], moving, [*moving, (0, 0.5), (0, 0.5), (0, 0.5), (0, None)], [(0, 1.0)] * 9 + [(1, 2.0)] * 9):
        assert progress_of(recipe, seen).weights_at(10**6) == [0.25, 0.75]


def test_progress_is_the_difference_of_two_halves() -> None:
    assert absolute_progress([5.0, 1.0, 2.0, 6.0], 4) == 1.0
    assert absolute_progress([9.0, 1.0, 4.0], 3) == 3.0  # of an odd number, the first does not count
    assert absolute_progress([1.0], 2) is None


def test_the_progress_that_counts_is_that_of_the_runs_objective(tmp_path: Path) -> None:
    curriculum = CurriculumConfig(mode="learning_progress")
    recipe = training_recipe(run_of(curriculum=curriculum, objective_metric="length"), 1, MISSIONS)
    assert recipe.curriculum is not None
    assert recipe.curriculum.objective_metric == "length"
    run(mixed("learning_progress", updates=2, objective_metric="length", **PROGRESS), tmp_path)  # not evaluated
    assert metrics_of(tmp_path)[-1]["mission_objective"] == {"short": 21, "shorter": 9}


def test_learning_progress_is_measured_while_training(tmp_path: Path) -> None:
    run(mixed("learning_progress", updates=6, **PROGRESS), tmp_path)
    weights = [line["mission_weight"]["shorter"] for line in metrics_of(tmp_path)]
    assert weights[0] == pytest.approx(2 / 3)
    assert len(set(weights)) > 2


# ---- the same bytes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "how", "others"),
    [
        ("learning_progress", PROGRESS, {}),
        pytest.param("fixed", FIXED, {}, marks=pytest.mark.long),
        pytest.param("learning_progress", PROGRESS, {"teacher": TEACHER}, marks=pytest.mark.long),
        pytest.param("fixed", FIXED, {"teacher": TEACHER, "partners": PARTNERS}, marks=pytest.mark.long),
    ],
    ids=["progress", "fixed", "teacher", "teacher-and-partners"],
)
def test_killed_resumed_and_with_workers_it_ends_with_the_same_bytes(
    mode: str, how: dict[str, Any], others: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = mixed(mode, **how).model_copy(update=others)
    run(recipe, tmp_path / "whole")
    assert len({str(line["mission_weight"]) for line in metrics_of(tmp_path / "whole")}) > 1
    for update in (2, 3, 4):
        with monkeypatch.context() as patch:
            stop_in_update(patch, update, crash)
            with pytest.raises(Crash):
                run(recipe, tmp_path / str(update))
        run(recipe, tmp_path / str(update))
        assert model(tmp_path / str(update)) == model(tmp_path / "whole")
        assert metrics_of(tmp_path / str(update)) == metrics_of(tmp_path / "whole")
    for workers in (1, 2):
        folder = tmp_path / f"workers-{workers}"
        run_training(recipe, folder, options_of(env_workers=workers))
        assert model(folder) == model(tmp_path / "whole")
        assert metrics_of(folder) == metrics_of(tmp_path / "whole")


@pytest.mark.long
def test_ranks_agree_on_the_weights_and_resume(tmp_path: Path) -> None:
    recipe = mixed("learning_progress", **PROGRESS).model_copy(update={"world_size": 2})
    for name, workers in (("a", 0), ("b", 1)):
        assert run_training(recipe, tmp_path / name, options_of(env_workers=workers)).status == "completed"
    assert model(tmp_path / "a") == model(tmp_path / "b")
    assert metrics_of(tmp_path / "a") == metrics_of(tmp_path / "b")
    assert len({str(line["mission_weight"]) for line in metrics_of(tmp_path / "a")}) > 1


# ---- evaluations ----------------------------------------------------------------------------------------------


def test_every_mission_is_evaluated_and_the_target_decides_what_is_published(tmp_path: Path) -> None:
    held_out = HeldOutRecipe(
        num_evaluations=2, episodes=3, seed=900, objective_metric="length", optimize_direction="maximize"
    )
    target = MissionRecipe.of("target", {"target": MissionConfig(source="training_facility_1", max_steps=15)})
    for name, mission, length in (("of-them", None, 21), ("another", target, 15)):
        recipe = mixed().model_copy(update={"held_out": held_out} | ({"mission": mission} if mission else {}))
        run(recipe, tmp_path / name)
        record = read_json(tmp_path / name / "run.json")
        expected = {recipe.mission.name: length, "short": 21, "shorter": 9}
        for evaluation in record["evaluations"]:
            found = {name: one["objective"] for name, one in evaluation["missions"].items()}
            assert found == expected
            assert [one["episodes"] for one in evaluation["missions"].values()] == [3] * len(expected)
        assert record["published"]["objective"] == length
        assert read_json(tmp_path / name / "model.json")["mission"] == recipe.mission.name
        lines = [line["mission_held_out"] for line in metrics_of(tmp_path / name)]
        assert lines == [dict.fromkeys(expected), expected] * 2


# ---- recipes and checks ---------------------------------------------------------------------------------------


def run_of(**changes: Any) -> DAFTrainingConfig:
    missions = [WeightedMission(mission="shorter"), WeightedMission(mission="short", weight=3)]
    return DAFTrainingConfig(missions=missions, num_steps=1000, **changes)


def test_the_recipe_of_several_missions(tmp_path: Path) -> None:
    found = training_recipe(run_of(), 1, MISSIONS)
    assert found.mission.name == "short"
    assert found.curriculum == CurriculumRecipe(missions=weighted(shorter=1, short=3))
    schedule = [{"until": 0.5, "weights": {"shorter": 2}}, {"until": 1, "weights": {"short": 1, "shorter": 1}}]
    fixed = run_of(curriculum=CurriculumConfig(mode="fixed", schedule=schedule))
    recipe = curriculum_recipe(fixed, MISSIONS)
    assert recipe is not None
    assert [(one.until, one.weights) for one in recipe.schedule] == [(0.5, (2, 0)), (1, (1, 1))]
    progress = training_recipe(run_of(curriculum=CurriculumConfig(mode="learning_progress")), 1, MISSIONS)
    assert TrainingRecipe.model_validate(progress.to_dict()) == progress
    assert "curriculum" not in recipe_of().to_dict()
    file = tmp_path / "own.yaml"
    source = Path("config/missions/training_facility_1.yaml").read_text()
    digests = set()
    for text in (source, source.replace("max_steps: 150", "max_steps: 160")):
        file.write_text(text)
        digests.add(training_recipe(run_of(), 1, {**MISSIONS, "shorter": MissionConfig(source=str(file))}).digest)
    assert len(digests) == 2


def test_trials_of_a_sweep_train_on_the_missions_of_its_run() -> None:
    schedule = [{"until": 0.5, "weights": {"shorter": 2}}, {"until": 1, "weights": {"short": 1}}]
    run = {
        "missions": [{"mission": "shorter"}, {"mission": "short"}],
        "curriculum": {"mode": "fixed", "schedule": schedule},
    }
    experiment = ExperimentConfig.from_dict(
        {
            "missions": {name: mission.to_dict() for name, mission in MISSIONS.items()},
            "training": {"mixed": run},
            "sweeps": {"mixed": {"training": "mixed", "search_space": {"learning_rate": [0.001, 0.002]}}},
        }
    )
    sweep = experiment.sweeps["mixed"]
    base = training_recipe(experiment.training["mixed"], 0, MISSIONS)
    recipe = trial_recipe(sweep, MISSIONS, 100, stop_at_steps=None, base=base).training
    assert recipe.mission.name == "short"
    assert recipe.num_steps == sweep.steps_per_trial
    assert recipe.curriculum == base.curriculum
    assert base.curriculum is not None


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (MissionConfig(source="assembler_2"), "the same observation shape as on 'short'"),
        (MissionConfig(source="tutorial.miner", num_agents=2), "4 agents, as on 'short'"),
    ],
)
def test_missions_that_do_not_fit_together(other: MissionConfig, expected: str) -> None:
    missions = (*weighted(short=1), WeightedRecipe(mission=MissionRecipe.of("x", {"x": other}), weight=1))
    with pytest.raises(BadInputError) as error:
        check_recipe(mixed(missions=missions))
    assert error.value.expected.startswith(expected)
    assert error.value.where == "mission 'x'"
    mix = MissionMix((resolve_mission(MISSIONS["short"], "short"), resolve_mission(other, "x")), (1.0, 1.0))
    with pytest.raises(BadInputError, match="the same agents and observations"):
        VectorEnvironment(mix, num_envs=2, seed=1)


def test_a_run_with_one_mission_has_no_curriculum() -> None:
    trainer = Trainer(recipe_of(), Group(), CPU)
    assert trainer.curriculum is None
    assert "curriculum" not in trainer.state()
    assert "mission" not in trainer.environment.state()
