"""The schema and the README's tables are those of the models, and the schema means what the models mean."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from daf.config import ExperimentConfig, docs
from daf.errors import ConfigError
from daf.system.yaml_files import parse_yaml


def test_the_committed_files_are_up_to_date() -> None:
    assert docs.drift() == "", "run `python -m daf.config.docs`"


def test_drift_is_shown_and_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme = tmp_path / docs.README_PATH
    readme.parent.mkdir()
    readme.write_text(f"# Prose\n\n{docs.BEGIN}\nold\n{docs.END}\n\nMore prose.\n")
    assert docs.main(["--check"], tmp_path) == 1
    assert "-old" in capsys.readouterr().out
    assert docs.main([], tmp_path) == 0
    assert docs.main(["--check"], tmp_path) == 0
    text = readme.read_text()
    assert text.startswith("# Prose\n")
    assert text.endswith("\n\nMore prose.\n")
    assert "| `learning_rate` | number > 0 | `0.002` |" in text


def test_lost_markers_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme = tmp_path / docs.README_PATH
    readme.parent.mkdir()
    readme.write_text("# Prose\n")
    assert docs.main([], tmp_path) == 2
    assert "one pair of markers" in capsys.readouterr().err
    assert readme.read_text() == "# Prose\n"


def test_every_key_of_every_model_has_a_row() -> None:
    text = docs.tables_text()
    for _, model in docs.TABLES:
        for name in model.model_fields:
            assert f"| `{name}` |" in text
    documented = {model.__name__ for _, model in docs.TABLES}
    assert set(ExperimentConfig.model_json_schema()["$defs"]) <= documented


def accepted_by_model(data: dict[str, Any]) -> bool:
    try:
        ExperimentConfig.from_dict(data)
    except ConfigError:
        return False
    return True


SPACE = {"learning_rate": {"type": "float", "low": 1e-4, "high": 1e-2}}


@pytest.mark.parametrize(("data", "valid"), [
    ({}, True),
    ({"policies": {"a": "random", "b": {"class_path": "lstm"}}}, True),
    ({"sweeps": {"s": {"search_space": SPACE}}}, True),
    ({"sweeps": {"s": {"search_space": {"epochs": [1, 2]}}}}, True),
    ({"deployment": None}, True),
    ({"training": {"t": {"hyperparameters": {"gamma": 0.9}}}}, True),
    ({"unknown": 1}, False),
    ({"daf": {"sed": 1}}, False),
    ({"daf": {"seed": -1}}, False),
    ({"policies": {"a": 3}}, False),
    ({"policies": {"a": {"class_pth": "x"}}}, False),
    ({"sweeps": {"s": {}}}, False),
    ({"sweeps": {"s": {"search_space": {}}}}, False),
    ({"sweeps": {"s": {"search_space": {"epochs": []}}}}, False),
    ({"sweeps": {"s": {"search_space": {"epochs": {"low": 1, "high": 2}}}}}, False),
    ({"sweeps": {"s": {"search_space": {"epochs": {"type": "int", "low": 1, "hihg": 2, "high": 2}}}}}, False),
    ({"training": {"../evil": {}}}, False),
    ({"training": {"t": {"hyperparameters": {"gamma": 1.1}}}}, False),
])  # fmt: skip
def test_schema_and_models_agree(data: dict[str, Any], valid: bool) -> None:
    schema = yaml.safe_load(docs.schema_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert jsonschema.Draft202012Validator(schema).is_valid(data) is valid
    assert accepted_by_model(data) is valid


def test_what_the_models_write_fits_the_schema() -> None:
    full = ExperimentConfig.from_dict({"sweeps": {"s": {"search_space": SPACE}}, "policies": {"a": "random"}})
    jsonschema.Draft202012Validator(docs.config_schema()).validate(full.to_dict())


def test_the_examples_of_the_readme_are_valid(repository: Path) -> None:
    """All YAML blocks of config/README.md together make one experiment."""
    text = (repository / docs.README_PATH).read_text(encoding="utf-8")
    blocks = [part.partition("```")[0] for part in text.split("```yaml\n")[1:]]
    path = repository / docs.README_PATH
    data: dict[str, Any] = {}
    for block in blocks:
        for section, content in (parse_yaml(block, str(path)) or {}).items():
            data[section] = data.get(section, {}) | content
    assert set(data) == {"missions", "policies", "sweeps", "training", "comparisons"}
    ExperimentConfig.from_dict(data, source=str(path))
