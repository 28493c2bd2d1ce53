"""Figures in a real notebook kernel: a cell shows them, a person changes them, and three formats are written."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.slow
SETUP = """
import pandas as pd
from daf.config import DAFComparisonConfig
from daf.statistics.comparison import compare_episodes
from daf.visualization import daf_plot_policy_comparison, daf_plot_training_curves
rows = [{"policy": policy, "mission": "one", "env_seed": seed, "mean_reward": base + seed % 5}
        for policy, base in (("a", 3.0), ("b", 0.0)) for seed in range(12)]
config = DAFComparisonConfig(policies=["a", "b"], missions=["one"], num_resamples=200)
results = compare_episodes(pd.DataFrame(rows), config)
"""
CHANGE = """
figure.axes[0].set_title("Changed by hand")
figure.axes[0].set_ylim(0, 99)
figure.savefig("changed.svg")
figure
"""
CELLS = [
    SETUP,
    "figure = daf_plot_training_curves('run', 'curves.pdf')\nfigure",
    CHANGE,
    "daf_plot_policy_comparison(results, 'means.svg')",
    "daf_plot_policy_comparison(results, 'means.png').axes[0].get_xlabel()",
    "import sys\nsys.modules.get('matplotlib.pyplot') is None",
    "import matplotlib.pyplot as plt\ndaf_plot_policy_comparison(results)",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("notebook")
    for seed in (1, 2):
        path = folder / "run" / f"seed-{seed}" / "metrics.jsonl"
        path.parent.mkdir(parents=True)
        lines = [{"agent_steps": 1000 * step, "episode_reward": step + seed} for step in range(5)]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture(scope="module")
def outputs(folder: Path) -> list[list[Any]]:
    """What each cell shows."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}})
    client.execute()
    return [cell["outputs"] for cell in notebook["cells"]]


def pictures(shown: list[Any]) -> list[bytes]:
    return [base64.b64decode(output["data"]["image/png"]) for output in shown if "image/png" in output.get("data", {})]


def test_a_cell_shows_a_figure_once(outputs: list[list[Any]]) -> None:
    for cell in (1, 3, 6):  # the last after pyplot was imported, which brings its own way to show figures
        (picture,) = pictures(outputs[cell])
        assert picture.startswith(b"\x89PNG")
        assert len(picture) > 10_000
    assert outputs[1][-1]["metadata"]["image/png"]["width"] == 760
    assert outputs[5][0]["data"]["text/plain"] == "True"


def test_a_person_changes_a_figure(outputs: list[list[Any]], folder: Path) -> None:
    assert pictures(outputs[2])[0] != pictures(outputs[1])[0]
    assert b"Changed by hand" in (folder / "changed.svg").read_bytes()


def test_three_formats_are_written(outputs: list[list[Any]], folder: Path) -> None:
    begins = {"curves.pdf": b"%PDF", "means.svg": b"<?xml", "means.png": b"\x89PNG"}
    for name, start in begins.items():
        assert (folder / name).read_bytes().startswith(start)
