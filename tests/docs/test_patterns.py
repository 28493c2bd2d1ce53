"""The patterns and practices that users were promised, run as written (examples/specification).

What a snippet takes for granted is given to it: `cfg`, `daf_launch_sweep`, files. Where it says `(...)`, short
arguments replace the dots.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

EXAMPLES = Path(__file__).parents[2] / "examples" / "specification"
SWEEP = {
    "mission": "assembler_2",
    "search_space": {"learning_rate": {"type": "float", "low": 1e-4, "high": 1e-2, "log": True}},
    "init_kwargs": {"hidden_size": 16},
    "num_trials": 1,
    "steps_per_trial": 1000,
    "episodes_per_trial": 2,
    "seed": 7,
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(SWEEP))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(name: str, **given: Any) -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / f"{name}.py"), init_globals=given)


def test_the_environment_is_checked_first() -> None:
    assert run("pattern_environment")["result"].is_healthy()


def test_analysis_and_export(folder: Path) -> None:
    text = (EXAMPLES / "pattern_analysis.py").read_text()
    assert "daf_compare_policies(...)" in text
    short = "daf_compare_policies(['random', 'noop'], ['assembler_2'], 3, num_resamples=200)"
    (folder / "short.py").write_text(text.replace("daf_compare_policies(...)", short))
    runpy.run_path(str(folder / "short.py"))
    page = folder / "daf_output" / "visualizations" / "comparison_report.html"
    assert "<svg" in page.read_text()


@pytest.mark.long
def test_the_same_seed_gives_the_same_sweep_in_both_spellings(folder: Path) -> None:
    """Through the workflow; the second sweep has its own folder, so it really trains again."""
    from daf.config import DAFSweepConfig
    from daf.sweeps import daf_launch_sweep

    first = run("pattern_execution")["results"]
    cfg = DAFSweepConfig.from_yaml("sweep.yaml")
    cfg.output_dir = Path("again")
    second = run("practice_seeding", cfg=cfg, daf_launch_sweep=daf_launch_sweep)["results"]
    assert cfg.seed == 42
    assert (folder / "again" / "sweeps" / "sweep" / "trial-0000" / "result.json").is_file()
    assert [t.hyperparameters for t in first.trials] == [t.hyperparameters for t in second.trials]
    assert [t.objective for t in first.trials] == [t.objective for t in second.trials]
    assert first.trials[0].status == "completed"


def test_inputs_are_checked(folder: Path) -> None:
    with pytest.raises(AssertionError, match="Checkpoint not found"):
        run("practice_inputs")
    with pytest.raises(FileNotFoundError, match="Not found"):
        run("trouble_checkpoint")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "model.pt").touch()
    run("practice_inputs")
    run("trouble_checkpoint")
