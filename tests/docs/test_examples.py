"""Every program in examples/ runs as its README says, in a copy of the folder and with smaller numbers."""

from __future__ import annotations

import re
import runpy
import shutil
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
# Program → what is replaced in it or in the file that it reads, and what it must print.
PROGRAMS: dict[str, tuple[dict[str, str], str]] = {
    "agent_roles.py": ({"100_000, 8": "4_096, 1"}, r"training_facility_1: 1 episode\b"),
    "analyze_mission.py": ({"EPISODES = 20": "EPISODES = 2"}, r"random on assembler_2: 2 episodes, mean reward"),
    "compare_policies.py": ({"EPISODES = 16": "EPISODES = 2"}, r"random +baseline +tutorial.miner"),
    "compare_scores.py": ({}, r"mine beats theirs over 2 missions"),
    "curriculum.py": (
        {"200_000": "4_096"},
        r"goal-6.json: success \d+% in 8 held-out episodes\nout/missions/goal-10.json: success",
    ),
    "launch_sweep.py": (
        {"num_trials: 4": "num_trials: 1", "20_000": "2_000", "episodes_per_trial: 4": "episodes_per_trial: 1"},
        r"Best learning rate: \d\.\d\de-0\d, mean_reward",
    ),
    "own_policy.py": ({"episodes=4": "episodes=1"}, r"Northbound on training_facility_1: 1 episode\b"),
    "package_policy.py": ({}, r"mine 0\.1\.0 at out/registry "),
    "partners.py": (
        {"60_000, 20_000": "6_144, 2_048", "episodes=4": "episodes=1"},
        r"partners played 50 % of the agent-steps; checkpoints in the history: [23]\b",
    ),
    "search_function.py": ({"num_trials=20": "num_trials=8"}, r"BestNeighbour: x = "),
    "start_from.py": (
        {"50_000, 50_000": "4_096, 4_096"},
        r"completed: \d+,\d+ agent-steps after \d+,\d+ on mission",
    ),
    "teacher.py": ({"30_000, 60_000": "2_048, 4_096"}, r"cross-entropy \d\.\d\d at first, \d\.\d\d at the end"),
    "train_policy.py": ({"100_000": "8_192"}, r"model\.safetensors: completed, \d+,\d+ agent-steps"),
}
MARKS = {
    "agent_roles.py": pytest.mark.long,
    "compare_policies.py": pytest.mark.slow,
    "curriculum.py": pytest.mark.long,
    "package_policy.py": pytest.mark.long,
    "launch_sweep.py": pytest.mark.long,  # test_specification.py runs a sweep and a training, too
    "partners.py": pytest.mark.long,
    "start_from.py": pytest.mark.long,
    "teacher.py": pytest.mark.long,
    "train_policy.py": pytest.mark.long,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the examples, in which Python runs as it would from the shell."""
    copy = tmp_path / "examples"
    shutil.copytree(EXAMPLES, copy, ignore=shutil.ignore_patterns("out", "specification", "__pycache__"))
    monkeypatch.chdir(copy)
    monkeypatch.syspath_prepend(str(copy))
    for path in copy.glob("*.py"):  # programs that DAF imports by name are to come from this copy
        monkeypatch.delitem(sys.modules, path.stem, raising=False)
    return copy


def test_every_program_is_run_and_listed() -> None:
    programs = {path.name for path in EXAMPLES.glob("*.py")}
    listed = set(re.findall(r"^\| `(\w+\.py)` \|", (EXAMPLES / "README.md").read_text(), re.MULTILINE))
    assert programs == set(PROGRAMS) == listed


@pytest.mark.parametrize("program", [pytest.param(name, marks=MARKS.get(name, [])) for name in PROGRAMS])
def test_the_program_runs(folder: Path, capfd: pytest.CaptureFixture[str], program: str) -> None:
    smaller, printed = PROGRAMS[program]
    files = [folder / program, folder / "sweep.yaml"]
    for number, replacement in smaller.items():
        (file,) = [path for path in files if number in path.read_text()]
        file.write_text(file.read_text().replace(number, replacement))
    runpy.run_path(program, run_name="__main__")
    assert re.search(printed, capfd.readouterr().out)
    added = {path.name for path in folder.iterdir()} - {path.name for path in EXAMPLES.iterdir()}
    assert added <= {"out", ".snakemake", "__pycache__"}
