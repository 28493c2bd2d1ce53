"""Results follow the user's code: what an edit of each kind makes again, and in which words the dry-run says why."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from daf.episodes.table import read_provenance
from daf.system.files import file_sha256
from daf.system.json_files import read_json
from tests.workflow.tools import job_counts, skip_engine_check, snakemake, write_experiment

pytestmark = pytest.mark.long

CODE = {
    "base.py": """
from mettagrid.policy.policy import AgentPolicy, MultiAgentPolicy
from mettagrid.simulator import Action

class One(AgentPolicy):
    def step(self, obs):
        return Action(name=self.policy_env_info.action_names[self.way])

class Base(MultiAgentPolicy):
    way = 0
    def agent_policy(self, agent_id):
        one = One(self.policy_env_info)
        one.way = self.way
        return one
""",
    "stroller.py": """
from base import Base

class Stroller(Base):
    def __init__(self, policy_env_info, table="table.txt"):
        super().__init__(policy_env_info)
        self.way = int(open(table).read())
""",
    "walker.py": "from base import Base as Walker\n",
    "learner.py": "from daf.engine.grid_policy import GridPolicy\n\nclass Learner(GridPolicy):\n    pass\n",
    "my_strategy.py": """
class Middle:
    adaptive = False
    def suggest(self, request):
        return request.space.from_unit([0.5] * len(request.space.free))
""",
    "arena_mine.py": """
import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent))
from daf.engine.missions import resolve_mission
from size import STEPS

def get_config():
    config = resolve_mission("training_facility_1").env_config.model_copy(deep=True)
    config.game.max_steps = STEPS
    return config
""",
    "size.py": "STEPS = 20\n",
    "table.txt": "0\n",
}
EXPERIMENT: dict[str, Any] = {
    "name": "code",
    "missions": {"short": {"source": "training_facility_1", "max_steps": 20}, "own": {"source": "code/arena_mine.py"}},
    "sweeps": {
        "s": {
            "mission": "short",
            "policy_class_path": "learner.Learner",
            "strategy": "my_strategy.Middle",
            "search_space": {"learning_rate": {"type": "float", "low": 1e-3, "high": 1e-2, "log": True}},
            "num_trials": 1,
            "steps_per_trial": 2000,
            "episodes_per_trial": 1,
        }
    },
    "training": {
        "run": {"mission": "short", "policy_class_path": "learner.Learner", "num_steps": 2000, "num_evaluations": 0}
    },
    "policies": {
        "mine": {"class_path": "stroller.Stroller", "init_kwargs": {"table": "code/table.txt"}},
        "trained": {"training": "run"},
        "walker": "walker.Walker",
        "team": {"policies": {"walker": 1, "random": 1}},
    },
    "comparisons": {
        "main": {
            "policies": ["mine", "trained", "team"],
            "missions": ["short"],
            "episodes_per_mission": 2,
            "num_resamples": 100,
        },
        "own": {"policies": ["random"], "missions": ["own"], "episodes_per_mission": 2, "num_resamples": 100},
    },
    "deployment": {"policy": "walker", "version": "1.0.0", "validation_mission": "short"},
}
COMPARED = {
    "merge_episodes": 1, "analyze_mission": 1, "check_evaluations": 1, "compare_policies": 1, "render_report": 1,
}  # fmt: skip
PLAYED = {"evaluate_policy": 1} | COMPARED
SEARCHED = {"run_trial": 1, "describe_sweep": 1, "select_best": 1}
PACKAGED = {"package_policy": 1, "validate_package": 1}
COMMENT = "\n# edited\n"
# What is edited, to what, and what is made again.
EDITS: dict[str, tuple[str, str, dict[str, int]]] = {
    "policy": ("stroller.py", COMMENT, PLAYED),
    "base class": ("base.py", COMMENT, PLAYED | PACKAGED | {"evaluate_policy": 2, "merge_episodes": 2}),
    "data file that an argument names": ("table.txt", " ", PLAYED),
    "team member that is also packaged": ("walker.py", COMMENT, PLAYED | PACKAGED),
    "policy that is trained": ("learner.py", COMMENT, SEARCHED | {"train_policy": 1} | PLAYED),
    "strategy": ("my_strategy.py", COMMENT, SEARCHED | {"propose_trial": 1}),
    "helper of a mission": ("size.py", COMMENT, {"check_environment": 1} | PLAYED),
    "mission": ("arena_mine.py", COMMENT, {"check_environment": 1} | PLAYED),
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the whole experiment ran."""
    folder = tmp_path_factory.mktemp("code") / "project"
    write_experiment(folder, EXPERIMENT)
    (folder / "code").mkdir()
    for name, text in CODE.items():
        (folder / "code" / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        put_on_path(folder, patch)
        done = snakemake(folder, "-j2")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return folder


@pytest.fixture
def project(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder: also in another place, nothing is made again until something is edited."""
    folder = Path(shutil.copytree(finished, tmp_path / "clone", copy_function=shutil.copy2))
    put_on_path(folder, monkeypatch)
    return folder


def put_on_path(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("PYTHONPATH", str(folder / "code"), prepend=":")
    patch.syspath_prepend(folder / "code")


def edit(folder: Path, name: str, added: str) -> None:
    path = folder / "code" / name
    path.write_text(path.read_text() + added)


def planned(folder: Path) -> tuple[dict[str, int], set[str]]:
    """The jobs of a dry-run, and the files that it says have changed."""
    skip_engine_check(folder)
    done = snakemake(folder, "-n")
    assert done.returncode == 0, done.stderr
    output = done.stdout + done.stderr
    said = set(re.findall(r"^(\S+) changed since the last run: .+ is made again \(.+\)$", output, re.MULTILINE))
    counts = job_counts(output) if "Job stats" in output else {}
    return {rule: count for rule, count in counts.items() if rule not in ("all", "total")}, said


def test_nothing_is_made_again_without_an_edit(project: Path) -> None:
    assert planned(project) == ({}, set())
    assert planned(project) == ({}, set())


@pytest.mark.parametrize("kind", EDITS)
def test_an_edit_makes_again_what_it_decides_and_nothing_else(project: Path, kind: str) -> None:
    name, added, jobs = EDITS[kind]
    edit(project, name, added)
    for _ in range(2):  # a dry-run records nothing
        assert planned(project) == (jobs, {f"code/{name}" if name == "table.txt" else name})


def test_edited_code_is_what_runs_and_what_the_results_record(project: Path) -> None:
    out = project / "daf_output"

    def actions(checkpoint: str, mission: str) -> Callable[[], Any]:
        from daf.episodes.table import read_episodes

        path = out / f"evaluations/{checkpoint}/{mission}/episodes.parquet"
        return lambda: read_episodes(path)[["length", "action_counts"]].to_dict("list")

    own, mine = actions("random", "own"), actions("mine", "short")
    before = own(), mine()
    package = file_sha256(out / "deployment/walker-1.0.0.zip")
    (project / "code/table.txt").write_text("1\n")
    edit(project, "size.py", "STEPS = 30\n")
    edit(project, "walker.py", "\n# edited\n")
    edit(project, "learner.py", "# edited\n")
    done = snakemake(project, "-j2")
    assert done.returncode == 0, done.stderr
    assert before[0]["length"] == [20, 20]
    assert own()["length"] == [30, 30]
    assert mine() != before[1]
    assert file_sha256(out / "deployment/walker-1.0.0.zip") != package
    assert planned(project) == ({}, set())

    digests = {name: file_sha256(project / "code" / name) for name in CODE}
    shard = read_provenance(out / "evaluations/mine/short/episodes-0.parquet")["code"]["files"]
    assert shard == {name: digests[name] for name in ("base.py", "stroller.py")} | {
        "code/table.txt": digests["table.txt"]
    }
    walker = {name: digests[name] for name in ("base.py", "walker.py")}
    learner = {"learner.py": digests["learner.py"]}
    for file, files in {
        "training/run/seed-1/run.json": learner,
        "sweeps/s/trial-0000/result.json": learner,
        "sweeps/s/best.json": {**learner, "my_strategy.py": digests["my_strategy.py"]},
        "deployment/walker-1.0.0.manifest.json": walker,
        "deployment/walker-1.0.0.validation.json": walker,
        "reports/missions/own.json": {name: digests[name] for name in ("arena_mine.py", "size.py")},
        "comparisons/main/comparison.json": {**shard, **learner, **walker},
    }.items():
        assert read_json(out / file)["provenance"]["code"]["files"] == files, file
