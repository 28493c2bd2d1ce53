"""Recipes: what decides a result changes the digest, what does not leaves it alone."""

from pathlib import Path

import pytest

from daf.config import DAFSweepConfig, DAFTrainingConfig, ExperimentConfig, MissionConfig
from daf.config.package_recipes import package_recipe
from daf.config.recipes import (
    SHIPPED_MISSIONS,
    MissionRecipe,
    PolicyRecipe,
    TrainingRecipe,
    TrialRecipe,
    checkpoint_label,
    evaluation_recipe,
    mission_label,
    policy_label,
    training_recipe,
    trial_recipe,
    with_hyperparameters,
)
from daf.errors import BadInputError, ConfigError
from daf.system.files import file_sha256


def run(**changes):
    return DAFTrainingConfig.from_dict({"mission": "tutorial.miner", **changes})


def test_the_digest_follows_what_decides_a_training():
    base = training_recipe(run(), 1, {}).digest
    assert training_recipe(run(), 1, {}).digest == base
    decisive = [
        training_recipe(run(num_steps=1), 1, {}),
        training_recipe(run(), 2, {}),
        training_recipe(run(init_kwargs={"hidden_size": 8}), 1, {}),
        training_recipe(run(hyperparameters={"gamma": 0.9}), 1, {}),
        training_recipe(run(mission="arena"), 1, {}),
        training_recipe(run(policy_class_path="lstm"), 1, {}),
        training_recipe(run(processes_per_machine=2), 1, {}),
    ]
    assert len({base, *(recipe.digest for recipe in decisive)}) == 1 + len(decisive)


def test_what_does_not_decide_a_training_is_not_in_its_recipe():
    base = training_recipe(run(), 1, {}).digest
    assert training_recipe(run(checkpoint_interval_steps=7, max_restarts=0, seeds=[1, 2, 3]), 1, {}).digest == base
    # 2 machines of 1 process and 1 machine of 2 share the work in the same way.
    spread = [run(num_machines=2), run(processes_per_machine=2)]
    assert len({training_recipe(one, 1, {}).digest for one in spread}) == 1


def test_a_recipe_survives_json_and_cannot_be_changed():
    recipe = training_recipe(run(init_kwargs={"a": [1, 2]}), 3, {})
    again = TrainingRecipe.model_validate(recipe.to_dict())
    assert again == recipe
    assert again.digest == recipe.digest
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 4


def test_a_mission_file_counts_by_content(tmp_path):
    path = tmp_path / "room.yaml"
    path.write_text("a: 1\n")
    first = MissionRecipe.of(str(path), {})
    assert first.name == "room"
    assert first.sha256 == file_sha256(path)
    path.write_text("a: 2\n")
    assert MissionRecipe.of(str(path), {}).digest != first.digest


def test_what_a_mission_name_means():
    mine = {"tutorial.miner": MissionConfig(source="arena", max_steps=5), "hall": MissionConfig(source="assembler_2")}
    assert MissionRecipe.of("tutorial.miner", mine).config.source == "arena"  # one's own name goes first
    assert MissionRecipe.of("arena", mine).config == MissionConfig(source="arena")
    assert MissionRecipe.of("arena", mine).sha256 is None
    shipped = file_sha256(SHIPPED_MISSIONS / "assembler_2.yaml")
    assert MissionRecipe.of("assembler_2", {}).sha256 == shipped
    assert MissionRecipe.of("hall", mine).sha256 == shipped


@pytest.mark.parametrize(
    ("name", "label"),
    [("tutorial.miner", "tutorial.miner"), ("a/b/room.v2.yaml", "room.v2"), ("x.py", "x"), ("x.json", "x")],
)
def test_labels(name, label):
    assert mission_label(name) == label


@pytest.mark.parametrize(
    ("class_path", "data_path", "label"),
    [
        ("random", None, "random"),
        ("mine.Policy", None, "Policy"),
        ("mine.Policy", Path("runs/best.pt"), "Policy-best"),
        (None, Path("runs/miner-0.1.0.zip"), "miner-0.1.0"),
    ],
)
def test_labels_of_policies(class_path, data_path, label):
    assert policy_label(class_path, data_path) == label


def test_labels_of_checkpoints():
    assert checkpoint_label("trained", None) == "trained"
    assert checkpoint_label("trained", 3) == PolicyRecipe(label="trained", train_seed=3).checkpoint_label
    assert checkpoint_label("trained", 3) == "trained-seed-3"


def test_a_policy_is_known_by_what_it_does_not_by_its_names():
    policy = PolicyRecipe(label="mine", class_path="lstm", weights_sha256=("1",))
    assert policy.identity() == policy.model_copy(update={"label": "other", "train_seed": 2}).identity()
    assert policy.identity() != policy.model_copy(update={"weights_sha256": ("2",)}).identity()
    assert policy.identity() != policy.model_copy(update={"init_kwargs": {"hidden_size": 8}}).identity()


def test_policy_recipes_survive_json():
    members = ((PolicyRecipe(label="a", training="run", train_seed=1), 3.0), (PolicyRecipe(label="random"), 1.0))
    team = PolicyRecipe(label="team", train_seed=1, members=members)
    assert PolicyRecipe.model_validate(team.to_dict()) == team
    assert [single.num_files for single in team.singles()] == [2, 0]


def test_a_package_is_what_the_deployment_section_says():
    data = {
        "missions": {"hall": {"source": "assembler_2", "max_steps": 5}},
        "policies": {"still": "noop"},
        "deployment": {"policy": "still", "version": "1.2.3", "description": "stands", "validation_mission": "hall"},
    }
    still = PolicyRecipe(label="still", class_path="noop")
    recipe = package_recipe(ExperimentConfig.from_dict(data), still)
    assert (recipe.policy, recipe.version, recipe.description) == (still, "1.2.3", "stands")
    assert recipe.mission.config.max_steps == 5
    sent = {**data, "deployment": {**data["deployment"], "endpoint": "registry", "season": "spring"}}
    assert package_recipe(ExperimentConfig.from_dict(sent), still).digest == recipe.digest
    with pytest.raises(BadInputError, match="a policy to package"):
        package_recipe(ExperimentConfig.from_dict({}), still)


def test_searched_values_reach_the_optimizer_and_the_policy():
    base = training_recipe(run(init_kwargs={"hidden_size": 8, "depth": 1}), 1, {})
    values = {"learning_rate": 0.5, "epochs": 3, "init_kwargs.hidden_size": 64}
    changed = with_hyperparameters(base, values)
    assert changed.hyperparameters.learning_rate == 0.5
    assert changed.hyperparameters.epochs == 3
    assert changed.hyperparameters.gamma == base.hyperparameters.gamma
    assert changed.init_kwargs == {"hidden_size": 64, "depth": 1}
    assert base.init_kwargs == {"hidden_size": 8, "depth": 1}
    assert base.hyperparameters.learning_rate == 0.002


@pytest.mark.parametrize(
    ("values", "found"), [({"learning_rat": 0.1}, "'learning_rat'"), ({"gamma": 2.0}, "2.0 (float)")]
)
def test_values_that_no_hyperparameter_takes(values, found):
    with pytest.raises(ConfigError) as caught:
        with_hyperparameters(training_recipe(run(), 1, {}), values)
    assert caught.value.found == found


def test_a_trial_is_the_sweeps_fixed_hyperparameters_with_the_proposal_in_their_place():
    sweep = DAFSweepConfig.from_dict(
        {
            "mission": "assembler_2",
            "search_space": {"gamma": [0.9, 0.99]},
            "hyperparameters": {"gamma": 0.5, "epochs": 4},
            "steps_per_trial": 123,
        }
    )
    trial = trial_recipe(sweep, {}, 250, stop_at_steps=None)
    recipe = trial.training_with({"gamma": 0.9}, 77)
    assert (recipe.hyperparameters.gamma, recipe.hyperparameters.epochs) == (0.9, 4)
    assert (recipe.num_steps, recipe.seed, recipe.world_size, recipe.mission.name) == (123, 77, 1, "assembler_2")
    assert (trial.max_action_time_ms, trial.episodes) == (250, sweep.episodes_per_trial)
    assert TrialRecipe.model_validate(trial.to_dict()) == trial


def test_shards_of_an_evaluation_cover_the_episodes_once():
    experiment = ExperimentConfig.from_dict({"evaluation": {"episodes_per_shard": 4}})
    policy = PolicyRecipe(label="random", class_path="random")
    recipes = [
        evaluation_recipe(experiment, policy=policy, mission="arena", shard=shard, num_episodes=10, first_seed=500)
        for shard in range(3)
    ]
    assert [(recipe.first_episode, recipe.num_episodes) for recipe in recipes] == [(0, 4), (4, 4), (8, 2)]
    assert {one.first_seed for one in recipes} == {500}
