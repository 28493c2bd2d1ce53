"""Wrong configurations are refused with the file, the key and a suggestion; right ones survive a round trip."""

import json
from pathlib import Path
from typing import Any

import pytest

from daf.config import (
    CategoricalParameter,
    DAFComparisonConfig,
    DAFConfig,
    DAFSweepConfig,
    DAFTrainingConfig,
    ExperimentConfig,
    FloatParameter,
    HalvingConfig,
    Hyperparameters,
    IntParameter,
    PolicyConfig,
)
from daf.errors import ConfigError
from daf.system.validated import VERSION_HINT, VERSION_PATTERN
from daf.system.yaml_files import parse_yaml

SPACE = {"learning_rate": {"type": "float", "low": 1e-4, "high": 1e-2, "log": True}}


def experiment(**sections: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "missions": {"short": {"source": "tutorial.miner", "max_steps": 100}},
        "sweeps": {"first": {"search_space": SPACE, "num_trials": 4}},
        "training": {"miner": {"mission": "short", "sweep": "first", "seeds": [1, 2]}},
        "policies": {"mine": {"training": "miner"}, "random": "random"},
        "comparisons": {"main": {"policies": ["mine", "random"], "missions": ["short"]}},
        "deployment": {"policy": "mine", "seed": 2},
    }
    return {**base, **sections}


def problem(data: dict[str, Any]) -> Any:
    """The only problem of an experiment."""
    with pytest.raises(ConfigError) as caught:
        ExperimentConfig.from_dict(data, source="my.yaml")
    assert len(caught.value.problems) == 1, str(caught.value)
    return caught.value.problems[0]


def test_a_whole_experiment_is_read() -> None:
    config = ExperimentConfig.from_dict(experiment())
    assert config.policies["random"].class_path == "random"
    assert config.sweeps["first"].name == "first"
    assert config.training["miner"].hyperparameters == Hyperparameters()


@pytest.mark.parametrize(("section", "content", "where", "found", "hint"), [
    ("polices", {}, "my.yaml: polices", "'polices'", "did you mean 'policies'?"),
    ("daf", {"sed": 1}, "my.yaml: daf.sed", "'sed'", "did you mean 'seed'?"),
    ("training", {"miner": {"hyperparameters": {"learning_rat": 1}}},
     "my.yaml: training.miner.hyperparameters.learning_rat", "'learning_rat'", "did you mean 'learning_rate'?"),
    ("sweeps", {"first": {"search_space": {"gamma": {"type": "float", "low": 0, "hihg": 1, "high": 1}}}},
     "my.yaml: sweeps.first.search_space.gamma.hihg", "'hihg'", "did you mean 'high'?"),
    ("policies", {"mine": {"training": "miner"}, "x": {"class_pth": "a"}}, None,
     "'class_pth'", "did you mean 'class_path'?"),
])  # fmt: skip
def test_unknown_keys_are_named_with_a_suggestion(
    section: str, content: Any, where: str | None, found: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        ExperimentConfig.from_dict({**experiment(), section: content}, source="my.yaml")
    first = next(one for one in caught.value.problems if one.found == found)
    assert first.expected == "a known key"
    assert first.hint == hint
    assert where is None or first.where == where


@pytest.mark.parametrize(("content", "key", "expected", "found"), [
    ({"seed": "forty"}, "seed", "an integer", "'forty' (str)"),
    ({"seed": -1}, "seed", "at least 0", "-1 (int)"),
    ({"seed": 2**31}, "seed", "less than 2147483648", "2147483648 (int)"),
    ({"seed": 1.5}, "seed", "an integer", "1.5 (float)"),
    ({"max_parallel_jobs": 0}, "max_parallel_jobs", "at least 1", "0 (int)"),
    ({"min_free_disk_gb": "inf"}, "min_free_disk_gb", "a finite number", "'inf' (str)"),
    ({"device": "gpu"}, "device", "'auto', 'cpu' or 'cuda'", "'gpu' (str)"),
])  # fmt: skip
def test_wrong_values_say_what_was_expected_and_found(content: Any, key: str, expected: str, found: str) -> None:
    one = problem({"daf": content})
    assert (one.where, one.expected, one.found) == (f"my.yaml: daf.{key}", expected, found)


@pytest.mark.parametrize(
    ("value", "hint"), [("many", "`env_workers` is: processes that step"), ("3", "leave the quotes out")]
)
def test_a_number_that_may_be_auto_says_both(value: str, hint: str) -> None:
    content = {**experiment(), "training": {"run": {"mission": "m", "env_workers": value}}}
    with pytest.raises(ConfigError) as caught:
        ExperimentConfig.from_dict(content, source="my.yaml")
    (one,) = [problem for problem in caught.value.problems if problem.where.endswith("env_workers")]
    assert (one.expected, one.found) == ("a whole number or 'auto'", f"'{value}' (str)")
    assert one.hint.startswith(hint)


def test_a_wrong_word_gets_a_suggestion() -> None:
    assert problem({"daf": {"log_level": "warnin"}}).hint == "did you mean 'warning'?"


def test_a_misspelt_key_is_not_reported_as_missing_too() -> None:
    comparison = {"polcies": ["random", "baseline"], "missions": ["arena"], "episodes_per_mission": 4}
    with pytest.raises(ConfigError) as caught:
        ExperimentConfig.from_dict({**experiment(), "comparisons": {"main": comparison}}, source="my.yaml")
    (one,) = caught.value.problems
    assert (one.where, one.hint) == ("my.yaml: comparisons.main.polcies", "did you mean 'policies'?")
    with pytest.raises(ConfigError) as caught:
        ExperimentConfig.from_dict({**experiment(), "comparisons": {"main": {"missions": ["arena"]}}}, source="my.yaml")
    assert "my.yaml: comparisons.main.policies" in [problem.where for problem in caught.value.problems]


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        ExperimentConfig.from_dict({"daf": {"seed": -1, "device": "tpu"}, "evaluation": {"episodes_per_shard": 0}})
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(("section", "content", "where", "hint"), [
    ("training", {"miner": {"sweep": "frist", "seeds": [2]}}, "training.miner.sweep", "did you mean 'first'?"),
    ("policies", {"mine": {"training": "minr"}}, "policies.mine.training", "did you mean 'miner'?"),
    ("deployment", {"policy": "mien"}, "deployment.policy", "did you mean 'mine'?"),
    ("deployment", {"policy": "mine", "seed": 3}, "deployment.seed", "known: 1, 2"),
])  # fmt: skip
def test_references_inside_the_file_must_exist(section: str, content: Any, where: str, hint: str) -> None:
    one = problem(experiment(**{section: content}))
    assert one.where == f"my.yaml: {where}"
    assert one.hint == hint


@pytest.mark.parametrize(("policies", "training", "found"), [
    (["random"], {}, "none"),
    (["mine", "random"], {"num_evaluations": 0}, "num_evaluations: 0 in 'miner'"),
])  # fmt: skip
def test_learning_curves_need_a_training_run_that_is_evaluated(
    policies: list[str], training: dict[str, int], found: str
) -> None:
    content = experiment()
    content["training"]["miner"] |= training
    main = {"policies": policies, "missions": ["tutorial.miner"], "learning_curves": {"score": 1.0}}
    one = problem(content | {"comparisons": {"main": main}})
    assert (one.where, one.found) == ("my.yaml: comparisons.main.learning_curves", found)


def test_a_sweep_is_named_by_its_key() -> None:
    one = problem({"sweeps": {"first": {"name": "other", "search_space": SPACE}}})
    assert (one.where, one.found) == ("my.yaml: sweeps.first.name", "'other'")


def test_policies_are_one_kind() -> None:
    assert PolicyConfig.model_validate("lstm").class_path == "lstm"
    assert "excludes the other keys" in problem({"policies": {"x": {"training": "t", "class_path": "a"}}}).expected
    assert "is required" in problem({"policies": {"x": {}}}).expected


def test_search_parameters_of_every_kind() -> None:
    space = DAFSweepConfig(
        search_space={
            "learning_rate": {"type": "float", "low": 1e-4, "high": 1e-2, "log": True},
            "epochs": {"type": "int", "low": 1, "high": 4},
            "minibatch_size": [256, 512],
            "normalize_advantages": {"type": "categorical", "choices": [True, False]},
        }  # type: ignore[arg-type]
    ).search_space
    assert [type(parameter) for parameter in space.values()] == [
        FloatParameter, IntParameter, CategoricalParameter, CategoricalParameter,
    ]  # fmt: skip
    choices = space["normalize_advantages"].choices  # type: ignore[union-attr]
    assert choices[0] is True  # not turned into 1


@pytest.mark.parametrize(("parameter", "message"), [
    ({"type": "float", "low": 2, "high": 1}, "must not be above high"),
    ({"type": "float", "low": 0, "high": 1, "log": True}, "log needs low above 0"),
    ({"type": "int", "low": 1, "high": 9, "log": True, "step": 2}, "exclude each other"),
    ({"low": 0, "high": 1}, "a list of choices, or a mapping whose `type`"),
    ({"type": "uniform"}, "a list of choices, or a mapping whose `type`"),
    ([], "at least 1 entries"),
])  # fmt: skip
def test_wrong_search_parameters(parameter: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=r"search_space\.learning_rate") as caught:
        DAFSweepConfig.from_dict({"search_space": {"learning_rate": parameter}})
    assert message in str(caught.value)


def test_yaml_floats_underscores_and_keys_written_twice(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("hyperparameters:\n  learning_rate: 1e-3\n  adam_eps: 1.5E-6\nnum_steps: 600_000\n")
    config = DAFTrainingConfig.from_yaml(path)
    assert config.hyperparameters.learning_rate == 0.001
    assert config.hyperparameters.adam_eps == 1.5e-6
    assert config.num_steps == 600_000
    path.write_text("seed: 1\ndevice: cpu\nseed: 2\n")
    with pytest.raises(ConfigError, match="'seed' in line 1 and again in line 3"):
        DAFConfig.from_yaml(path)


def test_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("a: [1\n")
    with pytest.raises(ConfigError, match=r"config\.yaml\n  expected: valid YAML\n  found:    line"):
        DAFConfig.from_yaml(tmp_path / "config.yaml")
    with pytest.raises(ConfigError, match=r"no such file\n  hint:     did you mean 'config.yaml'"):
        DAFConfig.from_yaml(tmp_path / "confg.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(ConfigError, match="a mapping of keys to values"):
        DAFConfig.from_yaml(tmp_path / "list.yaml")
    (tmp_path / "empty.yaml").write_text("")
    with pytest.raises(ConfigError, match="an empty file"):
        DAFConfig.from_yaml(tmp_path / "empty.yaml")


def test_round_trips_through_yaml_and_json(tmp_path: Path) -> None:
    config = ExperimentConfig.from_dict(experiment())
    config.to_yaml(tmp_path / "config.yaml")
    assert ExperimentConfig.from_yaml(tmp_path / "config.yaml") == config
    assert ExperimentConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_the_example_of_the_specification(tmp_path: Path) -> None:
    path = tmp_path / "sweep_config.yaml"
    path.write_text(json.dumps({"search_space": SPACE}))
    config = DAFSweepConfig.from_yaml(path)
    config.policy_class_path = "lstm"
    config.seed = 42
    config.episodes_per_trial = 1
    assert config.validate() is config
    assert DAFConfig(max_parallel_jobs=2).max_parallel_jobs == 2


def test_assignments_are_checked_and_a_refused_one_changes_nothing() -> None:
    config = DAFConfig()
    with pytest.raises(ConfigError, match=r"DAFConfig: seed\n  expected: at least 0"):
        config.seed = -1
    with pytest.raises(ConfigError, match="max_paralel_jobs"):
        config.max_paralel_jobs = 2
    assert config == DAFConfig()


def test_validate_finds_what_was_changed_in_place() -> None:
    config = DAFTrainingConfig(seeds=[1, 2])
    config.seeds.append(2)
    with pytest.raises(ConfigError, match=r"seeds\n  expected: distinct seeds\n  found:    2 twice"):
        config.validate()
    comparison = DAFComparisonConfig(policies=["a"], missions=["m"])
    comparison.missions.append("m")
    with pytest.raises(ConfigError, match=r"missions\n  expected: distinct missions\n  found:    'm' twice"):
        comparison.validate()
    whole = ExperimentConfig.from_dict(experiment())
    whole.training["miner"].sweep = "gone"
    with pytest.raises(ConfigError, match=r"training\.miner\.sweep"):
        whole.validate()


def test_names_can_stand_in_paths() -> None:
    assert "text that matches" in problem({"training": {"../evil": {}}}).expected


def test_a_sweep_that_starts_from_one_that_starts_from_it() -> None:
    sweeps = {name: {"search_space": SPACE, "warm_start": other} for name, other in (("first", "b"), ("b", "first"))}
    with pytest.raises(ConfigError) as caught:
        ExperimentConfig.from_dict(experiment(sweeps=sweeps), source="my.yaml")
    first, second = caught.value.problems
    assert (first.where, first.found) == ("my.yaml: sweeps.first.warm_start", "first → b → first")
    assert (second.where, second.found) == ("my.yaml: sweeps.b.warm_start", "b → first → b")


@pytest.mark.parametrize(("key", "value"), [("objective_metric", "length"), ("optimize_direction", "minimize")])
def test_a_sweep_that_starts_from_one_that_measures_something_else(key: str, value: str) -> None:
    sweeps = {"first": {"search_space": SPACE, "warm_start": "other"}, "other": {"search_space": SPACE, key: value}}
    found = problem(experiment(sweeps=sweeps))
    assert found.where == "my.yaml: sweeps.first.warm_start"
    assert found.found == f"'{value}'"


def test_choices_are_plain_values() -> None:
    found = problem(experiment(sweeps={"first": {"search_space": {"gamma": [[64, 64]]}}}))
    assert found.where == "my.yaml: sweeps.first.search_space.gamma.choices.0"
    assert "no lists" in found.expected


def test_old_keys_are_refused_with_their_new_names() -> None:
    comparison = {
        "policies": ["a", "b"], "missions": ["m"], "num_looks": 3, "anchors": {"zero": "a", "one": "b"},
        "normalization": {"zero": "a", "high": "b"},
    }  # fmt: skip
    for name in ("main", "seed"):  # the name of a comparison may be that of a key
        with pytest.raises(ConfigError) as caught:
            ExperimentConfig.from_dict({"comparisons": {name: comparison}})
        text = str(caught.value)
        assert f"comparisons.{name}.num_looks" in text
        assert "`num_looks` is now called `num_interim_analyses`" in text
        assert "`anchors` is now called `normalization`, with `low` and `high` for `zero` and `one`" in text
        assert "`zero` is now called `low`" in text


def test_a_constructor_explains_every_wrong_keyword() -> None:
    keywords: dict[str, Any] = {
        "policies": ["a"], "missions": ["m"], "num_looks": 3, "confidence_levl": 0.9,
        "normalization": {"zero": "a", "high": {"m": 1.0}},
    }  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        DAFComparisonConfig(**keywords)
    hints = {problem.where: problem.hint for problem in caught.value.problems}
    assert hints["DAFComparisonConfig: num_looks"] == "`num_looks` is now called `num_interim_analyses`"
    assert hints["DAFComparisonConfig: confidence_levl"] == "did you mean 'confidence_level'?"
    assert hints["DAFComparisonConfig: normalization.zero"] == "`zero` is now called `low`"
    assert hints["DAFComparisonConfig: normalization.low"] == "this key has no default"
    config = DAFComparisonConfig(policies=["a"], missions=["m"])
    with pytest.raises(ConfigError, match="`num_looks` is now called"):
        config.num_looks = 3  # type: ignore[attr-defined]
    with pytest.raises(ConfigError) as out_of_range:
        HalvingConfig(num_rungs=1)
    assert (out_of_range.value.where, out_of_range.value.expected) == ("HalvingConfig: num_rungs", "at least 2")


# ---- what YAML takes text for ---------------------------------------------------------------------------------

NUMBER = "put the text in quotes: without them, YAML reads a number"
TRUTH = "YAML reads on, off, yes, no, true and false as truth values"
QUOTES = f"put the text in quotes: without them, {TRUTH}"
NOTHING = "YAML reads null, ~ and nothing as no value: write one, or leave it out"
NAME = "use letters, digits, _, . and - only, starting with a letter or digit: it becomes part of a path"
A_NAME = r"text that matches ^[A-Za-z0-9][A-Za-z0-9_.-]*$"
A_POLICY = "a shorthand or class path, or a mapping of class_path, training, …"
A_SPACE = "search_space: {gamma: [0.9]}"


@pytest.mark.parametrize(
    ("text", "where", "expected", "found", "hint"),
    [
        ("name: 7", "name", "text", "7 (int)", NUMBER),
        ("name: 1e4", "name", "text", "10000.0 (float)", NUMBER),
        ("name: on", "name", "text", "True (bool)", QUOTES),
        ("name: no", "name", "text", "False (bool)", QUOTES),
        ("name: null", "name", "text", "None (NoneType)", NOTHING),
        ("name:", "name", "text", "None (NoneType)", NOTHING),
        ("name: 12:30", "name", A_NAME, "'12:30' (str)", NAME),
        ("name: [a]", "name", "text", "['a'] (list)", "write one text, not a list or mapping"),
        ("daf:", "daf", "a mapping", "None (NoneType)", NOTHING),
        ("daf: {output_dir: 7}", "daf.output_dir", "a path", "7 (int)", NUMBER),
        ("daf: {device: no}", "daf.device", "'auto', 'cpu' or 'cuda'", "False (bool)", QUOTES),
        ("daf: {seed: on}", "daf.seed", "a number", "True (bool)", f"write a number: {TRUTH}"),
        ("training: {t: {mission: 7}}", "training.t.mission", "text", "7 (int)", NUMBER),
        ("training: {t: {sweep: on}}", "training.t.sweep", "text", "True (bool)", QUOTES),
        ("training: {t: {trackers: [1e4]}}", "training.t.trackers.0", "text", "10000.0 (float)", NUMBER),
        ("training: {t: {seeds: [1, yes]}}", "training.t.seeds.1", "a number", "a truth value",
         f"write a number: {TRUTH}"),
        ("training: {t: {seeds: [1, 2, 1]}}", "training.t.seeds", "distinct seeds", "1 twice", "write each once"),
        ("missions: [zz]", "missions", "a mapping", "['zz'] (list)",
         "give every entry a name: write `key: value` lines, indented below the key"),
        ("missions: {m: zz}", "missions.m", "a mapping with the key `source`", "'zz' (str)", "write {source: zz}"),
        ("missions: {m: {source: x, variants: [no]}}", "missions.m.variants.0", "text", "False (bool)", QUOTES),
        ("policies: {p: 7}", "policies.p", A_POLICY, "7 (int)", NUMBER),
        ("policies: {p: off}", "policies.p", A_POLICY, "False (bool)", QUOTES),
        ("policies: {p: }", "policies.p", A_POLICY, "None (NoneType)", NOTHING),
        ("policies: {p: {policies: {a: yes, b: 1}}}", "policies.p.policies.a", "a number", "a truth value",
         f"write a number: {TRUTH}"),
        (f"sweeps: {{s: {{{A_SPACE}, name: 7}}}}", "sweeps.s.name", "'s', or no name", "'7'", "leave it out"),
        (f"sweeps: {{s: {{{A_SPACE}, warm_start: 7}}}}", "sweeps.s.warm_start", "text", "7 (int)", NUMBER),
        (f"sweeps: {{s: {{{A_SPACE}, strategy: on}}}}", "sweeps.s.strategy", "text", "True (bool)", QUOTES),
        ("comparisons: {c: {policies: [on], missions: [m]}}", "comparisons.c.policies.0", "text", "True (bool)",
         QUOTES),
        ("comparisons: {c: {policies: [a], missions: [null]}}", "comparisons.c.missions.0", "text", "None (NoneType)",
         NOTHING),
        ("comparisons: {c: {policies: [mine, x], missions: [m], reference: mien}}", "comparisons.c.reference",
         "one of the policies compared (mine, x)", "'mien'", "did you mean 'mine'?"),
        ("deployment: {version: 1.0}", "deployment.version", "text", "1.0 (float)", NUMBER),
        ("deployment: {version: '1.0'}", "deployment.version", f"text that matches {VERSION_PATTERN}",
         "'1.0' (str)", VERSION_HINT),
    ],
)  # fmt: skip
def test_what_yaml_takes_text_for_has_a_remedy(text: str, where: str, expected: str, found: str, hint: str) -> None:
    wrong = problem(parse_yaml(text, "my.yaml"))
    assert (wrong.where, wrong.expected, wrong.found, wrong.hint) == (f"my.yaml: {where}", expected, found, hint)


@pytest.mark.parametrize(
    "text", ["name: 007", "name: '7'", "name: 2026-01-01", "training: {on: {}, 007: {}, null: {}}"]
)
def test_names_that_yaml_would_mistake_are_read_as_written(text: str) -> None:
    content = parse_yaml(text, "my.yaml")
    config = ExperimentConfig.from_dict(content)
    assert config.name == content.get("name", "experiment")
    assert list(config.training) == list(content.get("training", {}))


def test_truth_values_stay_what_they_are_where_one_is_meant() -> None:
    space = {"normalize_advantages": [True, False], "init_kwargs.deep": [True, 1]}
    sweep = DAFSweepConfig(
        search_space=space, init_kwargs={"wide": True}, hyperparameters={"normalize_advantages": False}
    )
    assert sweep.search_space["init_kwargs.deep"].choices == [True, 1]
    assert (sweep.init_kwargs, sweep.hyperparameters.normalize_advantages) == ({"wide": True}, False)
    with pytest.raises(ConfigError, match=r"DAFConfig: seed\n  expected: a number\n  found:    True"):
        DAFConfig(seed=True)
