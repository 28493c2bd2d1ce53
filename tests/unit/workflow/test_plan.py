"""The plan of an experiment: what is made, and that it is known without running anything."""

import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from daf.config import ExperimentConfig
from daf.config.package_recipes import package_recipe
from daf.config.recipes import with_hyperparameters
from daf.errors import BadInputError, ConfigError
from daf.system.user_code import code_in, differences, unfollowed_in_words
from daf.workflow.learning_plan import refuse_old_profile, take_per_job
from daf.workflow.plan import Plan, code_of_experiment, mission_recipes

COMPARISON = {"policies": ["trained", "random"], "missions": ["tutorial.miner"], "episodes_per_mission": 16}


def plan(**changes):
    base = {
        "training": {"miner": {"mission": "tutorial.miner", "seeds": [3, 1]}},
        "policies": {"trained": {"training": "miner"}, "random": "random"},
        "comparisons": {"main": COMPARISON},
    }
    return Plan(ExperimentConfig.from_dict(base | changes))


def test_planning_loads_no_engine():
    program = (
        "import sys; from daf.config import ExperimentConfig\n"
        "from daf.workflow.plan import Plan; import daf.workflow.preflight\n"
        "Plan(ExperimentConfig.from_dict({'comparisons': {'a': {'policies': ['random'], 'missions': ['arena']}}}))\n"
        "print([m for m in ('torch', 'mettagrid', 'cogames', 'pandas', 'optuna', 'numpy') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"


# ---- checkpoints -----------------------------------------------------------------------------------------------


def test_one_checkpoint_per_training_seed():
    made = plan().checkpoints.by_label
    assert list(made) == ["trained-seed-3", "trained-seed-1", "random"]
    one = made["trained-seed-1"]
    assert (one.policy, one.training, one.seed) == ("trained", "miner", 1)
    assert (made["random"].training, made["random"].seed) == (None, None)


def test_policies_that_nobody_asks_for_are_not_made():
    policies = {"trained": {"training": "miner"}, "random": "random", "spare": "noop"}
    assert "spare" not in plan(policies=policies).checkpoints.by_label


def test_a_policy_may_be_named_without_being_declared():
    comparison = {**COMPARISON, "policies": ["noop", "daf.engine.grid_policy.GridPolicy"]}
    made = plan(comparisons={"main": comparison}).checkpoints.by_label
    assert {label: one.config.class_path for label, one in made.items()} == {
        "noop": "noop",
        "GridPolicy": "daf.engine.grid_policy.GridPolicy",
    }


@pytest.mark.parametrize(
    ("policies", "compared", "found"),
    [
        ({}, ["a.Mine", "b.Mine"], "a.Mine and b.Mine"),
        ({"Mine": "noop"}, ["Mine", "b.Mine"], "noop and b.Mine"),
        (
            {"trained": {"training": "miner"}, "trained-seed-1": "noop"},
            ["trained", "trained-seed-1"],
            "seed 1 of training.miner and noop",
        ),
    ],
)
def test_two_policies_of_one_name_are_refused(policies, compared, found):
    """They would write the same files."""
    with pytest.raises(ConfigError) as caught:
        plan(policies=policies, comparisons={"main": {**COMPARISON, "policies": compared}})
    assert caught.value.found == found


def test_only_the_package_needs_the_policy():
    deployed = plan(comparisons={}, deployment={"policy": "trained"})
    assert list(deployed.checkpoints.by_label) == ["trained-seed-3", "trained-seed-1"]


@pytest.mark.parametrize(
    ("deployment", "label"),
    [
        ({"policy": "trained"}, "trained-seed-3"),  # the first seed
        ({"policy": "trained", "seed": 1}, "trained-seed-1"),
        ({"policy": "random"}, "random"),
    ],
)
def test_what_is_packaged(deployment, label):
    assert plan(deployment=deployment).checkpoints.deployed().label == label


def test_nothing_is_packaged_unless_asked():
    assert plan().checkpoints.deployed() is None
    assert plan(deployment={}).checkpoints.deployed() is None


# ---- episodes --------------------------------------------------------------------------------------------------


def test_all_compared_policies_are_listed_once_in_order():
    other = {"policies": ["baseline", "random", "trained"], "missions": ["arena"]}
    assert plan(comparisons={"a": COMPARISON, "b": other}).episodes.policies() == ["trained", "random", "baseline"]
    assert plan(comparisons={"b": other, "a": COMPARISON}).episodes.policies() == ["baseline", "random", "trained"]


def test_a_mission_is_played_as_often_as_its_most_demanding_comparison_wants():
    small = {"policies": ["random"], "missions": ["tutorial.miner", "arena"], "episodes_per_mission": 4}
    for comparisons in ({"a": COMPARISON, "b": small}, {"b": small, "a": COMPARISON}):
        made = plan(comparisons=comparisons)
        assert {mission: episodes.count for mission, episodes in made.episodes.by_mission.items()} == {
            "tutorial.miner": 16,
            "arena": 4,
        }
        assert made.episodes.players("arena") == ["random"]
        assert sorted(made.episodes.players("tutorial.miner")) == ["random", "trained-seed-1", "trained-seed-3"]


@pytest.mark.parametrize(("count", "shards"), [(1, 1), (8, 1), (9, 2), (16, 2), (17, 3)])
def test_shards(count, shards):
    made = plan(
        evaluation={"episodes_per_shard": 8}, comparisons={"main": {**COMPARISON, "episodes_per_mission": count}}
    )
    numbers = list(made.episodes.shards("tutorial.miner"))
    assert numbers == list(range(shards))
    played = [made.episodes.recipe("random", "tutorial.miner", number) for number in numbers]
    covered = [one.first_episode + step for one in played for step in range(one.num_episodes)]
    assert covered == list(range(count))


def test_episodes_have_one_seed_whoever_plays():
    first = plan().episodes.recipe("random", "tutorial.miner", 0)
    second = plan().episodes.recipe("trained-seed-1", "tutorial.miner", 0)
    assert first.first_seed == second.first_seed == 1_000_000


def test_two_comparisons_with_other_seeds_on_one_mission_are_refused():
    with pytest.raises(ConfigError) as caught:
        plan(comparisons={"a": COMPARISON, "b": {**COMPARISON, "evaluation_seed": 5}})
    assert caught.value.where == "comparisons.b.evaluation_seed"
    assert caught.value.found == "5"
    assert "1000000" in caught.value.expected


def test_two_missions_of_one_name_are_refused():
    missions = ["one/room.yaml", "two/room.yaml"]
    with pytest.raises(ConfigError) as caught:
        plan(comparisons={"a": {**COMPARISON, "missions": missions}})
    assert "'room'" in caught.value.expected
    assert caught.value.found == "one/room.yaml and two/room.yaml"


def test_pairs_of_a_comparison():
    made = plan(comparisons={"main": {**COMPARISON, "missions": ["arena", "rooms/room.yaml"]}})
    assert made.episodes.pairs("main") == [
        (checkpoint, mission)
        for mission in ("arena", "room")
        for checkpoint in ("trained-seed-3", "trained-seed-1", "random")
    ]


def test_what_trained_the_policies_of_a_comparison():
    team = {"policies": {"trained": 1, "random": 1}}
    made = plan(
        policies={"trained": {"training": "miner"}, "random": "random", "team": team},
        comparisons={"main": {**COMPARISON, "policies": ["trained", "team", "random"]}},
    )
    runs = ["miner/seed-3", "miner/seed-1"]
    assert made.training_of_comparison("main") == {
        "trained": {"runs": runs, "sweep": None},
        "team": {"runs": runs, "sweep": None, "team": True},
    }


def test_weights_count_by_content_not_by_path(tmp_path):
    def recipe(path, content):
        path.write_bytes(content)
        policies = {"mine": {"class_path": "lstm", "data_path": str(path)}}
        comparison = {**COMPARISON, "policies": ["mine"]}
        made = plan(policies=policies, comparisons={"main": comparison})
        return made.episodes.recipe("mine", "tutorial.miner", 0).digest

    first = recipe(tmp_path / "a.pt", b"weights")
    assert recipe(tmp_path / "b.pt", b"weights") == first
    assert recipe(tmp_path / "b.pt", b"other weights") != first
    model = recipe(tmp_path / "c.safetensors", b"weights")
    (tmp_path / "c.json").write_text("a description")
    described = recipe(tmp_path / "c.safetensors", b"weights")
    assert described != model
    (tmp_path / "c.json").write_text("another description")
    assert recipe(tmp_path / "c.safetensors", b"weights") != described
    (tmp_path / "a.json").write_text("no description: a.pt is not a trained model")
    assert recipe(tmp_path / "a.pt", b"weights") == first


def test_episodes_are_not_played_again_for_the_sake_of_a_comparison():
    """Confidence level, resamples and further policies of a comparison do not affect the evaluation."""
    base = plan().episodes.recipe("random", "tutorial.miner", 0).digest
    wider = {**COMPARISON, "confidence_level": 0.9, "num_resamples": 500, "policies": ["random", "noop"]}
    assert plan(comparisons={"main": wider}).episodes.recipe("random", "tutorial.miner", 0).digest == base


# ---- sweeps ----------------------------------------------------------------------------------------------------


def sweep(**changes):
    return {"s": {"mission": "arena", "search_space": {"gamma": [0.9, 0.95, 0.99]}, **changes}}


def test_trials():
    assert plan(sweeps=sweep(num_trials=3)).learning.sweep_plan("s").trials == range(3)
    assert len(plan(sweeps=sweep(strategy="grid", num_trials=99)).learning.sweep_plan("s").trials) == 3  # its points


def test_which_results_a_proposal_reads():
    made = plan(sweeps=sweep(num_trials=6, lag=2, strategy="bayesian")).learning.sweep_plan("s")
    assert [made.results_files(trial) for trial in range(4)] == [
        [],
        [],
        ["trial-0000/result.json"],
        ["trial-0000/result.json", "trial-0001/result.json"],
    ]
    for strategy in ("random", "grid", "quasi_random"):
        assert (
            plan(sweeps=sweep(num_trials=6, lag=1, strategy=strategy)).learning.sweep_plan("s").results_files(2) == []
        )
    budgeted = plan(sweeps=sweep(num_trials=6, lag=1, strategy="random", max_total_seconds=60.0))
    assert budgeted.learning.sweep_plan("s").results_files(1) == ["trial-0000/result.json"]


def test_more_trials_change_nothing_of_the_earlier_ones():
    few, many = (plan(sweeps=sweep(num_trials=n)).learning.sweep_plan("s") for n in (60, 600))
    assert few.trial_settings() == many.trial_settings()
    assert [few.results_files(n) for n in range(60)] == [many.results_files(n) for n in range(60)]
    longer = plan(sweeps=sweep(episodes_per_trial=9)).learning.sweep_plan("s")
    assert few.trial_settings() != longer.trial_settings()


@pytest.mark.parametrize("found", [0, -1, True, "many", 1.5])
def test_a_job_runs_at_least_one_trial_and_plays_at_least_one_match(found):
    with pytest.raises(BadInputError, match="trials_per_job of the profile"):
        take_per_job({"trials_per_job": found}, "trials")
    with pytest.raises(BadInputError, match="matches_per_job of the profile"):
        take_per_job({"matches_per_job": found}, "matches")


def test_trials_per_job_is_no_part_of_the_experiment():
    config = {"trials_per_job": 8, "name": "x"}
    assert take_per_job(config, "trials") == 8
    assert config == {"name": "x"}
    assert take_per_job(config, "trials") == 1


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"run_trial": {"trials_per_job": 8}}, "`trials_per_job` is now set under `config`"),
        ({"run_slot": {"mem_mb": 8000}}, "`run_slot` is now called `run_rung_trial`"),
    ],
)
def test_settings_of_earlier_profiles_are_refused_with_their_new_names(resources, words):
    with pytest.raises(BadInputError, match=words):
        refuse_old_profile(lambda rule: resources.get(rule, {}))
    refuse_old_profile(lambda rule: {"mem_mb": 8000} if rule == "run_trial" else {})


def test_the_time_for_an_action_decides_trials():
    """A class of the user's may be slow."""
    quick, slow = (
        plan(sweeps=sweep(), evaluation={"max_action_time_ms": limit}).learning.sweep_plan("s")
        for limit in (100, 5_000)
    )
    assert quick.trial_settings().max_action_time_ms == 100
    assert quick.trial_settings() != slow.trial_settings()
    assert quick.confirmation_settings(0).max_action_time_ms == 100


# ---- missions --------------------------------------------------------------------------------------------------


def sources(made):
    return [mission.config.source for mission in mission_recipes(made.experiment)]


def test_all_missions_each_once_as_written():
    made = plan(
        sweeps=sweep(),
        comparisons={"main": {**COMPARISON, "missions": ["tutorial.miner", "rooms/room.yaml"]}},
        deployment={"policy": "trained", "validation_mission": "assembler_2"},
    )
    assert sources(made) == ["arena", "tutorial.miner", "rooms/room.yaml", "assembler_2"]
    assert "assembler_2" not in sources(plan(deployment={"validation_mission": "assembler_2"}))


# ---- teams -----------------------------------------------------------------------------------------------------


def team_plan(**changes):
    policies = {"trained": {"training": "miner"}, "mixed": {"policies": {"trained": 3, "random": 1}}}
    return plan(policies=policies, comparisons={"main": COMPARISON | {"policies": ["mixed"]}}, **changes)


def test_a_team_has_a_checkpoint_per_training_seed_of_its_members():
    made = team_plan().checkpoints.by_label
    assert list(made) == ["mixed-seed-3", "mixed-seed-1"]
    one = made["mixed-seed-1"]
    assert (one.policy, one.seed, one.training) == ("mixed", 1, None)
    assert [(member.label, share) for member, share in one.members] == [("trained-seed-1", 3), ("random", 1)]
    assert [single.label for single in one.singles()] == ["trained-seed-1", "random"]
    recipe = team_plan().episodes.recipe("mixed-seed-1", "tutorial.miner", 0)
    assert [(member.label, share) for member, share in recipe.policy.members] == [
        ("trained", 3),
        ("random", 1),
    ]


def test_a_team_of_scripted_policies_is_one_checkpoint():
    made = plan(
        policies={"mixed": {"policies": {"random": 0.5, "baseline": 0.5}}},
        comparisons={"main": COMPARISON | {"policies": ["mixed"]}},
    ).checkpoints.by_label
    assert [(one.label, one.seed) for one in made.values()] == [("mixed", None)]


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ({"mixed": {"policies": {"random": 1}}}, "at least two members"),
        ({"mixed": {"policies": {"random": 1, "noop": 0}}}, "more than 0"),
        ({"mixed": {"policies": {"random": 1, "noop": 1}, "class_path": "random"}}, "excludes the other keys"),
        (
            {"mixed": {"policies": {"random": 1, "noop": 1}}, "both": {"policies": {"mixed": 1, "noop": 1}}},
            "members that are not teams",
        ),
        (
            {
                "a": {"training": "miner"},
                "b": {"training": "other"},
                "mixed": {"policies": {"a": 1, "b": 1}},
            },
            "the same training seeds",
        ),
    ],
)
def test_teams_that_cannot_be(policies, message):
    training = {
        "miner": {"mission": "tutorial.miner", "seeds": [3, 1]},
        "other": {"mission": "tutorial.miner", "seeds": [3, 2]},
    }
    with pytest.raises(ConfigError, match=message):
        plan(training=training, policies=policies, comparisons={})


def test_a_team_cannot_be_packaged():
    with pytest.raises(ConfigError, match="a single policy"):
        team_plan(deployment={"policy": "mixed", "version": "1.0.0", "validation_mission": "tutorial.miner"})


def test_paths_that_snakemake_would_read_as_patterns_are_refused_all_at_once(tmp_path: Path) -> None:
    old = tmp_path / "old {z}"
    old.mkdir()
    (old / "trials.json").write_text("{}")
    weights = old / "model.safetensors"
    weights.touch()
    space = {"learning_rate": [0.001, 0.002]}
    experiment = ExperimentConfig.from_dict(
        {
            "daf": {"output_dir": "out {x}"},
            "policies": {"mine": {"data_path": "w {y}/model.zip"}},
            "sweeps": {"s": {"search_space": space, "warm_start": str(old), "start_from": str(weights)}},
            "training": {"t": {"start_from": str(weights)}},
        }
    )
    with pytest.raises(ConfigError) as caught:
        Plan(experiment)
    assert [problem.where for problem in caught.value.problems] == [
        "daf.output_dir",
        "policies.mine.data_path",
        "sweeps.s.warm_start",
        "sweeps.s.start_from",
        "training.t.start_from",
    ]
    assert "wildcard" in caught.value.hint


def test_what_a_training_starts_from_is_made_or_given_before(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.touch()
    training = {
        "easy": {"seeds": [4, 2]},
        "hard": {"start_from": "easy", "seeds": [2, 3]},
        "given": {"start_from": str(weights)},
    }
    sweep = {"search_space": {"learning_rate": [0.001, 0.002]}, "start_from": "easy"}
    learning = plan(training=training, sweeps={"s": sweep}, policies={}, comparisons={}).learning
    first, second = (
        [f"<out>/training/easy/seed-{seed}/model.{suffix}" for suffix in ("safetensors", "json")] for seed in (4, 2)
    )
    assert learning.start_of_training("hard", 2) == second
    assert learning.start_of_training("hard", 3) == learning.start_of_trials("s") == first
    assert learning.start_of_training("easy", 4) == []
    assert learning.start_of_training("given", 1) == [str(weights)]
    weights.with_suffix(".json").touch()
    assert learning.start_of_training("given", 1) == [str(weights), str(weights.with_suffix(".json"))]
    trial = learning.sweep_plan("s").trial_settings()
    assert trial.training.start_from is not None
    assert trial.training.start_from.seed == 4


def test_a_teacher_is_trained_before_its_pupil_or_its_weights_are_given(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"x")
    policies = {"trained": {"training": "easy"}, "given": {"class_path": "lstm", "data_path": str(weights)}}
    training = {
        "easy": {"seeds": [4, 2]},
        **{name: {"teacher": {"policy": name, "steps": 9}, "seeds": [2]} for name in ("trained", "given", "baseline")},
    }
    learning = plan(training=training, policies=policies, comparisons={}).learning
    folder = "<out>/training/easy/seed-2"
    assert learning.teacher_of_training("trained", 2) == [f"{folder}/model.safetensors", f"{folder}/model.json"]
    assert learning.teacher_of_training("given", 2) == [str(weights)]
    assert learning.teacher_of_training("baseline", 2) == learning.teacher_of_training("easy", 2) == []
    recipes = {name: learning.training(name, 2).teacher for name in training}
    assert recipes["easy"] is None
    assert recipes["trained"] is not None
    assert (recipes["trained"].training, recipes["trained"].seed) == ("easy", 2)
    assert recipes["baseline"] is not None
    assert recipes["baseline"].class_path == "baseline"


def test_partners_are_trained_before_or_their_weights_are_given(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"x")
    policies = {"trained": {"training": "easy"}, "given": {"class_path": "lstm", "data_path": str(weights)}}
    partners = {"pool": ["baseline", "trained", "given"], "validation": ["trained"]}
    training = {"easy": {"seeds": [4, 2]}, "hard": {"partners": partners, "seeds": [2]}}
    learning = plan(training=training, policies=policies, comparisons={}).learning
    folder = "<out>/training/easy/seed-2"
    both = [f"{folder}/model.safetensors", f"{folder}/model.json"]
    assert learning.partners_of_training("hard", 2) == [*both, str(weights), *both]
    assert learning.partners_of_training("easy", 2) == []
    recipe = learning.training("hard", 2).partners
    assert recipe is not None
    assert [(policy.class_path, policy.training, policy.seed) for policy in recipe.policies] == [
        ("baseline", None, None), (None, "easy", 2), ("lstm", None, None), (None, "easy", 2),
    ]  # fmt: skip
    assert learning.training("easy", 2).partners is None


# ---- the user's code in recipes ----------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder on the path with a policy, its helper, and a mission with its own."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    texts = {"mine.py": "import helper", "helper.py": "1", "arena_mine.py": "import size", "size.py": "1", "t.txt": "1"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return tmp_path


MINE = {"class_path": "mine.Policy", "init_kwargs": {"table": "t.txt"}}
OWN = {"training": {"a": {"policy_class_path": "mine.Policy", "mission": "arena_mine.py"}}} | {
    "policies": {
        "mine": MINE,
        "trained": {"training": "a"},
        "team": {"policies": {"mine": 1, "random": 1}},
        "loaded": {"class_path": "mine.Policy", "data_path": "t.txt"},
    },
    "sweeps": {
        "s": {
            "policy_class_path": "mine.Policy",
            "search_space": {"init_kwargs.table": ["t.txt", "none"], "learning_rate": [0.1, 0.2]},
        }
    },
    "comparisons": {
        "main": {**COMPARISON, "policies": ["mine", "trained", "team", "loaded", "random"], "missions": ["own"]}
    },
    "missions": {"own": {"source": "arena_mine.py"}},
    "deployment": {"policy": "mine", "validation_mission": "own"},
}


def recipes():
    """Every recipe of the experiment, by what it makes."""
    made = plan(**OWN)
    evaluations = {label: made.episodes.recipe(label, "own", 0) for label in made.checkpoints.by_label}
    package = package_recipe(made.experiment, made.checkpoints.deployed().recipe())
    trial, mission = made.learning.sweep_plan("s").trial_settings(), made.episodes.mission_recipe("own")
    training = made.learning.training("a", 1)
    return evaluations | {"package": package, "trial": trial, "training": training, "mission": mission}


ON_MISSION = {"mine", "trained-seed-1", "team", "loaded", "random", "package", "mission", "training"}
WITH_CLASS = {"mine", "trained-seed-1", "team", "loaded", "package", "trial", "training"}


@pytest.mark.parametrize(
    ("file", "followers"),
    [
        ("mine.py", WITH_CLASS),
        ("helper.py", WITH_CLASS),
        ("arena_mine.py", ON_MISSION),
        ("size.py", ON_MISSION),
        ("t.txt", {"mine", "team", "package", "trial", "loaded"}),
    ],
)
def test_every_recipe_follows_the_code_that_it_runs(own, file, followers):
    before = recipes()
    (own / file).write_text("edited")
    after = recipes()
    assert {name for name in before if before[name] != after[name]} == followers
    (own / file).write_text("something else again")  # in words: the file, wherever it is in the recipe
    for name in followers - {"loaded"}:
        assert f"{file} changed" in differences(code_in(after[name].to_dict()), code_in(recipes()[name].to_dict()))


def test_code_that_cannot_be_followed_is_named(own):
    """The Snakefile prints a warning for each such module."""
    experiment = plan(**OWN).experiment
    assert set(code_of_experiment(experiment).files) == {"mine.py", "helper.py", "arena_mine.py", "size.py", "t.txt"}
    assert code_of_experiment(experiment).unfollowed == ()
    (own / f"compiled{EXTENSION_SUFFIXES[0]}").write_bytes(b"")
    for file in ("size.py", "helper.py"):
        (own / file).write_text("import compiled")
        (warning,) = unfollowed_in_words(code_of_experiment(experiment))
        assert "'compiled' has no source file" in warning
        (own / file).write_text("without it")


def test_a_value_found_by_a_sweep_is_followed_if_it_names_a_file(own):
    recipe = plan(**OWN).learning.training("a", 1)
    assert "t.txt" not in recipe.code.files
    assert "t.txt" in with_hyperparameters(recipe, {"init_kwargs.table": "t.txt"}).code.files


def test_the_leaderboard_knows_an_edited_policy_from_the_one_before(own):
    def identity():
        return plan(**OWN).checkpoints.by_label["mine"].recipe().identity()

    before = identity()
    assert identity() == before
    (own / "helper.py").write_text("edited")
    assert identity() != before


def test_another_package_than_the_experiments_is_refused(own: Path) -> None:
    checkpoints = plan(**OWN).checkpoints
    assert checkpoints.packaged("mine").label == "mine"
    with pytest.raises(BadInputError) as caught:
        checkpoints.packaged("mines")
    assert (caught.value.found, caught.value.hint) == ("'mines'", "did you mean 'mine'?")


def test_an_interim_analysis_that_a_comparison_does_not_have_is_refused(own: Path) -> None:
    with pytest.raises(BadInputError, match="interim analysis of comparison 'main'"):
        plan(**OWN).episodes.shards_of_interim_analysis("main", 1)
