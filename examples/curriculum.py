"""Train on near goals first, then on farther ones, on missions whose goal lies at a given distance."""

import json
from pathlib import Path
from typing import Any

from daf import distributed_training

DISTANCES, STEPS = (6, 10, 15), 200_000
OBJECTS = {"#": "wall", ".": "empty", "@": "agent.agent", "+": "goal"}


def corridor(distance: int) -> str:
    """A winding corridor of this length from the agent to the goal, on 17 x 17 cells."""
    cells = [["#"] * 17 for _ in range(17)]
    row = column = 0
    cells[row][column] = "@"
    for step in range(distance):
        row, column = (row, column + 1) if step % 4 < 2 else (row + 1, column)
        cells[row][column] = "."
    cells[row][column] = "+"
    return "\n".join(map("".join, cells))


def goal_at(distance: int) -> dict[str, Any]:
    """A mission in which one agent must walk this number of cells to a goal; the seed rotates and mirrors the map."""
    take = {"mutation_type": "resource_delta", "target": "actor", "deltas": {"heart": 1}}
    scene = {
        "type": "mettagrid.mapgen.scenes.inline_ascii.InlineAscii.Config",
        "data": corridor(distance),
        "char_to_name": OBJECTS,
    }
    game = {
        "num_agents": 1,
        "max_steps": 40,
        "episode_truncates": True,
        "resource_names": ["heart"],
        "obs": {"width": 11, "height": 11, "num_tokens": 160},
        "actions": {"change_vibe": {"enabled": False, "vibes": []}},
        "agent": {
            "inventory": {"limits": {"heart": {"resources": ["heart"], "base": 1, "max": 1}}},
            "rewards": {"goal": {"reward": {"values": [{"name": "heart.gained"}], "weights": [1.0]}}},
        },
        "objects": {
            "wall": {"name": "wall", "pydantic_type": "wall"},
            "goal": {"name": "goal", "on_use_handler": {"name": "take", "mutations": [take]}},
        },
        "map_builder": {
            "type": "mettagrid.mapgen.mapgen.MapGen.Config",
            "width": 17,
            "height": 17,
            "border_width": 1,
            "instance": {
                "type": "cogames.games.cogs_vs_clips.missions.terrain.RandomTransform.Config",
                "scene": scene,
            },
        },
    }
    return {"description": f"Walk {distance} cells to the goal.", "success": "agent_sum('heart.gained') >= 1",
            "env": {"label": f"goal-{distance}", "game": game}}  # fmt: skip


def write_missions(folder: Path) -> list[str]:
    """A mission file for each distance."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"goal-{distance}.json" for distance in DISTANCES]
    for file, distance in zip(files, DISTANCES, strict=True):
        file.write_text(json.dumps(goal_at(distance), indent=1))
    return [str(file) for file in files]


if __name__ == "__main__":
    near, middle, far = missions = write_missions(Path("out/missions"))
    job = distributed_training.daf_launch_distributed_training(
        name="farther",
        num_steps=STEPS,
        missions=[{"mission": mission} for mission in missions],  # the last one is the target
        curriculum={
            "mode": "fixed",
            "schedule": [
                {"until": 0.3, "weights": {near: 1}},
                {"until": 0.6, "weights": {near: 1, middle: 3}},
                {"until": 1.0, "weights": {near: 1, middle: 1, far: 4}},
            ],
        },
        hyperparameters={"entropy_coef": 0.03, "num_envs": 32},  # rewards are rare: explore more
        objective_metric="success_rate",
        output_dir="out",
    )
    job.wait_for_completion()
    last = distributed_training.daf_collect_training_results(job).run["evaluations"][-1]
    for mission in missions:
        result = last["missions"][Path(mission).stem]
        print(f"{mission}: success {result['objective']:.0%} in {result['episodes']} held-out episodes")
