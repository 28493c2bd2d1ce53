"""The deployment section: what a package says of itself, and which keys belong together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daf.config import DAFDeploymentConfig, ExperimentConfig
from daf.config.package_recipes import package_recipe
from daf.config.recipes import PolicyRecipe
from daf.errors import ConfigError

EXPERIMENT: dict[str, Any] = {
    "sweeps": {"knobs": {"search_space": {"learning_rate": [0.1, 0.2]}}},
    "training": {"run": {"sweep": "knobs"}},
    "policies": {"mine": {"training": "run"}, "still": "noop"},
    "comparisons": {
        "others": {"policies": ["still"], "missions": ["tutorial.miner"]},
        "all": {"policies": ["mine", "still"], "missions": ["tutorial.miner"]},
        "again": {"policies": ["mine"], "missions": ["tutorial.miner"]},
    },
    "deployment": {"policy": "mine"},
}
MINE = PolicyRecipe(label="mine", train_seed=1, training="run")


def recipe(**deployment: Any) -> Any:
    experiment = {**EXPERIMENT, "deployment": {"policy": "mine", **deployment}}
    return package_recipe(ExperimentConfig.from_dict(experiment), MINE)


def test_the_card_shows_the_first_comparison_with_the_policy_or_the_one_that_is_named_or_none() -> None:
    assert recipe().comparison == "all"
    assert recipe(comparison="again").comparison == "again"
    assert recipe(comparison=None).comparison is None
    alone = {**EXPERIMENT, "comparisons": {}}
    assert package_recipe(ExperimentConfig.from_dict(alone), MINE).comparison is None
    assert recipe().sweep == "knobs"
    with pytest.raises(ConfigError, match="a comparison in this file with this policy") as caught:
        recipe(comparison="others")
    assert caught.value.where.endswith("deployment.comparison")


def test_what_the_package_says_decides_its_recipe_and_the_keys_do_not(tmp_path: Path) -> None:
    for name in ("own.txt", "a.key", "a.pub"):
        (tmp_path / name).write_text(name)
    plain = recipe().digest
    keys = {"signing_key": str(tmp_path / "a.key"), "verification_key": str(tmp_path / "a.pub")}
    assert recipe(**keys).digest == plain
    own = {"license_file": str(tmp_path / "own.txt")}
    changed = [{"license": "MIT"}, {"license": "MIT", "license_holder": "me"}, own, {"intended_use": "x"},
               {"limitations": "y"}, {"comparison": None}]  # fmt: skip
    assert len({plain, *(recipe(**deployment).digest for deployment in changed)}) == 7
    before = recipe(**own).digest
    (tmp_path / "own.txt").write_text("other terms")
    assert recipe(**own).digest != before


@pytest.mark.parametrize(("deployment", "key", "expected", "hint"), [
    ({"license": "mit"}, "license", "an SPDX licence identifier", "did you mean 'MIT'?"),
    ({"license": "EUPL-1.2"}, "license", "a licence whose text DAF has", "set `license_file`"),
    ({"license_file": "nowhere.txt"}, "license_file", "an existing file", ""),
    ({"signing_key": "nowhere.key"}, "signing_key", "an existing file", ""),
    ({"signing_key": __file__}, "verification_key", "the public key that belongs to signing_key", "openssl ec"),
])  # fmt: skip
def test_wrong_values_are_found_before_anything_runs(
    deployment: dict[str, Any], key: str, expected: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        DAFDeploymentConfig.from_dict({"policy": "mine", **deployment}, source="deployment")
    (problem,) = caught.value.problems
    assert problem.where == f"deployment: {key}"
    assert problem.expected.startswith(expected)
    assert hint in problem.hint


def test_a_licence_without_a_shipped_text_needs_only_a_file() -> None:
    config = DAFDeploymentConfig(license="EUPL-1.2", license_file=Path(__file__))
    assert config.license == "EUPL-1.2"
