"""The examples that users were promised, run as written (examples/specification), and every promised name.

The only change: the distributed training runs 4,000 steps on two machines instead of a million on four.
"""

from __future__ import annotations

import importlib
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

EXAMPLES = Path(__file__).parents[2] / "examples" / "specification"
SWEEP = {
    "mission": "training_facility_1",
    "search_space": {"learning_rate": [0.001, 0.004]},
    "strategy": "grid",
    "num_trials": 2,
    "steps_per_trial": 2000,
    "episodes_per_trial": 2,
}
NAMES = {
    "config": "DAFConfig DAFSweepConfig DAFComparisonConfig DAFTrainingConfig DAFDeploymentConfig",
    "sweeps": "daf_launch_sweep daf_sweep_best_config daf_sweep_analysis",
    "comparison": "daf_compare_policies daf_benchmark_suite daf_policy_ablation",
    "distributed_training": "daf_launch_distributed_training daf_monitor_training_job daf_collect_training_results",
    "mission_analysis": "daf_analyze_mission daf_analyze_mission_set daf_discover_missions_from_readme "
    "daf_get_mission_metadata daf_validate_mission_set",
    "environment_checks": "daf_check_environment daf_check_cuda daf_check_disk_space daf_check_dependencies "
    "daf_check_mission_configs daf_get_recommended_device",
    "visualization": "daf_export_comparison_html daf_plot_training_curves daf_plot_policy_comparison",
    "deployment": "daf_package_policy daf_validate_deployment daf_deploy_policy daf_rollback_deployment",
    "logging_config": "DAFLogger OperationTracker MetricsCollector create_daf_logger",
    "output_manager": "OutputDirectories OutputManager get_output_manager",
    "orchestrators": "run_experiment run_sweep_pipeline run_training_pipeline run_comparison_pipeline",
}


@pytest.mark.parametrize("module", NAMES)
def test_every_promised_name_exists(module: str) -> None:
    found = importlib.import_module(f"daf.{module}")
    assert all(callable(getattr(found, name)) for name in NAMES[module].split())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the files that the examples read."""
    for name in ("sweep.yaml", "sweep_config.yaml"):
        (tmp_path / name).write_text(yaml.safe_dump(SWEEP))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(name: str, **given: Any) -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / f"{name}.py"), init_globals=given)


def test_config(folder: Path) -> None:
    assert run("config_assign")["cfg"].policy_class_path == "lstm"


@pytest.mark.slow
def test_sweep_runs_through_the_workflow(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    results = run("sweeps")["results"]
    assert [trial.hyperparameters["learning_rate"] for trial in results.trials] == [0.001, 0.004]
    assert "Best learning rate: 0.00" in capfd.readouterr().out
    assert (folder / "daf_output" / "sweeps" / "sweep" / "trial-0001" / "result.json").is_file()


@pytest.mark.slow
def test_comparison_and_its_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = run("comparison")["results"]
    assert set(results.summary_statistics["policy"]) == {"lstm", "baseline", "random"}
    assert "lstm" in capsys.readouterr().out
    assert "<svg" in (folder / "comparison_report.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("machines", [2, pytest.param(4, marks=pytest.mark.long)])
def test_distributed_training(folder: Path, machines: int) -> None:
    from daf.engine.missions import resolve_mission

    text = (EXAMPLES / "distributed_training.py").read_text()
    assert "1_000_000" in text
    assert "num_machines=4" in text
    text = text.replace("1_000_000", "4_000").replace("num_machines=4", f"num_machines={machines}")
    (folder / "shortened.py").write_text(text)
    given = {"env_cfg": resolve_mission("training_facility_1").env_config}
    ran = runpy.run_path(str(folder / "shortened.py"), init_globals=given)
    assert ran["checkpoint"].is_file()
    facts = importlib.import_module("daf.distributed_training").daf_collect_training_results(ran["job"]).run
    assert facts["processes"]["world_size"] == machines


def test_mission_analysis(folder: Path) -> None:
    analysis = run("mission_analysis")["analysis"]
    assert 0 <= analysis.success_rate <= 1
    assert analysis.num_episodes == 20


def test_environment_checks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run("environment_checks")["result"]
    assert result.is_healthy(), result.errors
    assert "Using device: c" in capsys.readouterr().out


def test_deployment(folder: Path) -> None:
    from daf.config import PolicyConfig
    from daf.engine.missions import resolve_mission
    from daf.engine.policies import build_policy, resolve_policy
    from daf.engine.simulation import SimulationFactory

    interface = SimulationFactory(resolve_mission("tutorial.miner").env_config).interface
    (folder / "checkpoints").mkdir()
    built = build_policy(resolve_policy(PolicyConfig(class_path="lstm")), interface)
    built.save_policy_data(str(folder / "checkpoints" / "best_model.pt"))
    assert run("deployment")["result"].path.is_file()


def test_logging(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("logging_config")
    shown = capsys.readouterr().err
    assert "Starting training..." in shown
    assert "training" in shown.splitlines()[-2] or "completed" in shown


def test_output_manager(folder: Path) -> None:
    run("output_manager", results={"best": 1})
    assert list((folder / "daf_output" / "sweeps").rglob("results*.json"))


def test_fewer_jobs_and_episodes(folder: Path) -> None:
    from daf.config import DAFSweepConfig

    sweep = DAFSweepConfig.from_yaml("sweep.yaml")
    assert run("memory", sweep_cfg=sweep)["cfg"].max_parallel_jobs == 2
    assert sweep.episodes_per_trial == 1


@pytest.mark.parametrize(
    ("example", "name"), [("step_batch_policy", "MyPolicy"), ("agent_policy", "MySingleAgentPolicy")]
)
def test_both_kinds_of_policies_can_be_evaluated(
    folder: Path, monkeypatch: pytest.MonkeyPatch, example: str, name: str
) -> None:
    from daf.engine.evaluation import evaluate_policy

    monkeypatch.syspath_prepend(str(EXAMPLES))
    episodes = evaluate_policy(f"{example}.{name}", "training_facility_1", episodes=2, seed=3)
    assert episodes["failure"].isna().all()
    assert (episodes["length"] == 150).all()
