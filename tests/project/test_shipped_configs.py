"""The experiments and missions in config/ are valid, can be planned, and the missions can be played."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from daf.config import ExperimentConfig, MissionConfig
from daf.engine.missions import resolve_mission, shipped_missions
from daf.episodes.success import EpisodeFacts, is_success
from daf.workflow.engine_check import check_with_engine
from daf.workflow.plan import Plan


@pytest.fixture
def plans(repository: Path) -> dict[str, Plan]:
    paths = sorted((repository / "config").glob("*.yaml"))
    return {path.name: Plan(ExperimentConfig.from_yaml(path)) for path in paths}


def test_these_experiments_are_shipped(plans: dict[str, Plan]) -> None:
    assert set(plans) == {"config.yaml", "hpc.yaml"}


@pytest.mark.parametrize("name", ["config.yaml", "hpc.yaml"])
def test_the_engine_accepts_an_experiment(plans: dict[str, Plan], name: str) -> None:
    check_with_engine(plans[name], name)


def test_the_default_experiment(plans: dict[str, Plan]) -> None:
    plan = plans["config.yaml"]
    assert list(plan.checkpoints.by_label) == ["trained-seed-1", "random", "baseline"]
    assert plan.learning.run("miner").world_size == 2
    assert len(plan.learning.sweep_plan("miner").trials) == 6


def test_the_cluster_experiment_is_a_larger_study(plans: dict[str, Plan]) -> None:
    plan = plans["hpc.yaml"]
    learning = plan.learning
    tuned, default = learning.run("tuned"), learning.run("default")
    assert tuned.model_copy(update={"sweep": None}) == default, "the two recipes differ in the search only"
    assert (tuned.num_machines, tuned.processes_per_machine, len(tuned.seeds)) == (2, 4, 10)
    assert len(plan.checkpoints.by_label) == 2 * 10 + 2
    assert [len(plan.episodes.shards(mission)) for mission in plan.episodes.by_mission] == [4, 4]
    assert learning.sweep("miner").hyperparameters == tuned.hyperparameters, "trials use the batches of the training"
    assert plan.experiment.daf.output_dir != plans["config.yaml"].experiment.daf.output_dir


def test_the_experiment_of_the_benchmarks_can_be_run(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    path = Path("benchmarks/learning/distance.yaml")
    plan = Plan(ExperimentConfig.from_yaml(path))
    check_with_engine(plan, str(path))
    steps = {name: run.num_steps for name, run in plan.experiment.training.items()}
    total = {steps["scratch"], steps["taught"], steps["scheduled"], steps["both"], steps["nearer"] + steps["carried"]}
    assert total == {50_000}, "all recipes have the same budget"


def test_its_missions_are_those_of_the_example(repository: Path, tmp_path: Path) -> None:
    program = (
        f"from curriculum import write_missions; from pathlib import Path; write_missions(Path({str(tmp_path)!r}))"
    )
    subprocess.run([sys.executable, "-c", program], cwd=repository / "examples", check=True)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    shipped = (repository / "benchmarks/learning/missions").iterdir()
    assert written == {path.name: path.read_bytes() for path in shipped}


def test_two_missions_are_shipped() -> None:
    assert shipped_missions() == ["assembler_2", "training_facility_1"]


@pytest.mark.parametrize("name", ["assembler_2", "training_facility_1"])
def test_a_shipped_mission_can_be_played(name: str) -> None:
    """Twenty random steps, then its success expression on what the engine reports."""
    from mettagrid.simulator import Simulator

    mission = resolve_mission(MissionConfig(source=name))
    assert mission.origin == "daf"
    assert mission.description
    assert mission.success
    random = np.random.default_rng(7)
    simulation = Simulator().new_simulation(mission.env_config, seed=7)
    names = mission.env_config.game.actions.actions()
    for _ in range(20):
        for agent in range(mission.num_agents):
            simulation.agent(agent).set_action(names[int(random.integers(len(names)))].name)
        simulation.step()
    stats = simulation.episode_stats
    facts = EpisodeFacts(
        mean_reward=float(np.mean(simulation.episode_rewards)),
        length=simulation.current_step,
        game_stats=stats["game"],
        agent_stats=stats["agent"],
    )
    assert facts.length == 20
    assert not is_success(mission.success, facts), "twenty random steps are not enough"


@pytest.mark.parametrize(("name", "stats"), [
    ("assembler_2", {"heart.gained": 4.0}),
    ("training_facility_1", {"carbon.lost": 7.0, "silicon.lost": 5.0}),
])  # fmt: skip
def test_a_shipped_mission_can_be_won(name: str, stats: dict[str, float]) -> None:
    """The agents' sum decides; one unit less is not enough."""
    success = resolve_mission(name).success
    assert success is not None

    def won(agents: list[dict[str, float]]) -> bool:
        return is_success(success, EpisodeFacts(mean_reward=0.0, length=100, game_stats={}, agent_stats=agents))

    assert won([stats, {}])
    first = next(iter(stats))
    assert not won([stats | {first: stats[first] - 1}, {}])
