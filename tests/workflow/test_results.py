"""What a finished run leaves behind: every file says what it was made with, and the pages say what the numbers say."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import torch

from daf.engine.model_files import read_weights
from daf.episodes.table import read_episodes, read_provenance
from daf.statistics.records import PairRecord
from daf.statistics.sentences import Words, verdict_sentence
from daf.system.columns import from_rows
from daf.system.files import file_sha256
from tests.workflow.tools import SMALL

pytestmark = pytest.mark.slow

WITH_PROVENANCE = (
    "environment/check.json",
    "sweeps/knobs/trial-0000/result.json",
    "sweeps/knobs/trial-0002/result.json",
    "sweeps/knobs/best.json",
    "sweeps/knobs/analysis.json",
    "training/hall/seed-1/run.json",
    "reports/missions/hall.json",
    "comparisons/main/comparison.json",
    "deployment/trained-seed-1-1.2.3.manifest.json",
    "deployment/trained-seed-1-1.2.3.validation.json",
)


@pytest.fixture
def out(finished_run: Path) -> Path:
    return finished_run / "daf_output"


def read(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.mark.parametrize("name", WITH_PROVENANCE)
def test_every_result_says_what_it_was_made_with(out: Path, name: str) -> None:
    facts = read(out / name)["provenance"]
    assert re.fullmatch("[0-9a-f]{64}", facts["recipe_digest"])
    assert {"cogames", "mettagrid", "torch", "daf", "python"} <= set(facts["versions"])
    assert isinstance(facts["seeds"], dict)
    assert facts["host"]["cpu_count"] >= 1
    git = facts["git"]
    assert git is None or (len(git["commit"]) == 40 and isinstance(git["dirty"], bool))


def test_episodes_say_it_too(out: Path) -> None:
    paths = sorted(out.glob("evaluations/*/*/episodes.parquet"))
    assert len(paths) == 6
    for path in paths:
        (facts,) = read_provenance(path)["shards"]
        assert {"recipe_digest", "seeds", "versions", "git", "policy"} <= set(facts)
    baseline = read_provenance(out / "evaluations/baseline/hall/episodes.parquet")["shards"][0]
    assert "starter" in baseline["note"]
    trained = read_provenance(out / "evaluations/trained-seed-1/hall/episodes.parquet")["shards"][0]
    assert trained["policy"]["weights_sha256"] == file_sha256(out / "training/hall/seed-1/model.safetensors")


def test_the_best_trial_is_the_best(out: Path) -> None:
    trials = [read(path) for path in sorted(out.glob("sweeps/knobs/trial-*/result.json"))]
    assert [trial["status"] for trial in trials] == ["completed"] * 3
    best = read(out / "sweeps/knobs/best.json")
    assert best["objective"] == max(trial["objective"] for trial in trials)
    assert trials[best["trial"]]["hyperparameters"] == best["hyperparameters"]
    with open(out / "sweeps/knobs/trials.csv") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["objective"]) for row in rows] == [trial["objective"] for trial in trials]


def test_a_trials_objective_is_the_mean_of_its_episodes(out: Path) -> None:
    """Replayed from the trial's weights on the sweep's seeds, in this process."""
    from daf.config import MissionConfig, PolicyConfig
    from daf.engine.evaluation import evaluate_policy

    result = read(out / "sweeps/knobs/trial-0001/result.json")
    episodes = evaluate_policy(
        PolicyConfig(data_path=out / "sweeps/knobs/trial-0001/state/model.safetensors"),
        MissionConfig.from_dict(SMALL["missions"]["hall"]),
        episodes=4,
        seed=100_000,
    )
    assert episodes["objective"].mean() == pytest.approx(result["objective"], rel=1e-6)


def test_the_page_says_what_the_numbers_say(out: Path) -> None:
    comparison = read(out / "comparisons/main/comparison.json")
    page = (out / "comparisons/main/report.html").read_text()
    text = " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())
    pairs = from_rows(PairRecord, comparison["pairwise"])
    overall = [record for record in pairs if (record.estimand, record.mission) == ("checkpoints", "overall")]
    assert {(record.policy_a, record.policy_b) for record in overall} == {
        ("trained", "random"),
        ("trained", "baseline"),
        ("random", "baseline"),
    }
    for record in overall:
        assert verdict_sentence(record, Words(level=0.95, missions=2)) in text
    for row in comparison["summary_statistics"]:
        episodes = read_episodes(list(out.glob(f"evaluations/{row['policy']}*/*/episodes.parquet")))
        played = episodes if row["mission"] == "overall" else episodes[episodes["mission"] == row["mission"]]
        assert row["mean"] == pytest.approx(played["mean_reward"].mean())
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", page)  # self-contained


def test_learning_curves_reach_the_end(out: Path) -> None:
    lines = [json.loads(line) for line in (out / "training/hall/seed-1/metrics.jsonl").read_text().splitlines()]
    steps = [line["agent_steps"] for line in lines]
    assert steps == sorted(set(steps))
    assert steps[-1] >= SMALL["training"]["hall"]["num_steps"]


def test_every_job_left_a_log_and_a_timing(out: Path) -> None:
    logs = {str(path.relative_to(out / "logs").with_suffix("")) for path in (out / "logs").rglob("*.log")}
    timings = out / "logs" / "benchmarks"
    timed = {str(path.relative_to(timings).with_suffix("")) for path in timings.rglob("*.jsonl")}
    assert logs - {"sweeps/live", "index"} == timed  # drawn beside the jobs
    assert {"environment/check", "sweeps/knobs/trial-0000", "training/hall/seed-1"} <= logs
    progress = (out / "logs/training/hall/seed-1.log").read_text()
    assert re.search(r"train hall · seed 1 · .+ of .+ agent-steps \(100 %\)", progress)


def test_the_package_is_the_model(out: Path) -> None:
    package = out / "deployment/trained-seed-1-1.2.3.zip"
    manifest = read(package.with_name("trained-seed-1-1.2.3.manifest.json"))
    validation = read(package.with_name("trained-seed-1-1.2.3.validation.json"))
    assert validation["is_valid"]
    assert validation["mission"] == "hall"  # as the experiment calls it
    assert manifest["sha256"] == validation["sha256"] == file_sha256(package)
    with zipfile.ZipFile(package) as archive:
        spec = json.loads(archive.read("policy_spec.json"))
        packaged = torch.load(io.BytesIO(archive.read(spec["data_path"])), weights_only=True)
    trained = read_weights(out / "training/hall/seed-1/model.safetensors")
    assert packaged.keys() == trained.keys()
    assert all(torch.equal(packaged[name], trained[name]) for name in trained)
    assert manifest["recipe_digest"] == read(out / "training/hall/seed-1/model.json")["recipe_digest"]
