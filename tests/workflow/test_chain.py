"""The whole chain for real, at a small size: every file, a second run, a deleted result, a larger budget, a kill."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from daf.episodes.table import read_episodes, read_provenance
from daf.system.files import file_sha256
from daf.workflow.run_history import read_history
from tests.workflow.tools import PROJECT, SMALL, job_counts, skip_engine_check, snakemake, write_experiment

pytestmark = pytest.mark.slow


def results(folder: Path) -> dict[str, tuple[int, str]]:
    """When and what every trial's result was written."""
    paths = sorted(folder.glob("daf_output/sweeps/knobs/trial-*/result.json"))
    return {path.parent.name: (path.stat().st_mtime_ns, path.read_text()) for path in paths}


def test_every_file_of_the_chain_is_there_and_says_where_it_comes_from(finished_run: Path) -> None:
    out = finished_run / "daf_output"
    assert json.loads((out / "environment/check.json").read_text())["healthy"]
    best = json.loads((out / "sweeps/knobs/best.json").read_text())
    assert 'url=report.html"' in (out / "sweeps/knobs/live.html").read_text()
    check_index(out)
    run = json.loads((out / "training/hall/seed-1/run.json").read_text())
    assert run["status"] == "completed"
    assert run["recipe"]["hyperparameters"]["learning_rate"] == best["hyperparameters"]["learning_rate"]
    assert run["processes"]["world_size"] == 2
    assert len({rank["pid"] for rank in run["processes"]["ranks"]}) == 2
    assert (out / "training/hall/seed-1/model.safetensors").stat().st_size > 10_000
    for checkpoint in ("trained-seed-1", "random", "baseline"):
        for mission, steps in (("hall", 40), ("hall_long", 60)):
            path = out / f"evaluations/{checkpoint}/{mission}/episodes.parquet"
            episodes = read_episodes(path)
            assert episodes["env_seed"].tolist() == [1_000_000, 1_000_001, 1_000_002, 1_000_003]
            assert episodes["length"].tolist() == [steps] * 4
            assert episodes["failure"].isna().all()
            provenance = read_provenance(path)["shards"][0]
            assert provenance["versions"]["mettagrid"]
            assert len(provenance["recipe_digest"]) == 64
    comparison = json.loads((out / "comparisons/main/comparison.json").read_text())
    assert comparison["provenance"]["recipe_digest"]
    page = (out / "comparisons/main/report.html").read_text()
    assert "trained" in page
    assert "DAF plays its scripted &#x27;starter&#x27;" in page
    assert (out / "reports/missions/hall.html").stat().st_size > 2000
    validation = json.loads((out / "deployment/trained-seed-1-1.2.3.validation.json").read_text())
    assert validation["is_valid"]


def check_index(out: Path) -> None:
    """The page of the experiment says that it has finished, and leads to every page, which lead back."""
    index = (out / "index.html").read_text()
    assert '<meta name="daf-state" content="done">' in index
    assert "Finished: 29 of 29 jobs done" in index
    pages = ["comparisons/main/report.html", "reports/missions/hall.html", "sweeps/knobs/report.html"]
    for page in pages:
        assert f'href="{page}"' in index
        assert '<a href="../../index.html">' in (out / page).read_text()
        (sentence,) = re.findall(r'<meta name="description" content="(.*?)">', (out / page).read_text())
        assert sentence in index
    assert 'href="deployment/trained-seed-1-1.2.3.zip"' in index
    assert "trained" in (out / "leaderboard.html").read_text()
    assert "as comparison main had it" not in (out / "leaderboard.html").read_text()  # scores are traced to missions
    (past,), _ = read_history(out, 5)
    assert (past.state, past.num_done, past.config["name"]) == ("done", 29, "small")
    assert (out / "logs/index.log").read_text() == ""


def test_a_second_run_has_nothing_to_do(finished_run: Path) -> None:
    done = snakemake(finished_run, "-j2", "-n")
    assert "Nothing to be done" in done.stdout + done.stderr


def test_a_larger_budget_adds_exactly_the_new_trials(finished_run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished_run, tmp_path / "more", copy_function=shutil.copy2)
    more = copy.deepcopy(SMALL)
    more["sweeps"]["knobs"]["num_trials"] = 5
    write_experiment(folder, more)
    skip_engine_check(folder)
    counts = job_counts(snakemake(folder, "-n", "sweep").stdout)
    made = {"propose_trial": 2, "run_trial": 2, "describe_sweep": 1, "select_best": 1, "sweep": 1}
    assert counts == {**made, "total": 7}


def test_a_deleted_result_is_made_again_alone_and_the_same(finished_run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished_run, tmp_path / "deleted", copy_function=shutil.copy2)
    before = results(folder)
    target = "daf_output/sweeps/knobs/trial-0000/result.json"
    (folder / target).unlink()
    done = snakemake(folder, "-j2", target)
    assert done.returncode == 0, done.stderr
    after = results(folder)
    assert {name for name in before if after[name][0] != before[name][0]} == {"trial-0000"}
    history, _ = read_history(folder / "daf_output", 5)
    assert [(past.state, past.num_jobs) for past in history] == [("done", 1), ("done", 29)]
    index = (folder / "daf_output/index.html").read_text()
    assert "Finished: 1 of 1 job done" in index
    objectives = [json.loads(found["trial-0000"][1])["objective"] for found in (before, after)]
    assert objectives[0] == objectives[1]


@pytest.mark.long
def test_killed_in_the_sweep_the_same_command_finishes_and_repeats_no_trial(finished_run: Path, tmp_path: Path) -> None:
    write_experiment(tmp_path, SMALL)
    skip_engine_check(tmp_path)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(PROJECT / "Snakefile")]
    command += ["--configfile", "experiment.yaml", "-j1", "sweep"]
    running = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    # When the second trial's training has begun, Snakemake has booked the first one as finished.
    while len(list(tmp_path.glob("daf_output/sweeps/knobs/trial-*/state"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)  # polls for a file, measures nothing
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    before = results(tmp_path)
    assert 1 <= len(before) < 3
    index = tmp_path / "daf_output/index.html"
    while 'content="killed"' not in index.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)  # the process beside the run writes that it was killed
    assert "Killed: " in index.read_text()
    done = snakemake(tmp_path, "-j1", "sweep")
    assert done.returncode == 0, done.stderr
    assert "Finished: " in index.read_text()
    after = results(tmp_path)
    assert len(after) == 3
    assert {name: after[name] for name in before} == before
    whole = {name: json.loads(text)["objective"] for name, (_, text) in results(finished_run).items()}
    assert {name: json.loads(text)["objective"] for name, (_, text) in after.items()} == whole


def test_a_team_and_a_replay_need_nothing_but_their_own_jobs(finished_run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished_run, tmp_path / "team", copy_function=shutil.copy2)
    more = copy.deepcopy(SMALL)
    more["policies"]["mixed"] = {"policies": {"trained": 0.5, "random": 0.5}}
    more["comparisons"]["teams"] = {"policies": ["mixed"], "missions": ["hall"], "episodes_per_mission": 4}
    write_experiment(folder, more)
    skip_engine_check(folder)
    episodes = "daf_output/evaluations/mixed-seed-1/hall/episodes.parquet"
    replay = "daf_output/replays/mixed-seed-1/hall/best.json.z"
    counts = job_counts(snakemake(folder, "-n", replay).stdout)
    assert counts == {"evaluate_policy": 1, "merge_episodes": 1, "replay_episode": 1, "total": 3}
    done = snakemake(folder, "-j2", replay)
    assert done.returncode == 0, done.stderr
    frame = read_episodes(folder / episodes)
    assert frame["failure"].isna().all()
    assert frame["train_seed"].tolist() == [1] * 4
    assert [sorted(players) for players in frame["agent_policies"]] == [["random"] * 2 + ["trained"] * 2] * 4
    team = read_provenance(folder / episodes)["shards"][0]["policy"]["team"]
    weights = folder / "daf_output/training/hall/seed-1/model.safetensors"
    assert [member["weights_sha256"] for member in team] == [file_sha256(weights), None]
    shown = json.loads(zlib.decompress((folder / replay).read_bytes()))
    assert sum(shown["infos"]["episode_rewards"]) == pytest.approx(4 * frame["mean_reward"].max(), abs=1e-4)
