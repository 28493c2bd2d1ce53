"""`episodes_per_mission: auto` in the workflow: planned as a whole, and stopped when the verdict is in."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from daf.episodes.table import read_episodes, read_provenance
from tests.workflow.conftest import DryRun
from tests.workflow.tools import job_counts, snakemake, write_experiment

AUTO: dict[str, Any] = {
    "name": "auto",
    "missions": {"hall": {"source": "training_facility_1", "max_steps": 40}},
    "evaluation": {"episodes_per_shard": 8},
    "policies": {"wanderer": "random", "still": "noop"},
    "comparisons": {
        "main": {
            "policies": ["wanderer", "still"],
            "missions": ["hall"],
            "episodes_per_mission": "auto",
            "max_episodes_per_mission": 32,
            "equivalence_margin": 5.0,
            "num_resamples": 500,
        }
    },
}


def test_all_batches_and_looks_are_planned(dry_run: DryRun) -> None:
    counts = job_counts(dry_run(AUTO, "compare"))
    assert counts["evaluate_policy"] == 8
    assert counts["run_interim_analysis"] == 3  # the last batch has no separate analysis: it is the comparison
    fixed = copy.deepcopy(AUTO)
    fixed["comparisons"]["main"]["episodes_per_mission"] = 32
    assert "run_interim_analysis" not in job_counts(dry_run(fixed, "compare"))


@pytest.mark.long
def test_batches_after_the_verdict_stay_empty_and_say_why(tmp_path: Path) -> None:
    write_experiment(tmp_path, AUTO)
    done = snakemake(tmp_path, "-j2", "compare")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    out = tmp_path / "daf_output"
    results = json.loads((out / "comparisons" / "main" / "comparison.json").read_text())
    assert [look["episodes"] for look in results["sequential"]["interim_analyses"]] == [8]
    assert {row["n_a"] for row in results["pairwise"]} == {8}
    for policy in ("wanderer", "still"):
        folder = out / "evaluations" / policy / "hall"
        assert [len(read_episodes(folder / f"episodes-{shard}.parquet")) for shard in range(4)] == [8, 0, 0, 0]
        assert "nothing was open after 8 episodes" in read_provenance(folder / "episodes-2.parquet")["skipped"]
    again = snakemake(tmp_path, "-n", "compare")
    assert "Nothing to be done" in again.stdout + again.stderr
