"""Metrics and trackers: figures by hand, files that outlive a crash, and what trackers are sent."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch

from daf.config import Hyperparameters, MissionConfig
from daf.config.recipes import MissionRecipe, TrainingRecipe
from daf.distributed.process_group import Group
from daf.engine.stepping import FinishedEpisode
from daf.episodes.success import EpisodeFacts
from daf.errors import BadInputError
from daf.logging_config import create_daf_logger
from daf.system.files import append_json_line, json_line
from daf.training.loop import train
from daf.training.metrics import (
    RecentRewards,
    action_figures,
    episode_figures,
    memory_figures,
    numbers_of,
    time_figures,
)
from daf.training.metrics_file import MetricsFile, read_metrics
from daf.training.options import RunOptions
from daf.training.paths import state_folder
from daf.training.trackers import check_trackers

CPU = torch.device("cpu")


def recipe_of(updates: int) -> TrainingRecipe:
    return TrainingRecipe(
        mission=MissionRecipe.of("short", {"short": MissionConfig(source="training_facility_1", max_steps=21)}),
        policy_class_path="grid",
        init_kwargs={"hidden_size": 16, "embedding_size": 8},
        hyperparameters=Hyperparameters(num_envs=2, horizon=16, minibatch_size=64),
        num_steps=updates * 2 * 4 * 16,
        seed=1,
        world_size=1,
    )


def finished(reward: float, length: int, success: bool | None, hearts: float | None) -> FinishedEpisode:
    game = {} if hearts is None else {"hearts": hearts}
    facts = EpisodeFacts(mean_reward=reward, length=length, game_stats=game, agent_stats=[{}])
    return FinishedEpisode(environment=0, facts=facts, success=success, final_observations=None)


def test_reward_and_objective_are_kept_apart() -> None:
    recent = RecentRewards([1.0])
    episodes = [finished(2.0, 10, True, 7.0), finished(6.0, 20, None, None), finished(1.0, 30, False, 2.0)]
    assert episode_figures(Group(), episodes, "hearts", recent) == {
        "episodes": 3,
        "episode_reward": 3.0,
        "episode_length": 20.0,
        "success_rate": 0.5,
        "episode_objective": 4.5,
    }
    assert recent.values == [1.0, 2.0, 6.0, 1.0]
    nothing = episode_figures(Group(), [], "hearts", recent)
    assert nothing["episodes"] == 0
    assert nothing["episode_reward"] is nothing["episode_objective"] is None


def test_an_action_that_is_never_chosen_shows() -> None:
    actions = torch.tensor([[0, 2, 2], [2, 0, 2]])
    figures = action_figures(Group(), actions, ["noop", "north", "south", "west"])
    assert figures["actions"] == pytest.approx({"noop": 1 / 3, "north": 0, "south": 2 / 3, "west": 0})
    assert figures["action_coverage"] == 0.5


def test_shares_of_time_and_memory() -> None:
    shares = time_figures({"environment": 1.0, "learning": 2.0}, 4.0)
    assert shares == {"environment_share": 0.25, "forward_share": 0.0, "learning_share": 0.5}
    assert memory_figures(CPU)["memory_mb"] > 50
    assert "cuda_memory_mb" not in memory_figures(CPU)


def test_trackers_get_the_numbers_of_a_line() -> None:
    line = {"update": 3, "held_out_objective": None, "actions": {"noop": 0.5}, "note": "text", "flag": True}
    assert numbers_of(line) == {"update": 3.0, "actions/noop": 0.5}


def test_metrics_of_updates_that_are_made_again_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"update": 1}\n{"update": 2}\n{"update": 3}\n{"upd')
    metrics = MetricsFile(path, 2)
    metrics.append({"update": 3, "again": 1.5})
    lines = [json_line(line) for line in ({"update": 1}, {"update": 2}, {"update": 3, "again": 1.5})]
    assert path.read_text() == "".join(lines)
    with pytest.raises(ValueError, match="JSON compliant"):
        metrics.append({"update": 4, "loss": float("nan")})


def test_a_damaged_line_is_told_of_and_costs_only_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"update": 1}\n{"update": 2}\n{"upd')
    assert read_metrics(path) == [{"update": 1}, {"update": 2}]
    path.write_bytes(b'{"update": 1}\n{"update": \xff2}\n' + json_line({"update": 3}).replace("3", "7", 1).encode())
    MetricsFile(path, 9).append({"update": 4})
    assert read_metrics(path) == [{"update": 1}, {"update": 4}]
    assert f"{path}: line 2 is damaged and left out (byte 0xff in line 1, which is not UTF-8)" in caplog.text
    assert f"{path}: line 3 is damaged and left out (other content than its content_sha256 says" in caplog.text


def test_a_line_after_one_that_a_crash_cut_short_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(json_line({"update": 1}) + '{"upd')
    append_json_line(path, {"update": 2})
    assert read_metrics(path) == [{"update": 1}, {"update": 2}]


def test_lost_lines_of_a_resumed_run_are_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(json_line({"update": 2}))
    MetricsFile(path, 2)
    assert f"{path}: the metrics of 1 of 2 updates are lost; to get them back, delete {tmp_path}" in caplog.text


def test_metrics_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no such file"):
        read_metrics(tmp_path / "none.jsonl")


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {name: [(e.step, e.value) for e in events.Scalars(name)] for name in events.Tags()["scalars"]}


def test_tensorboard_shows_metrics_and_a_resumed_run_shows_them_once(tmp_path: Path) -> None:
    logger = create_daf_logger("test", level="error")
    recipe = recipe_of(4)
    options = RunOptions(label="test", checkpoint_interval_steps=1, trackers=("tensorboard",))
    train(recipe, tmp_path, options, group=Group(), device=CPU, logger=logger)
    newest = max((state_folder(tmp_path, recipe)).glob("checkpoint-*.pt"))
    newest.unlink()  # as if the last update had not been kept
    train(recipe, tmp_path, options, group=Group(), device=CPU, logger=logger)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    shown = scalars(tmp_path / "tensorboard")
    assert shown["entropy"] == [(line["agent_steps"], pytest.approx(line["entropy"])) for line in lines]
    assert len(shown["actions/noop"]) == 4


def test_a_library_like_wandb_is_started_offline_and_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    class Run:
        def log(self, data: dict[str, float], step: int) -> None:
            calls.append((step, data["entropy"]))

        def finish(self) -> None:
            calls.append("finished")

    library = types.ModuleType("tracker_of_a_user")
    library.init = lambda **settings: (calls.append(settings), Run())[1]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tracker_of_a_user", library)
    recipe = recipe_of(2)
    logger = create_daf_logger("test", level="error")
    options = RunOptions(label="train x", trackers=("tracker_of_a_user",))
    train(recipe, tmp_path, options, group=Group(), device=CPU, logger=logger)
    started, *logged, end = calls
    assert (started["mode"], started["resume"], started["name"]) == ("offline", "allow", "train x")
    assert started["id"] == recipe.digest[:16]
    assert started["config"] == recipe.to_dict()
    assert [step for step, _ in logged] == [128, 256]
    assert end == "finished"


def test_trackers_that_do_not_exist_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_trackers(["tensorboard"])
    with pytest.raises(BadInputError, match="no_such_tracker"):
        check_trackers(["tensorboard", "no_such_tracker"])
    with pytest.raises(BadInputError, match="'json' has none"):
        check_trackers(["json"])
