"""Files that a policy uses although the source does not show it are named before the first job."""

import json

import pytest

pytest.importorskip("cogames")

from daf.config import PolicyConfig
from daf.engine.missions import resolve_mission
from daf.engine.rehearsal import Role, rehearse
from daf.engine.simulation import SimulationFactory
from daf.system.loaded_files import job_begins, with_escaping_modules
from daf.system.user_code import CodeStamp, code_of_module

POLICY = """
import importlib, json, os, runpy, sys
from pathlib import Path
from daf.policies import BatchPolicy
import {seen}

HERE = Path(__file__).parent
{load}

class Mine(BatchPolicy):
    def __init__(self, info, table=None):
        super().__init__(info)
        if table:
            json.loads(Path(table).read_text())

    def step_batch(self, observations, actions):
        actions[:] = 0
"""
WAYS = {
    "path": ("sys.path.insert(0, str(HERE / 'lib')); import {hidden}", "lib/{hidden}.py"),
    "computed name": ("importlib.import_module('_'.join(['{hidden}']))", "{hidden}.py"),
    "runpy": ("runpy.run_path(str(HERE / 'lib' / '{hidden}.py'))", "lib/{hidden}.py"),
    "exec": ("exec((HERE / 'lib' / '{hidden}.py').read_text())", "lib/{hidden}.py"),
    "data": ("TABLE = json.loads((HERE / '{hidden}.json').read_text())", "{hidden}.json"),
}


@pytest.fixture(scope="module")
def hall():
    return SimulationFactory(resolve_mission("training_facility_1").env_config)


def written(folder, monkeypatch, way):
    """The module, its visible helper and its hidden one, under names that no other test has."""
    names = {role: f"{role}_{list(WAYS).index(way)}" for role in ("policy", "seen", "hidden")}
    load, hidden = (text.format(**names) for text in WAYS[way])
    (folder / "lib").mkdir()
    (folder / hidden).write_text("1" if hidden.endswith("json") else "VALUE = 1\n")
    (folder / f"{names['seen']}.py").write_text("SEEN = 1\n")
    (folder / f"{names['policy']}.py").write_text(POLICY.format(load=load, **names))
    monkeypatch.syspath_prepend(str(folder))
    return names["policy"], hidden


@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_is_not_followed_is_named(hall, tmp_path, monkeypatch, way):
    module, hidden = written(tmp_path, monkeypatch, way)
    (warning,) = rehearse(f"{module}.Mine", [hall], Role()).findings
    assert warning.status == "warning"
    assert warning.found == f"{tmp_path / hidden}: in use, but DAF cannot notice edits of it"
    assert "init_kwargs" in warning.hint


def test_what_is_followed_is_not_named(hall, tmp_path, monkeypatch):
    module, _ = written(tmp_path, monkeypatch, "path")
    path = tmp_path / f"{module}.py"
    path.write_text("\n".join(line for line in path.read_text().splitlines() if "hidden" not in line))
    table = tmp_path / "table.json"
    table.write_text(json.dumps({"a": 1}))
    policy = PolicyConfig(class_path=f"{module}.Mine", init_kwargs={"table": str(table)})
    assert rehearse(policy, [hall], Role(trains=False)).findings == []


def test_a_job_records_the_modules_that_its_stamp_does_not_follow(tmp_path, monkeypatch):
    module, hidden = written(tmp_path, monkeypatch, "computed name")
    code = code_of_module(module)
    assert sorted(code.files) == ["policy_1.py", "seen_1.py"]
    assert with_escaping_modules(code) == code  # not in a job
    from daf.system import loaded_files

    monkeypatch.setattr(loaded_files._Job, "modules_before", None)
    job_begins()
    __import__(module)
    assert with_escaping_modules(code).unfollowed == (str(tmp_path / hidden),)
    assert with_escaping_modules(CodeStamp()) == CodeStamp()
