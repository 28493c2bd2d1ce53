"""What jobs import: most of a short job is importing, and each job is a process."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from daf.system.files import PROJECT

SCRIPTS = sorted((PROJECT / "scripts").glob("*.py"))
# A second or more each, together with what they import. A job that needs one imports it where it needs it.
HEAVY = ("torch", "mettagrid", "cogames", "pufferlib", "scipy", "pandas", "pyarrow", "matplotlib", "optuna")

WATCH = f"""
import json, sys
heavy = set({HEAVY})
found, before = {{}}, set()
def note(name):
    now = heavy & sys.modules.keys()
    found[name] = sorted(now - before)
    before.update(now)
"""
JOBS = """
from pathlib import Path
from daf.config import DAFSweepConfig, MissionConfig
from daf.config.recipes import EvaluationRecipe, MissionRecipe, PolicyRecipe
from daf.evaluation.shards import evaluate_shard, merge_shards
from daf.evaluation.tolerance import check_failures, count_failures
from daf.logging_config import create_daf_logger
from daf.search.files import propose_trial
from daf.training.run import train_run

folder = Path(sys.argv[1])
sweep = DAFSweepConfig(
    name="s", mission="tutorial.miner", search_space={"learning_rate": [1e-3, 1e-2]}, num_trials=2, strategy="random"
)
propose_trial(sweep, 0, [])
note("propose_trial")
recipe = EvaluationRecipe(
    mission=MissionRecipe.of("short", {"short": MissionConfig(source="tutorial.miner", max_steps=5)}),
    policy=PolicyRecipe(label=sys.argv[2], class_path=sys.argv[2]),
    first_seed=3, first_episode=0, num_episodes=2, max_action_time_ms=10_000,
)
shard = folder / "episodes-0.parquet"
evaluate_shard(recipe, weights=[], output=shard, device="cpu", workers=1, logger=create_daf_logger("test"))
note("evaluate_policy")
merge_shards([str(shard)], folder / "episodes.parquet")
check_failures(count_failures([folder / "episodes.parquet"]), 0)
note("merge_episodes, check_evaluations")
print(json.dumps(found))
"""


def imported(program: str, *arguments: str | Path) -> dict[str, list[str]]:
    """By part of a program, what it was the first to import; in a process that has imported nothing yet."""
    command = [sys.executable, "-c", WATCH + program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return result


def imports_of(script: Path) -> str:
    """The imports at the top of a script, as a program."""
    nodes = [node for node in ast.parse(script.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    return "\n".join(map(ast.unparse, nodes))


def test_no_script_imports_anything_heavy_before_its_job_needs_it() -> None:
    parts = [f"{imports_of(script)}\nnote({script.stem!r})" for script in SCRIPTS]
    found = imported("\n".join([*parts, "print(json.dumps(found))"]))
    assert found == {script.stem: [] for script in SCRIPTS}


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["noop", "random"])
def test_a_job_without_a_network_does_not_import_torch(tmp_path: Path, policy: str) -> None:
    pytest.importorskip("cogames")
    found: dict[str, Any] = imported(JOBS, tmp_path, policy)
    assert not {"torch", "pufferlib"} & {name for names in found.values() for name in names}
    assert "mettagrid" not in found["propose_trial"]
